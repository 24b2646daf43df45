"""Asks Klaviyo on a store's behalf, within a time limit, and completes local profiles with what it says."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

import msgspec
import structlog

from ferrata.connections.service import Connections
from ferrata.infra.errors import FerrataError
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.klaviyo import Klaviyo, KlaviyoError, Resource
from ferrata.klaviyo.filters import Filter, equals, greater_or_equal, less_than
from ferrata.klaviyo.paging import items, pages
from ferrata.klaviyo.resources.events import Events, NewEvent
from ferrata.klaviyo.resources.metrics import Metrics
from ferrata.profiles.schemas import ProfileAttributes
from ferrata.profiles.service import Profiles
from ferrata.readthrough.errors import KlaviyoFailed, NoKey
from ferrata.readthrough.memory import Memory
from ferrata.readthrough.schemas import KlaviyoEvent, KlaviyoProfile

T = TypeVar("T")
log = structlog.get_logger()

ANSWER_SECONDS = 8.0
COUNT_SECONDS = 60.0  # a day of many events is many pages
CONNECTION_KNOWN_SECONDS, METRICS_KNOWN_SECONDS, PROFILE_KNOWN_SECONDS, EVENTS_KNOWN_SECONDS = 5.0, 60.0, 10.0, 5.0


class ReadThrough:
    def __init__(self, connections: Connections, profiles: Profiles, clock: Clock) -> None:
        self._connections = connections
        self._profiles = profiles
        self._clock = clock
        self._memory = Memory(clock)
        connections.on_change(self._memory.forget)

    async def test(self, store_id: str) -> None:
        """Whether Klaviyo answers this store's key, known for 5 seconds. Raises NoKey or KlaviyoFailed if not."""

        async def ask(client: Klaviyo) -> None:
            await client.read("GET /api/metrics")

        await self._asked(store_id, "test", CONNECTION_KNOWN_SECONDS, ask)

    async def metrics(self, store_id: str) -> list[str]:
        """The names of the account's metrics, each once, in order, to the last page. Raises NoKey or KlaviyoFailed."""

        async def ask(client: Klaviyo) -> list[str]:
            return sorted({metric.name async for metric in Metrics(client).all() if metric.name})

        return await self._asked(store_id, "metrics", METRICS_KNOWN_SECONDS, ask)

    async def profile(self, store_id: str, email: str) -> KlaviyoProfile | None:
        """The account's profile with this address. Raises NoKey or KlaviyoFailed."""

        async def ask(client: Klaviyo) -> KlaviyoProfile | None:
            query = {"filter": str(equals("email", email))}
            async for resource in items(client, "GET /api/profiles", query=query, most_items=1):
                return KlaviyoProfile(resource.id, _known_attributes(resource), _shown(resource))
            return None

        return await self._asked(store_id, ("profile", email), PROFILE_KNOWN_SECONDS, ask)

    async def completed_attributes(self, store_id: str, email: str) -> tuple[ProfileAttributes, str]:
        """A person's attributes and where they come from: Klaviyo's merged over ours and kept, or, failing that, ours."""
        try:
            found = await self.profile(store_id, email)
        except FerrataError as error:
            log.info("readthrough.local_answer", question="profile", reason=error.code)
            found = None
        if found:
            return (await self._profiles.complete(store_id, email, found.id, found.attributes)).attributes, "klaviyo"
        ours = await self._profiles.find(store_id, email)
        return ours.attributes if ours else ProfileAttributes(), "local"

    async def events(self, store_id: str, limit: int) -> list[KlaviyoEvent]:
        """The account's newest events. Raises NoKey or KlaviyoFailed."""

        async def ask(client: Klaviyo) -> list[KlaviyoEvent]:
            found = Events(client).list(sort="-datetime", page_size=min(limit, 1000), most_items=limit)
            return [
                KlaviyoEvent(each.id, each.moment, each.metric_id, each.profile_id, each.event_properties) async for each in found
            ]

        return await self._asked(store_id, ("events", limit), EVENTS_KNOWN_SECONDS, ask)

    async def count(self, store_id: str, metric: str, day: date) -> int:
        """How many events of a metric happened on a day of UTC, counted to the last page. Raises NoKey or KlaviyoFailed."""

        async def ask(client: Klaviyo) -> int:
            total = 0
            for where in await _on_day(client, metric, day):
                query = {"filter": str(where), "page[size]": "1000", "fields[event]": "timestamp"}
                async for page in pages(client, "GET /api/events", query=query):
                    total += len(page.many())
            return total

        return await self._asked(store_id, ("count", metric, day), METRICS_KNOWN_SECONDS, ask, COUNT_SECONDS)

    async def emails(self, store_id: str, day: date, metric: str | None) -> list[str]:
        """Whose events happened on a day of UTC: addresses, never profile ids. Raises NoKey or KlaviyoFailed."""

        async def ask(client: Klaviyo) -> list[str]:
            found: set[str] = set()
            for where in await _on_day(client, metric, day):
                query = {"filter": str(where), "page[size]": "1000", "include": "profile", "fields[profile]": "email"}
                async for page in pages(client, "GET /api/events", query=query):
                    emails = (resource.attributes.get("email") for resource in page.included if resource.type == "profile")
                    found |= {email for email in emails if isinstance(email, str)}
            return sorted(found)

        return await self._asked(store_id, ("emails", metric, day), METRICS_KNOWN_SECONDS, ask, COUNT_SECONDS)

    async def send_test_event(self, store_id: str, email: str) -> int:
        """Send one ``Test Event`` past delivery, keep nothing, and give Klaviyo's status. Raises NoKey or KlaviyoFailed."""
        client = await self._client(store_id)
        now = self._clock.now()
        event = NewEvent(
            metric="Test Event",
            profile={"email": email, "first_name": "Test", "last_name": "User"},
            unique_id=new_id(now),
            time=now,
            properties={"test": True, "timestamp": now.isoformat()},
        )
        outcome = await _within(ANSWER_SECONDS, Events(client).create(event))
        if not outcome.is_accepted:
            raise KlaviyoFailed(outcome.reason)
        return outcome.status or 202

    async def _asked(
        self,
        store_id: str,
        question: object,
        known_seconds: float,
        ask: Callable[[Klaviyo], Awaitable[T]],
        seconds: float = ANSWER_SECONDS,
    ) -> T:
        client = await self._client(store_id)
        return await self._memory.recall((store_id, question), known_seconds, lambda: _within(seconds, ask(client)))

    async def _client(self, store_id: str) -> Klaviyo:
        credential = await self._connections.credential(store_id)
        if credential is None:
            raise NoKey
        return self._connections.client(credential)


async def _within(seconds: float, answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except KlaviyoError as error:
        raise KlaviyoFailed(error.outcome.reason) from error
    except TimeoutError:
        raise KlaviyoFailed(f"Klaviyo did not answer within {seconds:g} seconds.") from None


async def _on_day(client: Klaviyo, metric: str | None, day: date) -> list[Filter]:
    """Filters for the events of a day; one for each metric of that name, as several integrations may share it."""
    midnight = datetime.combine(day, time(), UTC)
    during = greater_or_equal("datetime", midnight) & less_than("datetime", midnight + timedelta(days=1))
    if metric is None:
        return [during]
    ids = [found.id async for found in Metrics(client).all() if found.name == metric]
    return [equals("metric_id", id_) & during for id_ in ids]


def _known_attributes(resource: Resource) -> ProfileAttributes:
    """What Klaviyo knows; what it answers as null it does not know, which must not wipe out what we do."""
    known = ProfileAttributes.from_json(msgspec.json.encode(resource.attributes).decode())
    return ProfileAttributes(*({name: text for name, text in part.items() if text != "null"} for part in _parts(known)))


def _parts(attributes: ProfileAttributes) -> tuple[Any, Any, Any]:
    return attributes.standard, attributes.location, attributes.properties


def _shown(resource: Resource) -> dict[str, Any]:
    return {"type": resource.type, "id": resource.id, "attributes": resource.attributes, "links": resource.links}
