"""``ferrata stores`` and ``ferrata connections``."""

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from getpass import getpass
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.audit.schemas import COMMAND_LINE
from ferrata.connections import connect_bodies as bodies
from ferrata.connections.schemas import Connection, Status, StoreFilter, StoreOverview, StoreSort
from ferrata.connections.scopes import what_is_missing
from ferrata.connections.service import Connections
from ferrata.infra.errors import NeedsReconnect, Rejected
from ferrata.infra.terminal import Terminal

Opened = Callable[[], AbstractAsyncContextManager[Connections]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")]
_COLUMNS = ["id", "name", "status", "account", "metric", "time_zone", "currency", "created_at"]


def stores(opened: Opened) -> App:
    app = App(name="stores", help="The stores of this installation.")
    _add_listing(app, opened)
    _add_archiving(app, opened)

    @app.command
    async def create(store_id: str, name: str, *, time_zone: str = "UTC", currency: str = "EUR", json: Json = False) -> None:
        """Add a store.

        Parameters
        ----------
        store_id
            Letters, digits and hyphens, such as my-shop. It cannot be changed later.
        name
            As people call it.
        time_zone
            An IANA name: in which its pages show times.
        currency
            ISO 4217: what its events mean where they name none.
        """
        async with opened() as connections:
            store = await connections.registry.create(store_id, name, actor=COMMAND_LINE, time_zone=time_zone, currency=currency)
        Terminal(as_json=json).answer(
            asdict(store), said=f"The store {store.id} is there. Next: ferrata connections set-key --store {store.id}"
        )

    @app.command
    async def change(
        store_id: str, *, name: str | None = None, time_zone: str | None = None, currency: str | None = None, json: Json = False
    ) -> None:
        """Rename a store, or change its time zone or currency. What is not given stays."""
        async with opened() as connections:
            store = await connections.registry.change(
                store_id, actor=COMMAND_LINE, name=name, time_zone=time_zone, currency=currency
            )
        Terminal(as_json=json).answer(asdict(store), said=f"{store.id}: {store.name}, {store.time_zone}, {store.currency}")

    return app


def _add_listing(app: App, opened: Opened) -> None:
    @app.command(name="list")
    async def list_stores(
        *,
        search: str = "",
        status: Status | None = None,
        archived: bool = False,
        sort: StoreSort = StoreSort.NAME,
        json: Json = False,
    ) -> None:
        """Every store, with how it is connected.

        Parameters
        ----------
        search
            Looked for in names and ids of stores and accounts.
        status
            Only those whose connection is like that.
        archived
            Those that are put away, instead of those in use.
        sort
            By name, by status with broken connections first, or the last changed first.
        """
        wanted, cursor = StoreFilter(search, status, archived, sort=sort), None
        found: list[StoreOverview] = []
        async with opened() as connections:
            while True:
                page = await connections.registry.page(wanted, cursor, 200)
                found += page.rows
                cursor = page.next_cursor
                if cursor is None:
                    break
        rows = [
            asdict(seen.store)
            | {"status": seen.status, "account": seen.account_name or seen.account_id, "metric": seen.conversion_metric_name}
            for seen in found
        ]
        Terminal(as_json=json).rows(_COLUMNS, rows, nothing="No store is like that.")


def _add_archiving(app: App, opened: Opened) -> None:
    @app.command
    async def archive(store_id: str, *, confirm: str = "", json: Json = False) -> None:
        """Put a store away: it is disconnected and takes nothing in. What it has is kept, and it can be restored.

        Parameters
        ----------
        confirm
            The store's id once more.
        """
        async with opened() as connections:
            store = await connections.registry.archive(store_id, confirm=confirm, actor=COMMAND_LINE)
        Terminal(as_json=json).answer(asdict(store), said=f"{store.id} is archived.")

    @app.command
    async def restore(store_id: str, *, json: Json = False) -> None:
        """Take an archived store into use again. It is to be connected anew."""
        async with opened() as connections:
            store = await connections.registry.restore(store_id, actor=COMMAND_LINE)
        said = f"{store.id} is in use again. Next: ferrata connections set-key --store {store.id}"
        Terminal(as_json=json).answer(asdict(store), said=said)


def connections(opened: Opened) -> App:
    app = App(name="connections", help="A store's connection to Klaviyo: set, tested, replaced, ended.")
    _add_keys(app, opened)
    _add_metrics(app, opened)

    @app.command
    async def test(*, store: StoreOption = None, json: Json = False) -> None:
        """Ask Klaviyo whether the store's key is good. Exit code 1 if it is not."""
        async with opened() as service:
            connection = await service.test(await service.registry.choose(store), actor=COMMAND_LINE)
        _tell(connection, json)
        if connection.status.is_broken:
            raise NeedsReconnect(connection.detail or "")

    @app.command
    async def show(*, store: StoreOption = None, json: Json = False) -> None:
        """What is known of the store's connection. The key itself is never shown."""
        async with opened() as service:
            connection = await service.connection(await service.registry.choose(store))
        _tell(connection, json)

    @app.command
    async def scopes(*, store: StoreOption = None, json: Json = False) -> None:
        """Ask Klaviyo anew what the connection may do, and name what is missing."""
        async with opened() as service:
            seen = await service.check_scopes(await service.registry.choose(store), actor=COMMAND_LINE)
        found = bodies.scopes(seen.scopes)
        said = "\n".join(f"{name}: {', '.join(each) or 'none'}" for name, each in found.items())
        Terminal(as_json=json).answer(found, said="\n".join(filter(None, [said, what_is_missing(seen.scopes)])))

    @app.command
    async def disconnect(*, store: StoreOption = None, yes: bool = False, json: Json = False) -> None:
        """Forget key or tokens, account and metric. Events are kept and wait.

        Parameters
        ----------
        yes
            Do it. Without this the command only says what would happen.
        """
        async with opened() as service:
            store_id = await service.registry.choose(store)
            if not yes:
                raise Rejected(f"{store_id} would be disconnected from Klaviyo; its events would wait. To do it, add --yes.")
            await service.disconnect(store_id, COMMAND_LINE)
        Terminal(as_json=json).answer({"store_id": store_id, "disconnected": True}, said=f"{store_id} is disconnected.")

    return app


def _add_keys(app: App, opened: Opened) -> None:
    @app.command
    async def set_key(*, store: StoreOption = None, metric: str | None = None, test: bool = True, json: Json = False) -> None:
        """Connect a store. The key is read from the terminal or standard input, never from the arguments, which others can see.

        Parameters
        ----------
        metric
            The id of the conversion metric; ferrata connections metrics lists them once the store is connected.
        test
            Ask Klaviyo first and keep the key only if it is accepted.
        """
        key = _read_key("Klaviyo private key: ")
        async with opened() as service:
            store_id = await service.registry.choose(store)
            if metric or test:
                connection = await service.connecting.complete(store_id, key, metric, actor=COMMAND_LINE)
            else:
                connection = await service.set_private_key(store_id, key, actor=COMMAND_LINE, test=False)
        _tell(connection, json)

    @app.command
    async def rotate_key(*, store: StoreOption = None, json: Json = False) -> None:
        """Replace the key by another of the same account, without a gap. The new one is read as set-key reads it."""
        key = _read_key("The new Klaviyo private key: ")
        async with opened() as service:
            store_id = await service.registry.choose(store)
            connection = await service.connecting.rotate(store_id, key, actor=COMMAND_LINE)
            retiring = await service.rotation.retiring(store_id)
        until = f" Revoke {retiring[0].hint} in Klaviyo after {retiring[0].forget_at:%H:%M:%S} UTC." if retiring else ""
        lacking = bodies.warnings(connection.scopes)
        told = asdict(connection) | {"retiring": bodies.retiring(retiring), "warnings": lacking}
        said = [f"{store_id}: the key {connection.hint} is in use.{until}", *lacking]
        Terminal(as_json=json).answer(told, said="\n".join(said))


def _add_metrics(app: App, opened: Opened) -> None:
    @app.command
    async def metrics(*, store: StoreOption = None, json: Json = False) -> None:
        """What the connected account can count as a conversion: Shopify's Placed Order first, then by name."""
        async with opened() as service:
            found = await service.metrics(await service.registry.choose(store))
        rows = [bodies.metric(choice) for choice in found.all]
        Terminal(as_json=json).rows(["id", "name", "integration", "category"], rows, nothing="No metric yet.")

    @app.command
    async def choose_metric(metric: str, *, store: StoreOption = None, json: Json = False) -> None:
        """Change what a connected store counts as a conversion.

        Parameters
        ----------
        metric
            Its id, from ferrata connections metrics.
        """
        async with opened() as service:
            store_id = await service.registry.choose(store)
            found = await service.metrics(store_id)
            connection = await service.connecting.choose_metric(store_id, metric, found, actor=COMMAND_LINE)
        orders = "are not read" if connection.do_not_order_sync else "are read"
        said = f"{store_id}: {connection.conversion_metric_name} counts as a conversion; orders {orders} from Klaviyo."
        Terminal(as_json=json).answer(bodies.integration(connection), said=said)

    @app.command
    async def clear_metric(*, store: StoreOption = None, json: Json = False) -> None:
        """Count nothing as a conversion. The connection stays, and another metric can be chosen at any time."""
        async with opened() as service:
            store_id = await service.registry.choose(store)
            connection = await service.connecting.clear_metric(store_id, actor=COMMAND_LINE)
        Terminal(as_json=json).answer(bodies.integration(connection), said=f"{store_id}: nothing counts as a conversion.")


def _read_key(prompt: str) -> str:
    return getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()


def _tell(connection: Connection, as_json: bool) -> None:
    key = f", key {connection.hint}" if connection.hint else ""
    account = f", account {connection.account_name or ''} {connection.account_id}" if connection.account_id else ""
    notes = "\n".join(filter(None, ["", connection.detail, what_is_missing(connection.scopes)]))
    said = f"{connection.store_id}: {connection.status.replace('_', ' ')}{key}{account}{notes}"
    Terminal(as_json=as_json).answer(asdict(connection), said=said)
