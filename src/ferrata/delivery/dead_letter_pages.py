"""The pages of the dead letters: grouped by reason, one by one, and the question with a dry run before anything is changed."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.delivery.changes import Act, DeadLetterChanges
from ferrata.delivery.schemas import DeadLetter, Filter
from ferrata.delivery.service import DeliveryService
from ferrata.infra.http.links import next_url
from ferrata.kit.clock import Clock
from ferrata.ui.addresses import address, day_begins, day_ends
from ferrata.ui.figures import count_of
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.live import live_response, ticks
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/dead-letters"
TEMPLATE = "delivery/dead_letters.html"
LETTERS_ON_A_PAGE = 50
LETTERS_AT_ONCE = 500
LIVE_SECONDS = 2.0
_STRUCTURE = frozenset({"data", "attributes", "profile", "events", "events-bulk-create", "relationships"})

Reader = Annotated[Principal, Depends(needs(Right.DELIVERY_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.DELIVERY_MANAGE))]
Store = Annotated[str, Depends(store_of)]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which dead letters the address asks for: the same conditions as ``Filter``, as people write them."""

    reason: str = ""
    pointer: str = ""
    since: str = ""
    until: str = ""
    ids: tuple[str, ...] = ()

    @property
    def conditions(self) -> dict[str, object]:
        return {"reason": self.reason, "pointer": self.pointer, "since": self.since, "until": self.until, "ids": self.ids}

    def filter_for(self, store_id: str, request: Request, pages: Pages) -> Filter:
        """Raises Rejected for a time that is none."""
        zone = pages.zone(request)
        return Filter(
            store_id,
            self.ids,
            self.reason or None,
            self.pointer or None,
            day_begins("since", self.since, zone),
            day_ends("until", self.until, zone),
        )


async def asked(request: Request) -> Asked:
    """From the address, or from the form where one was sent."""
    given = await request.form() if request.method == "POST" else request.query_params
    text = {name: str(given.get(name, "")) for name in ("reason", "pointer", "since", "until")}
    return Asked(**text, ids=tuple(str(each) for each in given.getlist("ids")))


Asking = Annotated[Asked, Depends(asked)]


def router(pages: Pages, service: DeliveryService, changes: DeadLetterChanges, clock: Clock, closing: asyncio.Event) -> APIRouter:
    return DeadLetterPages(pages, service, changes, clock, closing).router()


class DeadLetterPages:
    def __init__(
        self, pages: Pages, service: DeliveryService, changes: DeadLetterChanges, clock: Clock, closing: asyncio.Event
    ) -> None:
        self._service = service
        self._changes = changes
        self._pages = pages
        self._clock = clock
        self._closing = closing

    def router(self) -> APIRouter:
        routes = page_routes()
        for path, endpoint, method in (
            (PATH, self._list, "GET"),
            (f"{PATH}/live", self._live, "GET"),
            (f"{PATH}/export.csv", self._export, "GET"),
            (f"{PATH}/{{act}}", self._ask, "GET"),
            (f"{PATH}/{{act}}", self._make, "POST"),
        ):
            routes.add_api_route(path, endpoint, methods=[method], response_model=None)
        return routes

    async def _list(self, request: Request, who: Reader, store_id: Store, wanted: Asking) -> Response:
        filter_ = wanted.filter_for(store_id, request, self._pages)
        cursor = request.query_params.get("cursor")
        page = await self._service.dead_letters(filter_, cursor, LETTERS_ON_A_PAGE)
        return self._pages.page(
            request,
            TEMPLATE,
            live=f"{PATH}/live",
            letters=page.rows,
            wanted=wanted,
            active=sum(bool(value) for value in wanted.conditions.values()),
            older_url=next_url(request, page.next_cursor),
            newer_url=address(PATH, wanted.conditions) if cursor else None,
            export_url=address(f"{PATH}/export.csv", wanted.conditions),
            persons_shown=_shows_persons(request, who),
            persons_url=address(PATH, wanted.conditions, cursor=cursor, persons="shown"),
            may_see_persons=who.may(Right.PROFILES_READ),
            **await self._groups(who, store_id),
        )

    async def _groups(self, who: Principal, store_id: str) -> dict[str, Any]:
        groups = await self._service.dead_groups(store_id)
        total = sum(group.count for group in groups)
        codes = dict.fromkeys(group.reason_code for group in groups)
        pointers = dict.fromkeys(group.reason_pointer for group in groups if group.reason_pointer)
        return {
            "groups": groups,
            "field_of": field_of,
            "reasons": [("", "All"), *((code, code) for code in codes)],
            "fields": [("", "All"), *((pointer, field_of(pointer) or pointer) for pointer in pointers)],
            "total": total,
            "may_manage": who.may(Right.DELIVERY_MANAGE),
        }

    async def _live(self, request: Request, who: Reader, store_id: Store) -> Response:
        async def fragments() -> dict[str, str]:
            values = await self._groups(who, store_id)
            return {"dead-groups": self._pages.block_text(TEMPLATE, "dead_groups", request=request, **values)}

        return live_response(fragments, ticks(self._clock, LIVE_SECONDS, self._closing), self._clock)

    async def _ask(self, request: Request, act: Act, _who: Keeper, store_id: Store, wanted: Asking) -> Response:
        """What would happen. The end of the range is fixed here, so that the answer cannot touch what nobody was shown."""
        filter_ = wanted.filter_for(store_id, request, self._pages)
        shown_until = self._clock.now()
        if filter_.until is None or filter_.until > shown_until:
            filter_ = replace(filter_, until=shown_until)
            wanted = replace(wanted, until=shown_until.isoformat())
        change = await self._changes.preview(act, filter_)
        lanes = [lane for lane in await self._service.lanes(store_id) if lane.parked_code]
        return self._pages.page(
            request,
            "delivery/change.html",
            act=act,
            change=change,
            wanted=wanted,
            parked=lanes,
            back_url=address(PATH, replace(wanted, ids=(), until="").conditions),
        )

    async def _make(self, request: Request, act: Act, who: Keeper, store_id: Store, wanted: Asking) -> Response:
        if wanted == Asked():
            return RedirectResponse(PATH, status_code=303)
        change = await self._changes.make(act, wanted.filter_for(store_id, request, self._pages), who.actor)
        return redirect_saying(PATH, Flash(_said(act, change.count), "delivered" if change.count else "neutral"))

    async def _export(self, request: Request, _who: Reader, store_id: Store, wanted: Asking) -> Response:
        filter_ = wanted.filter_for(store_id, request, self._pages)
        headers = {"Content-Disposition": 'attachment; filename="dead-letters.csv"'}
        return StreamingResponse(self._lines(filter_), media_type="text/csv; charset=utf-8", headers=headers)

    async def _lines(self, filter_: Filter) -> AsyncIterator[str]:
        yield _line("id", "title", "unique_id", "person", "accepted_at", "died_at", "attempts", "reason", "pointer", "detail")
        cursor = None
        while True:
            page = await self._service.dead_letters(filter_, cursor, LETTERS_AT_ONCE)
            for letter in page.rows:
                yield _row(letter)
            cursor = page.next_cursor
            if cursor is None:
                return


def field_of(pointer: str | None) -> str:
    """What people call the place that a JSON pointer names: its last part that is neither a number nor mere structure."""
    parts = [part for part in (pointer or "").split("/") if part and not part.isdigit() and part not in _STRUCTURE]
    return parts[-1] if parts else ""


def _shows_persons(request: Request, who: Principal) -> bool:
    return request.query_params.get("persons") == "shown" and who.may(Right.PROFILES_READ)


def _said(act: Act, count: int) -> str:
    if not count:
        return "Nothing was changed: these dead letters were replayed or discarded by somebody else meanwhile."
    events, was = count_of(count, "event"), "was" if count == 1 else "were"
    if act == "replay":
        return f"{events} {was} put back into the lane, unchanged. What Klaviyo refuses again comes back here."
    return f"{events} {was} discarded and will not be sent. Their stories can still be read until retention deletes them."


def _row(letter: DeadLetter) -> str:
    return _line(
        letter.id,
        letter.title,
        letter.unique_id,
        letter.person.partition(":")[2],
        letter.accepted_at.isoformat(),
        letter.died_at.isoformat(),
        str(letter.attempts),
        letter.reason_code,
        letter.reason_pointer or "",
        letter.reason_detail or "",
    )


def _line(*cells: str) -> str:
    """One line of CSV. A cell that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = io.StringIO()
    csv.writer(text).writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells])
    return text.getvalue()
