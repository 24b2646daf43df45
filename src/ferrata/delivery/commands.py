"""``ferrata lanes`` and ``ferrata deadletters``."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.audit.schemas import COMMAND_LINE
from ferrata.connections.service import Connections
from ferrata.delivery.changes import Act, DeadLetterChanges
from ferrata.delivery.documents import DeadLetterStoryDocument
from ferrata.delivery.schemas import Change, Family, Filter, State
from ferrata.delivery.service import DeliveryService
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.infra.terminal import Terminal

MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Desk:
    """What these commands work with."""

    connections: Connections
    delivery: DeliveryService
    changes: DeadLetterChanges


Opened = Callable[[], AbstractAsyncContextManager[Desk]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")]
Reason = Annotated[str | None, Parameter(help="Those that died of this reason code.")]
Pointer = Annotated[str | None, Parameter(help="Those whose fault is at this place of the request.")]
Since = Annotated[datetime | None, Parameter(help="Those that died at or after this time; UTC where it names no offset.")]
Until = Annotated[datetime | None, Parameter(help="Those that died before this time; UTC where it names no offset.")]
All = Annotated[bool, Parameter(name="--all", negative=(), help="Every dead letter of the store.")]
Yes = Annotated[bool, Parameter(name="--yes", negative=(), help="Do it. Without this the command only says what it would do.")]


def lanes(opened: Opened) -> App:
    app = App(name="lanes", help="The lanes to Klaviyo: what waits, and what is parked.")

    @app.command(name="list")
    async def list_lanes(*, store: StoreOption = None, json: Json = False) -> None:
        """Every lane with what waits in it. Without --store, those of all stores."""
        async with opened() as desk:
            one = await desk.connections.registry.choose(store) if store else None
            found = await desk.delivery.lanes(one)
        columns = [
            "store_id",
            "family",
            "waiting",
            "sending",
            "oldest_at",
            "parked_code",
            "parked_detail",
            "paused_until",
            "owner",
        ]
        Terminal(as_json=json).rows(columns, [asdict(lane) for lane in found], nothing="No store yet.")

    @app.command
    async def probe(*, store: StoreOption = None, family: Family | None = None, json: Json = False) -> None:
        """Open parked lanes again and try at once. Should the cause still be there, they park again."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            count = await desk.changes.probe(store_id, family, COMMAND_LINE)
        said = f"{count} parked lane{'' if count == 1 else 's'} opened." if count else "No lane was parked."
        Terminal(as_json=json).answer({"opened": count}, said=said)

    return app


def dead_letters(opened: Opened) -> App:
    app = App(name="deadletters", help="Events that Klaviyo refuses: list, show, replay, discard.")

    @app.command(name="list")
    async def list_letters(
        *,
        store: StoreOption = None,
        reason: Reason = None,
        pointer: Pointer = None,
        since: Since = None,
        until: Until = None,
        groups: Annotated[bool, Parameter(negative=(), help="Counted by reason instead of one by one.")] = False,
        limit: Annotated[int, Parameter(help=f"How many at most, up to {MOST_LISTED}.")] = 50,
        json: Json = False,
    ) -> None:
        """Newest first."""
        terminal = Terminal(as_json=json)
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            if groups:
                counted = [asdict(group) for group in await desk.delivery.dead_groups(store_id)]
                columns = ["reason_code", "reason_pointer", "count", "example_detail", "first_at", "last_at"]
                terminal.rows(columns, counted, nothing="No dead letters.")
                return
            filter_ = Filter(store_id, (), reason, pointer, _aware(since), _aware(until))
            page = await desk.delivery.dead_letters(filter_, None, max(1, min(limit, MOST_LISTED)))
        columns = ["id", "died_at", "title", "unique_id", "person", "reason_code", "reason_detail", "attempts"]
        terminal.rows(columns, [asdict(letter) for letter in page.rows], nothing="No dead letters.")

    @app.command
    async def show(dead_letter_id: str, *, store: StoreOption = None) -> None:
        """One dead letter as JSON: what was sent, and every attempt."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            story = await desk.delivery.story(dead_letter_id)
        if story is None or story.delivery.store_id != store_id or story.delivery.state is not State.DEAD:
            raise NotFound("There is no such dead letter; it may have been replayed or discarded meanwhile.")
        Terminal(as_json=True).answer(DeadLetterStoryDocument.of(story).model_dump(mode="json", by_alias=True), said="")

    for act in ("replay", "discard"):
        _add_change(app, opened, act)
    return app


def _add_change(app: App, opened: Opened, act: Act) -> None:
    async def change(
        *ids: Annotated[str, Parameter(help="Ids of dead letters, as `ferrata deadletters list` shows them.")],
        store: StoreOption = None,
        reason: Reason = None,
        pointer: Pointer = None,
        since: Since = None,
        until: Until = None,
        every: All = False,
        yes: Yes = False,
        json: Json = False,
    ) -> None:
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            filter_ = Filter(store_id, ids, reason, pointer, _aware(since), _aware(until))
            if filter_ == Filter(store_id) and not every:
                sentence = "name which dead letters: ids, --reason, --pointer, --since or --until; or say --all"
                raise Rejected(problems=(Problem("all", sentence),))
            done = await (desk.changes.make(act, filter_, COMMAND_LINE) if yes else desk.changes.preview(act, filter_))
        _tell(act, done, json)

    change.__doc__ = {
        "replay": "Put dead letters back into their lane, unchanged. A dry run without --yes.",
        "discard": "Give dead letters up for good. A dry run without --yes.",
    }[act]
    app.command(change, name=act)


def _tell(act: Act, change: Change, as_json: bool) -> None:
    letters = f"{change.count} dead letter{'' if change.count == 1 else 's'}"
    verb = {"replay": "replayed", "discard": "discarded"}[act]
    said = f"{letters} {verb}." if not change.dry_run else f"Dry run: {letters} would be {verb}. Add --yes to do it."
    Terminal(as_json=as_json).answer(asdict(change), said=said)


def _aware(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant and instant.tzinfo is None else instant
