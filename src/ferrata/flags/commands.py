"""``ferrata flags``: list, set, clear, stop, resume, held, release."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.audit.schemas import COMMAND_LINE
from ferrata.connections.service import Connections
from ferrata.delivery.held import HeldFilter
from ferrata.flags.audience import Audience
from ferrata.flags.documents import FlagDocument, HeldGroupDocument, StopDocument
from ferrata.flags.schemas import EVERY_METRIC, Mode
from ferrata.flags.service import Flags
from ferrata.infra.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Desk:
    """What these commands work with."""

    connections: Connections
    flags: Flags
    audience: Audience


Opened = Callable[[], AbstractAsyncContextManager[Desk]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")]
Every = Annotated[bool, Parameter(name="--all", negative=(), help="Every store.")]
MetricName = Annotated[str, Parameter(help=f"The event's name; {EVERY_METRIC} for every metric without a flag of its own.")]


def flags(opened: Opened) -> App:
    app = App(name="flags", help="Which events are sent, and the switch that stops everything.")
    _add_flags(app, opened)
    _add_switches(app, opened)
    _add_held(app, opened)
    return app


def _add_flags(app: App, opened: Opened) -> None:
    @app.command(name="list")
    async def list_flags(*, store: StoreOption = None, json: Json = False) -> None:
        """What holds for each metric of a store, and where that comes from."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            found = await desk.flags.all(store_id, await desk.audience.metrics(store_id))
        rows = [FlagDocument.of(flag).model_dump(mode="json") for flag in found]
        Terminal(as_json=json).rows(["metric", "mode", "percentage", "origin", "source"], rows, nothing="No flags.")

    @app.command(name="set")
    async def set_flag(
        metric: MetricName,
        mode: Annotated[Mode, Parameter(help="on, off, percentage or dry_run.")],
        *,
        percentage: Annotated[int | None, Parameter(help="Of the profiles, with the mode percentage.")] = None,
        store: StoreOption = None,
        json: Json = False,
    ) -> None:
        """Set a metric's flag. It holds within two seconds in every process."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            flag = await desk.flags.set(store_id, metric, mode, percentage, actor=COMMAND_LINE)
        said = (
            f"{metric} is {mode.value}" + (f" {percentage} %" if mode is Mode.PERCENTAGE else "") + f" in the store {store_id}."
        )
        Terminal(as_json=json).answer(FlagDocument.of(flag).model_dump(mode="json"), said=said)

    @app.command
    async def clear(metric: MetricName, *, store: StoreOption = None, json: Json = False) -> None:
        """Take a metric's flag away."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            flag = await desk.flags.clear(store_id, metric, actor=COMMAND_LINE)
        said = f"{metric} has no flag of its own in the store {store_id}; what holds is {flag.rule.mode.value}."
        Terminal(as_json=json).answer(FlagDocument.of(flag).model_dump(mode="json"), said=said)


def _add_switches(app: App, opened: Opened) -> None:
    @app.command
    async def stop(
        *,
        store: StoreOption = None,
        every: Every = False,
        reason: Annotated[str, Parameter(help="Shown wherever something waits because of it.")] = "",
        json: Json = False,
    ) -> None:
        """Stop sending, for a store or with --all for every one. What comes in is kept, and waits; nothing is lost."""
        async with opened() as desk:
            store_id = None if every else await desk.connections.registry.choose(store)
            changed = await desk.flags.stop(store_id, reason, actor=COMMAND_LINE)
        of = "every store" if store_id is None else f"the store {store_id}"
        said = f"Sending is stopped for {of}. `ferrata flags resume` lets it go on." if changed else f"It was stopped for {of}."
        Terminal(as_json=json).answer({"stopped": True, "changed": changed}, said=said)

    @app.command
    async def resume(*, store: StoreOption = None, every: Every = False, json: Json = False) -> None:
        """Let sending go on, from where it was."""
        async with opened() as desk:
            store_id = None if every else await desk.connections.registry.choose(store)
            changed = await desk.flags.resume(store_id, actor=COMMAND_LINE)
            left = [StopDocument.of(stop).model_dump(mode="json") for stop in await desk.flags.stopped(store_id or "")]
        said = "Sending goes on." if changed else "It was not stopped."
        if left:
            said += " The switch for every store is still off: `ferrata flags resume --all`."
        Terminal(as_json=json).answer({"stopped": bool(left), "changed": changed}, said=said)


def _add_held(app: App, opened: Opened) -> None:
    @app.command
    async def held(*, store: StoreOption = None, json: Json = False) -> None:
        """What was held back by flags, by metric and reason."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            groups = await desk.flags.held(store_id)
        rows = [HeldGroupDocument.of(group).model_dump(mode="json") for group in groups]
        columns = ["metric", "reason", "count", "first_at", "last_at"]
        Terminal(as_json=json).rows(columns, rows, nothing="Nothing is held back.")

    @app.command
    async def release(
        *,
        metric: Annotated[str | None, Parameter(help="Of this metric only.")] = None,
        since: Annotated[datetime | None, Parameter(help="Accepted at or after this time; UTC where it names no offset.")] = None,
        until: Annotated[datetime | None, Parameter(help="Accepted before this time; UTC where it names no offset.")] = None,
        store: StoreOption = None,
        yes: Annotated[bool, Parameter(name="--yes", negative=(), help="Do it; otherwise only say what would be sent.")] = False,
        json: Json = False,
    ) -> None:
        """Send what was held back. A dry run without --yes."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            wanted = HeldFilter(store_id, metric, (), _aware(since), _aware(until))
            count = await (desk.flags.release(wanted, actor=COMMAND_LINE) if yes else desk.flags.count_held(wanted))
        events = f"{count:,} event{'' if count == 1 else 's'}"
        said = f"{events} will be sent." if yes else f"Dry run: {events} would be sent. Add --yes to do it."
        Terminal(as_json=json).answer({"dry_run": not yes, "count": count}, said=said)


def _aware(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant and instant.tzinfo is None else instant
