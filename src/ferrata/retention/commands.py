"""``ferrata cleanup``."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.audit.schemas import COMMAND_LINE
from ferrata.connections.service import Connections
from ferrata.infra.terminal import Terminal
from ferrata.retention.schemas import CleanupRun, Trigger
from ferrata.retention.service import Retention


@dataclass(frozen=True, slots=True)
class Desk:
    """What these commands work with."""

    connections: Connections
    retention: Retention


Opened = Callable[[], AbstractAsyncContextManager[Desk]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="One store's id. Default: all stores.")]
DryRun = Annotated[bool, Parameter(name="--dry-run", negative=(), help="Only say what would be deleted.")]


def cleanup(opened: Opened) -> App:
    app = App(name="cleanup", help="Delete what is older than it has to be kept. Happens by itself every day at 02:00 UTC.")

    @app.command
    async def stats(*, store: StoreOption = None, json: Json = False) -> None:
        """How much is kept, and how much of it is due."""
        async with opened() as desk:
            found = await desk.retention.statistics(await _chosen(desk, store))
        said = (
            f"{found.total_events:,} events are kept, {found.events_to_delete:,} of them from before {found.cutoff_day} and due. "
            f"{found.total_profiles:,} profiles, {found.orphaned_profiles:,} without events. "
            f"{found.kept_undelivered:,} older events stay because they are not delivered yet."
        )
        Terminal(as_json=json).answer(asdict(found), said=said)

    @app.command
    async def run(*, store: StoreOption = None, dry_run: DryRun = False, json: Json = False) -> None:
        """Delete what is due, now."""
        terminal = Terminal(as_json=json)
        async with opened() as desk:
            store_id = await _chosen(desk, store)
            if dry_run:
                would = await desk.retention.preview(store_id)
                said = f"Dry run: {would.events:,} events and {would.profiles:,} profiles would be deleted."
                terminal.answer({**asdict(would), "dry_run": True}, said=said)
                return
            done = await desk.retention.clean_up(store_id, trigger=Trigger.MANUAL, actor=COMMAND_LINE)
        terminal.answer(asdict(done), said=_told(done))

    @app.command
    async def runs(*, store: StoreOption = None, limit: int = 20, json: Json = False) -> None:
        """Past runs, the newest first."""
        async with opened() as desk:
            page = await desk.retention.runs(await _chosen(desk, store), limit=max(1, min(limit, 500)))
        columns = ["id", "started_at", "state", "trigger", "store_id", "events", "profiles", "kept_undelivered", "error"]
        rows = [{**asdict(each), **asdict(each.counts)} for each in page.rows]
        Terminal(as_json=json).rows(columns, rows, nothing="No run yet.")

    return app


async def _chosen(desk: Desk, store: str | None) -> str | None:
    return await desk.connections.registry.choose(store) if store else None


def _told(run: CleanupRun) -> str:
    counts = run.counts
    deleted = f"{counts.events:,} events and {counts.profiles:,} profiles deleted, of before {run.cutoff_day}."
    kept = f" {counts.kept_undelivered:,} events of then stay because they are not delivered yet."
    return deleted + (kept if counts.kept_undelivered else "")
