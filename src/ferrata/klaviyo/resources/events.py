"""Events: create one, create up to 1,000, read back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from ..bodies import document
from ..client import Klaviyo
from ..documents import Resource, view
from ..filters import Filter
from ..outcome import Outcome
from ..paging import items
from .profiles import ProfileAttributes

CREATE = "POST /api/events"
CREATE_BULK = "POST /api/event-bulk-create-jobs"
LARGEST_PAGE = 1000


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event as Klaviyo shows it: `event_properties` holds `$event_id` (our unique_id), `$value`, `$value_currency`."""

    id: str
    resource: Resource
    uuid: str | None = None
    timestamp: int | None = None
    moment: datetime | None = msgspec.field(default=None, name="datetime")
    event_properties: dict[str, Any] = {}

    @property
    def unique_id(self) -> str | None:
        """What it was created with, or what Klaviyo made up."""
        found = self.event_properties.get("$event_id")
        return found if isinstance(found, str) else None

    @property
    def profile_id(self) -> str | None:
        return self.resource.related_id("profile")

    @property
    def metric_id(self) -> str | None:
        return self.resource.related_id("metric")


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event to create. `unique_id` and `time` are not optional here.

    Without `unique_id` Klaviyo keys on the second: two items bought in one second become one event. Without `time` it takes
    the moment of arrival, so that a retry is another event. `time` is aware; Klaviyo keeps whole seconds.
    """

    metric: str
    profile: ProfileAttributes
    unique_id: str
    time: datetime
    properties: Mapping[str, Any] = {}
    value: Decimal | None = None
    value_currency: str | None = None
    backfill: bool = False

    def attributes(self) -> dict[str, Any]:
        if self.time.tzinfo is None:
            raise ValueError("an event's time is aware")
        attributes: dict[str, Any] = {
            "properties": self.properties,
            "time": self.time,
            "unique_id": self.unique_id,
            "metric": {"data": {"type": "metric", "attributes": {"name": self.metric}}},
            "profile": {"data": {"type": "profile", "attributes": self.profile}},
        }
        optional = {"value": self.value, "value_currency": self.value_currency, "backfill": self.backfill or None}
        return attributes | {name: value for name, value in optional.items() if value is not None}

    def encoded(self) -> bytes:
        """The body of one `POST /api/events`; freeze it, and every resend is identical."""
        return document("event", self.attributes())


class Events:
    """Needs the scopes events:write to create and events:read to read."""

    def __init__(self, client: Klaviyo) -> None:
        self._client = client

    async def create(self, event: NewEvent | bytes) -> Outcome:
        """Send one event. Accepted means validated and queued: it is visible seconds to minutes later."""
        return await self._client.send(CREATE, event if isinstance(event, bytes) else event.encoded())

    async def create_bulk(self, body: bytes) -> Outcome:
        """Send a ready-made job of at most 1,000 events and 5 MB. There is no job id: accepted is all one learns."""
        return await self._client.send(CREATE_BULK, body)

    async def list(
        self,
        where: Filter | None = None,
        *,
        sort: str = "datetime",
        page_size: int = LARGEST_PAGE,
        most_items: int | None = None,
    ) -> AsyncIterator[Event]:
        """Events by `metric_id`, `profile_id`, `datetime` or `timestamp`, oldest first unless `sort` is `-datetime`."""
        query = {"sort": sort, "page[size]": str(page_size)} | ({"filter": str(where)} if where else {})
        async for resource in items(self._client, "GET /api/events", query=query, most_items=most_items):
            yield view(resource, Event)

    async def get(self, event_id: str) -> Event:
        found = await self._client.read("GET /api/events/{id}", path={"id": event_id})
        return view(found.one(), Event)
