"""``ferrata alerts``: what holds and what held, and the channels."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.alerts.schemas import Channel, NewChannel, State, Way
from ferrata.alerts.service import Alerts
from ferrata.audit.schemas import COMMAND_LINE
from ferrata.connections.service import Connections
from ferrata.infra.errors import Transient
from ferrata.infra.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Desk:
    alerts: Alerts
    connections: Connections

    async def channel(self, channel_id: str) -> Channel:
        for store in await self.connections.stores():
            for channel in await self.alerts.channels.seen_from(store.id, everywhere=True):
                if channel.id == channel_id:
                    return channel
        return await self.alerts.channels.one(channel_id, "", everywhere=True)


Opened = Callable[[], AbstractAsyncContextManager[Desk]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: every store.")]
Kinds = Annotated[list[str] | None, Parameter(name="--kind", help="A kind of alert, such as lane.parked. Default: all of them.")]
ALERT_COLUMNS = ["id", "opened_at", "closed_at", "severity", "kind", "store_id", "subject", "summary"]
CHANNEL_COLUMNS = ["id", "store_id", "way", "name", "hint", "kinds", "created_at"]
NOTICE_COLUMNS = ["id", "created_at", "saying", "state", "tries", "next_at", "outcome"]


def alerts(opened: Opened) -> App:
    app = App(name="alerts", help="What needs people, and how they are told.")

    @app.command(name="list")
    async def list_alerts(*, store: StoreOption = None, past: bool = False, json: Json = False) -> None:
        """What goes on; with --past, what is over.

        Parameters
        ----------
        past
            The last 100 that are over.
        """
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store) if store else None
            rows = (await desk.alerts.past(store_id, None, 100)).rows if past else await desk.alerts.open(store_id)
        Terminal(as_json=json).rows(ALERT_COLUMNS, [asdict(row) for row in rows], nothing="Nothing needs anybody.")

    _add_channels(app, opened)
    _add_acts(app, opened)
    return app


def _add_channels(app: App, opened: Opened) -> None:
    @app.command
    async def channels(*, store: StoreOption = None, json: Json = False) -> None:
        """Who is told."""
        async with opened() as desk:
            stores = [await desk.connections.registry.choose(store)] if store else [s.id for s in await desk.connections.stores()]
            found = {c.id: c for id_ in stores for c in await desk.alerts.channels.seen_from(id_, everywhere=True)}
        rows = [asdict(channel) for channel in found.values()]
        Terminal(as_json=json).rows(CHANNEL_COLUMNS, rows, nothing="Nobody is told yet: ferrata alerts add-email, add-webhook.")

    @app.command
    async def add_webhook(
        url: str, *, name: str = "Webhook", store: StoreOption = None, kind: Kinds = None, json: Json = False
    ) -> None:
        """Tell a program, by signed POST requests. The secret of the signature is printed this once.

        Parameters
        ----------
        url
            An https address on the public internet.
        name
            As people call it.
        """
        await _add(opened, NewChannel(Way.WEBHOOK, name, url, tuple(kind or ()), store is None), store, json)

    @app.command
    async def add_email(
        addresses: str, *, name: str = "E-mail", store: StoreOption = None, kind: Kinds = None, json: Json = False
    ) -> None:
        """Tell people, by e-mail.

        Parameters
        ----------
        addresses
            One, or several separated by commas.
        name
            As people call it.
        """
        await _add(opened, NewChannel(Way.EMAIL, name, addresses, tuple(kind or ()), store is None), store, json)

    @app.command
    async def remove(channel_id: str, *, json: Json = False) -> None:
        """Tell nobody there any more."""
        async with opened() as desk:
            channel = await desk.channel(channel_id)
            await desk.alerts.channels.remove(channel, actor=COMMAND_LINE)
        Terminal(as_json=json).answer({"removed": channel.id}, said=f"{channel.name} is told nothing any more.")


async def _add(opened: Opened, asked: NewChannel, store: str | None, as_json: bool) -> None:
    async with opened() as desk:
        made = await desk.alerts.channels.add(await desk.connections.registry.choose(store), asked, actor=COMMAND_LINE)
    secret = f"\nThe secret of its signature, shown this once: {made.secret}" if made.secret else ""
    said = f"{made.channel.name} is told from now on ({made.channel.id}).{secret}"
    Terminal(as_json=as_json).answer({**asdict(made.channel), "secret": made.secret}, said=said)


def _add_acts(app: App, opened: Opened) -> None:
    @app.command
    async def test(channel_id: str, *, json: Json = False) -> None:
        """Send a test there now. Exit code 75 if it did not arrive."""
        async with opened() as desk:
            notice = await desk.alerts.telling.test(await desk.channel(channel_id), actor=COMMAND_LINE)
        Terminal(as_json=json).answer(asdict(notice), said=notice.outcome or "")
        if notice.state is not State.SENT:
            raise Transient(notice.outcome or "It did not arrive.")

    @app.command
    async def rotate(channel_id: str, *, json: Json = False) -> None:
        """A new secret for a webhook, printed this once. For two days both sign."""
        async with opened() as desk:
            secret = await desk.alerts.channels.rotate_secret(await desk.channel(channel_id), actor=COMMAND_LINE)
        Terminal(as_json=json).answer({"secret": secret}, said=f"The new secret, shown this once: {secret}")

    @app.command
    async def log(channel_id: str, *, json: Json = False) -> None:
        """The last 100 messages to a channel, and what came of them."""
        async with opened() as desk:
            page = await desk.alerts.notices((await desk.channel(channel_id)).id, None, 100)
        rows = [asdict(notice) for notice in page.rows]
        Terminal(as_json=json).rows(NOTICE_COLUMNS, rows, nothing="Nothing was sent there yet.")
