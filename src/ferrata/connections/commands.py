"""``ferrata stores`` and ``ferrata connections``."""

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from getpass import getpass
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.audit.schemas import COMMAND_LINE
from ferrata.connections.schemas import Connection, Status
from ferrata.connections.service import Connections
from ferrata.infra.errors import NeedsReconnect
from ferrata.infra.terminal import Terminal

Opened = Callable[[], AbstractAsyncContextManager[Connections]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")]


def stores(opened: Opened) -> App:
    app = App(name="stores", help="The stores of this installation.")

    @app.command(name="list")
    async def list_stores(*, json: Json = False) -> None:
        """Every store, the oldest first."""
        async with opened() as connections:
            found = await connections.stores()
        Terminal(as_json=json).rows(
            ["id", "name", "time_zone", "currency", "created_at"], [asdict(store) for store in found], nothing="No store yet."
        )

    @app.command
    async def create(store_id: str, name: str, *, time_zone: str = "UTC", currency: str = "EUR", json: Json = False) -> None:
        """Add a store.

        Parameters
        ----------
        store_id
            Small letters, digits and hyphens, such as my-shop. It cannot be changed later.
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

    return app


def connections(opened: Opened) -> App:
    app = App(name="connections", help="A store's key for Klaviyo: set, test, show.")

    @app.command
    async def set_key(*, store: StoreOption = None, test: bool = True, json: Json = False) -> None:
        """Connect a store. The key is read from the terminal or standard input, never from the arguments, which others can see.

        Parameters
        ----------
        test
            Ask Klaviyo first and keep the key only if it is accepted.
        """
        key = getpass("Klaviyo private key: ") if sys.stdin.isatty() else sys.stdin.readline()
        async with opened() as service:
            store_id = await service.registry.choose(store)
            connection = await service.set_private_key(store_id, key, actor=COMMAND_LINE, test=test)
        _tell(connection, json)

    @app.command
    async def test(*, store: StoreOption = None, json: Json = False) -> None:
        """Ask Klaviyo whether the store's key is good. Exit code 1 if it is not."""
        async with opened() as service:
            connection = await service.test(await service.registry.choose(store), actor=COMMAND_LINE)
        _tell(connection, json)
        if connection.status is Status.ERROR:
            raise NeedsReconnect(connection.detail or "")

    @app.command
    async def show(*, store: StoreOption = None, json: Json = False) -> None:
        """What is known of the store's connection. The key itself is never shown."""
        async with opened() as service:
            connection = await service.connection(await service.registry.choose(store))
        _tell(connection, json)

    return app


def _tell(connection: Connection, as_json: bool) -> None:
    key = f", key {connection.hint}" if connection.hint else ""
    account = f", account {connection.account_name or ''} {connection.account_id}" if connection.account_id else ""
    detail = f"\n{connection.detail}" if connection.detail else ""
    said = f"{connection.store_id}: {connection.status.replace('_', ' ')}{key}{account}{detail}"
    Terminal(as_json=as_json).answer(asdict(connection), said=said)
