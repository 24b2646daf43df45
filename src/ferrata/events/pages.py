"""The pages of the events: the explorer with its live tail, one event's whole story, and one person's."""

import asyncio
import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.delivery.schemas import Family
from ferrata.delivery.service import DeliveryService
from ferrata.events import listing, story_view
from ferrata.events.explorer import EventStory
from ferrata.events.schemas import KEPT, EventFilter
from ferrata.events.service import Events
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.infra.http.links import next_url
from ferrata.kit.clock import Clock
from ferrata.kit.contacts import normal_email
from ferrata.profiles.service import Profiles
from ferrata.ui.addresses import address, day_begins, day_ends
from ferrata.ui.live import live_response, rows_into, ticks
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/events"
PROFILES = "/ui/profiles"
LIST, STORY, PROFILE = "events/list.html", "events/story.html", "events/profile.html"
EVENTS_ON_A_PAGE = 50
LIVE_SECONDS = 1.0
SEARCHING_LIVE_SECONDS = 5.0  # a search for text looks at thousands of events each time

Reader = Annotated[Principal, Depends(needs(Right.EVENTS_READ))]
ProfileReader = Annotated[Principal, Depends(needs(Right.PROFILES_READ))]
Store = Annotated[str, Depends(store_of)]
_STATES = [
    ("", "All"),
    *((name, name.capitalize()) for name in ("waiting", "sending", "delivered", "dead", "discarded")),
    ("held", "Held back by a flag"),
    (KEPT, "Not sent: names nobody"),
]


class Asked(BaseModel):
    """The filters as they stand in the address."""

    q: str = Query("", max_length=200)
    metric: str = Query("", max_length=127)
    state: str = Query("", max_length=16)
    person: str = Query("", max_length=254)
    source: str = Query("", max_length=32)
    since: str = Query("", max_length=40)
    until: str = Query("", max_length=40)

    def given(self) -> dict[str, str]:
        return {name: value for name, value in self.model_dump().items() if value}


Asking = Annotated[Asked, Query()]


def router(
    pages: Pages, events: Events, delivery: DeliveryService, profiles: Profiles, *, clock: Clock, closing: asyncio.Event
) -> APIRouter:
    return EventPages(pages, events, delivery, profiles, clock, closing).router()


@dataclass(frozen=True)
class EventPages:
    pages: Pages
    events: Events
    delivery: DeliveryService
    profiles: Profiles
    clock: Clock
    closing: asyncio.Event

    def router(self) -> APIRouter:
        routes = page_routes()
        for path, endpoint in (
            (PATH, self._list),
            (f"{PATH}/live", self._list_live),
            (f"{PATH}/{{event_id}}", self._story),
            (f"{PATH}/{{event_id}}/live", self._story_live),
            (PROFILES, self._profile),
        ):
            routes.add_api_route(path, endpoint, methods=["GET"], response_model=None)
        return routes

    # The explorer

    async def _list(self, request: Request, who: Reader, store_id: Store, asked: Asking) -> Response:
        cursor = request.query_params.get("cursor")
        values = await self._page_of(request, who, store_id, asked, cursor)
        given = asked.given()
        filter_ = self._filter(request, asked)
        span = {
            "since": filter_.since.isoformat() if filter_.since else "",
            "until": filter_.until.isoformat() if filter_.until else "",
        }
        export = {
            "metric": filter_.metric,
            "email": filter_.email,
            "state": filter_.state,
            "source": filter_.source,
            "text": filter_.text,
        }
        return self.pages.page(
            request,
            LIST,
            live=None if cursor else address(f"{PATH}/live", given, persons=request.query_params.get("persons")),
            asked=asked,
            active=len(given),
            metrics=[("", "All"), *((name, name) for name in await self.events.metrics(store_id))],
            states=_STATES,
            newer_url=address(PATH, given) if cursor else None,
            export_url=address("/events/export", export, format="csv", **span),
            persons_url=address(PATH, given, cursor=cursor, persons="shown"),
            may_see_persons=who.may(Right.PROFILES_READ),
            base_url=str(request.base_url),
            **values,
        )

    async def _list_live(self, request: Request, who: Reader, store_id: Store, asked: Asking) -> Response:
        async def fragments() -> dict[str, str]:
            values = await self._page_of(request, who, store_id, asked, None)
            return {"events": rows_into("events", self.pages.block_text(LIST, "rows", request=request, **values))}

        seconds = SEARCHING_LIVE_SECONDS if asked.q else LIVE_SECONDS
        return live_response(fragments, ticks(self.clock, seconds, self.closing), self.clock)

    async def _page_of(self, request: Request, who: Principal, store_id: str, asked: Asked, cursor: str | None) -> dict[str, Any]:
        page = await self.events.explorer.page(store_id, self._filter(request, asked), cursor, EVENTS_ON_A_PAGE)
        lanes = await self.delivery.lanes(store_id)
        return {
            "rows": listing.rows(page.rows, lanes, self.pages.currency(request)),
            "older_url": next_url(request, page.next_cursor),
            "persons_shown": request.query_params.get("persons") == "shown" and who.may(Right.PROFILES_READ),
        }

    def _filter(self, request: Request, asked: Asked) -> EventFilter:
        """Raises Rejected, naming the filter that cannot be read."""
        zone = self.pages.zone(request)
        return EventFilter(
            metric=asked.metric or None,
            email=_email(asked.person) if asked.person else None,
            state=asked.state or None,
            source=asked.source or None,
            since=day_begins("since", asked.since, zone),
            until=day_ends("until", asked.until, zone),
            text=asked.q or None,
        )

    # One event

    async def _story(self, request: Request, event_id: str, who: Reader, store_id: Store) -> Response:
        values = await self._story_of(request, who, store_id, event_id)
        return self.pages.page(request, STORY, live=f"{PATH}/{event_id}/live", **values)

    async def _story_live(self, request: Request, event_id: str, who: Reader, store_id: Store) -> Response:
        async def fragments() -> dict[str, str]:
            values = await self._story_of(request, who, store_id, event_id)
            return {
                "standing": self.pages.block_text(STORY, "standing", request=request, **values),
                "story": self.pages.block_text(STORY, "story", request=request, **values),
            }

        return live_response(fragments, ticks(self.clock, LIVE_SECONDS, self.closing), self.clock)

    async def _story_of(self, request: Request, who: Principal, store_id: str, event_id: str) -> dict[str, Any]:
        told: EventStory = await self.events.explorer.story(store_id, event_id)
        delivery = told.story.delivery if told.story else None
        lanes = await self.delivery.lanes(store_id)
        parked = next((lane for lane in lanes if lane.parked_code and lane.family is Family.EVENTS), None)
        state, note = listing.state_of(told.event, delivery, is_parked=parked is not None)
        return {
            "event": told.event,
            "delivery": delivery,
            "view": story_view.view(told.event, told.story, f"{request.base_url}events"),
            "state": state,
            "note": note,
            "parked": parked,
            "amount": listing.amount(told.event, self.pages.currency(request)),
            "may_replay": who.may(Right.DELIVERY_MANAGE),
            "may_connect": who.may(Right.CONNECTIONS_MANAGE),
            "may_see_profile": who.may(Right.PROFILES_READ) and bool(told.event.email),
        }

    # One person

    async def _profile(self, request: Request, _who: ProfileReader, store_id: Store, email: str) -> Response:
        found = await self.profiles.find(store_id, _email(email))
        if found is None:
            raise NotFound("Nobody with this e-mail address has had an event in this store.")
        page = await self.events.explorer.page(store_id, EventFilter(email=found.email), None, EVENTS_ON_A_PAGE)
        return self.pages.page(
            request,
            PROFILE,
            profile=found,
            attributes=json.loads(found.attributes.to_json()),
            rows=listing.rows(page.rows, await self.delivery.lanes(store_id), self.pages.currency(request)),
            all_url=address(PATH, {"person": found.email}),
            has_more=page.next_cursor is not None,
        )


def _email(text: str) -> str:
    found = normal_email(text)
    if found is None:
        raise Rejected(problems=(Problem("person", "person must be a valid e-mail address"),))
    return found
