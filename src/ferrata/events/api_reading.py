"""Reading events over HTTP: lists, one event's story, and the export."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.events import export, openapi
from ferrata.events.answers import body_of, event_answer, story_answer
from ferrata.events.schemas import STATES, EventFilter
from ferrata.events.service import Events
from ferrata.infra.errors import Problem, Rejected
from ferrata.infra.http.instants import AskedInstant
from ferrata.infra.http.links import link_header
from ferrata.kit.contacts import normal_email

Reader = Annotated[Principal, Depends(needs(Right.EVENTS_READ))]
Store = Annotated[str, Depends(store_of)]


class Asked(BaseModel):
    """Which events. All given conditions hold."""

    model_config = ConfigDict(extra="ignore")

    metric: str | None = Query(default=None, max_length=127, description="The event's name, exactly.")
    email: str | None = Query(default=None, max_length=254)
    state: Literal[STATES] | None = Query(default=None, description="How it stands. `kept`: names nobody; `held`: by flags.")  # type: ignore[valid-type]  # the states of delivery and our own
    source: str | None = Query(default=None, max_length=32, description="`api`, `client`, `import` or a connector's name.")
    since: AskedInstant | None = Query(default=None, description="Accepted at or after this time (ISO 8601 with an offset).")
    until: AskedInstant | None = Query(default=None, description="Accepted before this time.")
    text: str | None = Query(default=None, min_length=1, max_length=200, description="Text anywhere in the event's attributes.")

    def filter(self) -> EventFilter:
        email = _valid(self.email) if self.email is not None else None
        return EventFilter(
            metric=self.metric,
            email=email,
            state=self.state,
            source=self.source,
            since=self.since,
            until=self.until,
            text=self.text,
        )


def _valid(text: str) -> str:
    email = normal_email(text)
    if email is None:
        raise Rejected(problems=(Problem("email", "email must be a valid email"),))
    return email


def add_to(routes: APIRouter, events: Events) -> None:
    @routes.get("", responses=openapi.LIST)
    async def list_events(
        request: Request,
        asked: Annotated[Asked, Query()],
        _who: Reader,
        store_id: Store,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        """Newest first. The next page is in `nextCursor` and in the `Link` header.

        With `state` or `text` a page may be short, even empty, and still have a next one.
        """
        page = await events.explorer.page(store_id, asked.filter(), cursor, limit)
        found = [event_answer(standing.event, standing.delivery) for standing in page.rows]
        content = body_of({"events": found, "nextCursor": page.next_cursor})
        return Response(content, headers=link_header(request, page), media_type="application/json")

    @routes.get("/export", responses=openapi.EXPORT)
    async def export_events(
        asked: Annotated[Asked, Query()], _who: Reader, store_id: Store, format: Literal["ndjson", "csv"] = "ndjson"
    ) -> Response:
        """Every event that fits, newest first, as a stream: one JSON object a line, or CSV."""
        write = export.FORMATS[format]
        wanted = asked.filter()

        async def lines() -> AsyncIterator[bytes]:
            yield write.head
            async for some in events.explorer.stream(store_id, wanted):
                yield write.lines([event_answer(standing.event, standing.delivery) for standing in some])

        name = f'attachment; filename="events.{format}"'
        return StreamingResponse(lines(), media_type=write.media_type, headers={"Content-Disposition": name})

    @routes.get("/{id}", responses=openapi.STORY)
    async def show_event(id: str, _who: Reader, store_id: Store) -> Response:
        """One event's whole story: as it was accepted, as it was frozen for Klaviyo, and every request in which it was sent."""
        return Response(body_of(story_answer(await events.explorer.story(store_id, id))), media_type="application/json")
