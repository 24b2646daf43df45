"""Sources over HTTP: how they stand, their settings, their messages, their history, and what a message would do."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel
from starlette.requests import Request

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.infra.http.links import link_header
from ferrata.kit.clock import Clock
from ferrata.sources.configurations_store import Kept
from ferrata.sources.contract import Lookup, PersonRef, Received
from ferrata.sources.documents import (
    BackfillOrder,
    DiscardedDocument,
    DiscardOrder,
    ErasureDocument,
    ErasureOrder,
    ExplainOrder,
    ExplanationDocument,
    MessageDocument,
    MessagesDocument,
    ReplayedDocument,
    ReplayOrder,
    RunDocument,
    RunsDocument,
    SettingsDocument,
    SettingsOrder,
    SettingsVersionsDocument,
    SourceDocument,
    SourcesDocument,
)
from ferrata.sources.schemas import State, Wanted
from ferrata.sources.service import MOVES, Sources

Reader = Annotated[Principal, Depends(needs(Right.SOURCES_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.SOURCES_MANAGE))]
Eraser = Annotated[Principal, Depends(needs(Right.RETENTION_MANAGE))]
Store = Annotated[str, Depends(store_of)]
Kind = Annotated[str, Path(max_length=32)]
InPath = Annotated[str, Path(max_length=32)]
Id = Annotated[str, Path(max_length=36, pattern="^[0-9a-f-]*$")]
_AT = "/sources/{kind}/{store}"


class _Paging(BaseModel):
    cursor: str | None = Query(None, max_length=500)
    limit: int = Query(50, ge=1, le=500)


Paging = Annotated[_Paging, Query()]


def router(sources: Sources, clock: Clock) -> APIRouter:
    routes = APIRouter(tags=["sources"])
    _add_standings(routes, sources)
    _add_settings(routes, sources)
    _add_messages(routes, sources)
    _add_explain(routes, sources, clock)
    _add_backfills(routes, sources)
    _add_erasures(routes, sources)
    return routes


def _add_standings(routes: APIRouter, sources: Sources) -> None:
    @routes.get("/sources")
    async def list_sources(_who: Reader, store_id: Store) -> SourcesDocument:
        """Every source that is installed, as it stands for a store; those that are set up first."""
        return SourcesDocument(sources=[SourceDocument.of(each) for each in await sources.standings(store_id)])

    @routes.get(_AT)
    async def get_source(kind: Kind, store: InPath, _who: Reader, store_id: Store) -> SourceDocument:
        """One source as it stands for a store."""
        return SourceDocument.of(await sources.standing(store_id, kind))


def _add_settings(routes: APIRouter, sources: Sources) -> None:
    configurations = sources.configurations

    def told(kept: Kept) -> SettingsDocument:
        return SettingsDocument.of(kept, configurations.hints(kept), configurations.source(kept.kind).settings_type)

    @routes.get(f"{_AT}/settings")
    async def get_settings(kind: Kind, store: InPath, _who: Reader, store_id: Store) -> SettingsVersionsDocument:
        """All versions, newest first; the first one counts."""
        found = await configurations.versions(store_id, kind)
        return SettingsVersionsDocument(versions=[told(each) for each in found])

    @routes.put(f"{_AT}/settings")
    async def put_settings(kind: Kind, store: InPath, order: SettingsOrder, who: Keeper, store_id: Store) -> SettingsDocument:
        """Set a source up, or change it: a new version, validated as a whole. 409 if `ifVersion` does not count any more."""
        kept = await configurations.save(
            store_id,
            kind,
            settings=order.settings,
            rules=order.mapping,
            enabled=order.enabled,
            actor=who.actor,
            if_version=order.if_version,
        )
        return told(kept)


def _add_messages(routes: APIRouter, sources: Sources) -> None:
    @routes.get(f"{_AT}/messages")
    async def list_messages(  # noqa: PLR0917 - a route's parameters
        request: Request, response: Response, kind: Kind, store: InPath, paging: Paging, _who: Reader, store_id: Store,
        state: State | None = None,
    ) -> MessagesDocument:  # fmt: skip
        """Newest first, without their bodies."""
        sources.configurations.source(kind)
        wanted = Wanted(store_id=store_id, kind=kind, states=(state,) if state else ())
        page = await sources.messages(wanted, paging.cursor, paging.limit)
        response.headers.update(link_header(request, page))
        return MessagesDocument(messages=[MessageDocument.of(each) for each in page.rows], next_cursor=page.next_cursor)

    @routes.get(f"{_AT}/messages/{{id}}")
    async def get_message(kind: Kind, store: InPath, id: Id, _who: Reader, store_id: Store) -> MessageDocument:
        """One message with its bytes, what it made, and how that stands with Klaviyo."""
        kept = await sources.message(store_id, kind, id)
        return MessageDocument.of(kept, await sources.deliveries(kept))

    @routes.post(f"{_AT}/messages/replay")
    async def replay(kind: Kind, store: InPath, order: ReplayOrder, who: Keeper, store_id: Store) -> ReplayedDocument:
        """Map messages again, after their cause was mended or the mapping changed. A dry run unless `dryRun` is false."""
        wanted = order.wanted(store_id, kind)
        done = sources.replaying.look(wanted) if order.dry_run else sources.replaying.again(wanted, who.actor)
        return ReplayedDocument.of(await done)

    @routes.post(f"{_AT}/messages/discard")
    async def discard(kind: Kind, store: InPath, order: DiscardOrder, who: Keeper, store_id: Store) -> DiscardedDocument:
        """Give refused messages up for good."""
        sources.configurations.source(kind)
        wanted = Wanted(store_id=store_id, kind=kind, ids=tuple(order.ids))
        return DiscardedDocument(count=await sources.replaying.discard(wanted, who.actor))


def _add_explain(routes: APIRouter, sources: Sources, clock: Clock) -> None:
    @routes.post(f"{_AT}/explain")
    async def explain(kind: Kind, store: InPath, order: ExplainOrder, _who: Keeper, store_id: Store) -> ExplanationDocument:
        """Every request to Klaviyo that a delivery would lead to, with the reason for each field. Nothing is kept or sent."""
        configuration = await sources.configurations.draft(store_id, kind, order.settings, order.mapping)
        headers = {name.lower(): value for name, value in order.headers.items()}
        received = Received(body=order.raw(), at=clock.now(), headers=headers, trusted=True)
        given = {Lookup(*name.split("/", 1)) if "/" in name else Lookup(name, ""): found for name, found in order.lookups.items()}
        return ExplanationDocument.of(await sources.explainer.explain(configuration, received, given=given))


def _add_erasures(routes: APIRouter, sources: Sources) -> None:
    @routes.post("/erasures")
    async def erase_person(order: ErasureOrder, who: Eraser, store_id: Store) -> ErasureDocument:
        """Forget a person: events, profile, carts, raw messages, and what waits to be sent. Klaviyo's own copy is not touched."""
        person = PersonRef(order.email, order.phone, order.external_id)
        done = await sources.erasing.erase(store_id, person, who.actor, dry_run=order.dry_run)
        return ErasureDocument.model_validate(done)


def _add_backfills(routes: APIRouter, sources: Sources) -> None:
    @routes.get(f"{_AT}/backfills")
    async def list_backfills(kind: Kind, store: InPath, paging: Paging, _who: Reader, store_id: Store) -> RunsDocument:
        """Runs through history, newest first."""
        sources.configurations.source(kind)
        page = await sources.backfills(store_id, kind, paging.cursor, paging.limit)
        return RunsDocument(runs=[RunDocument.of(run) for run in page.rows], next_cursor=page.next_cursor)

    @routes.post(f"{_AT}/backfills", status_code=202, responses={409: {"description": "This history is being read already."}})
    async def begin_backfill(kind: Kind, store: InPath, order: BackfillOrder, who: Keeper, store_id: Store) -> RunDocument:
        """Start to read history. Its events are `backfill: true`: Klaviyo keeps them, and no flow starts."""
        run = await sources.begin_backfill(store_id, kind, order.backfill, since=order.since, until=order.until, actor=who.actor)
        return RunDocument.of(run)

    @routes.get(f"{_AT}/backfills/{{id}}")
    async def get_backfill(kind: Kind, store: InPath, id: Id, _who: Reader, store_id: Store) -> RunDocument:
        """One run: how far it has come, how fast, and for how long it goes on."""
        return RunDocument.of(await sources.backfill(store_id, id))

    for move in MOVES:
        _add_move(routes, sources, move)


def _add_move(routes: APIRouter, sources: Sources, move: str) -> None:
    @routes.post(f"{_AT}/backfills/{{id}}/{move}", name=f"{move}_backfill", description=f"{move.capitalize()} a run.")
    async def moved(kind: Kind, store: InPath, id: Id, who: Keeper, store_id: Store) -> RunDocument:
        return RunDocument.of(await sources.move_backfill(store_id, id, move, who.actor))
