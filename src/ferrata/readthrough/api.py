"""Klaviyo's own data over HTTP, and the questions that Klaviyo is asked first and our own events second."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.events.service import Events
from ferrata.infra.errors import FerrataError, Problem, Rejected
from ferrata.kit.contacts import normal_email
from ferrata.readthrough.days import read_day
from ferrata.readthrough.service import ReadThrough

TEST_PERSON = "test@example.com"
Reader = Annotated[Principal, Depends(needs(Right.KLAVIYO_READ))]
Writer = Annotated[Principal, Depends(needs(Right.KLAVIYO_WRITE))]
EventReader = Annotated[Principal, Depends(needs(Right.EVENTS_READ))]
ProfileReader = Annotated[Principal, Depends(needs(Right.PROFILES_READ))]
Store = Annotated[str, Depends(store_of)]
Day = Annotated[str, Query(description="A day of UTC, as 2026-01-31.", json_schema_extra={"format": "date"})]
Email = Annotated[str, Path(json_schema_extra={"format": "email"})]
Source = Annotated[
    Literal["local", "klaviyo"],
    Query(description="`local`: what was accepted here on that day. `klaviyo`: what Klaviyo holds with a time on that day."),
]


def router(klaviyo: ReadThrough, events: Events) -> APIRouter:
    """To be included before the events' own routes, whose ``/events/{id}`` would take these for ids."""
    routes = APIRouter()
    _add_klaviyo(routes, klaviyo)
    _add_klaviyo_events(routes, klaviyo)
    _add_questions(routes, klaviyo, events)
    _add_people(routes, klaviyo, events)
    return routes


def _add_klaviyo(routes: APIRouter, klaviyo: ReadThrough) -> None:
    @routes.get("/klaviyo/test-connection", tags=["klaviyo"])
    async def test_connection(_who: Reader, store_id: Store) -> dict[str, Any]:
        """Whether Klaviyo answers this store's key. Always 200; the answer is remembered for 5 seconds."""
        try:
            await klaviyo.test(store_id)
        except FerrataError as error:
            return {"connected": False, "message": "Klaviyo API connection failed", "error": error.message}
        return {"connected": True, "message": "Klaviyo API connection successful"}

    @routes.get("/klaviyo/metrics", tags=["klaviyo"])
    async def klaviyo_metrics(_who: Reader, store_id: Store) -> dict[str, Any]:
        """The names of all metrics of the account. 503 without a key, 502 if Klaviyo fails."""
        return {"metrics": await klaviyo.metrics(store_id)}

    @routes.get("/klaviyo/profiles/{email}", tags=["klaviyo"])
    async def klaviyo_profile(email: Email, _who: Reader, store_id: Store) -> dict[str, Any]:
        """The account's profile with this address; `profile` is null if there is none."""
        address = _valid(email)
        try:
            found = await klaviyo.profile(store_id, address)
        except FerrataError as error:
            return {"success": False, "message": "Failed to fetch profile from Klaviyo", "error": error.message}
        return {"success": True, "profile": found.resource if found else None}


def _add_klaviyo_events(routes: APIRouter, klaviyo: ReadThrough) -> None:
    @routes.get("/klaviyo/events", tags=["klaviyo"])
    async def klaviyo_events(_who: Reader, store_id: Store, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> dict[str, Any]:
        """The account's newest events."""
        try:
            found = await klaviyo.events(store_id, limit)
        except FerrataError as error:
            return {"success": False, "message": "Failed to fetch events from Klaviyo", "error": error.message}
        shown = [
            {"id": each.id, "datetime": each.moment, "metricId": each.metric_id, "profileId": each.profile_id}
            | {"eventProperties": each.properties}
            for each in found
        ]
        return {"success": True, "events": shown, "count": len(shown)}

    @routes.post("/klaviyo/sync-test", tags=["klaviyo"])
    async def sync_test(
        _who: Writer, store_id: Store, email: Annotated[str, Query(description="Who the test event is about.")] = TEST_PERSON
    ) -> dict[str, Any]:
        """Send one `Test Event` at once, past delivery; nothing is kept here. Klaviyo drops events of example.com unseen."""
        address = _valid(email)
        try:
            status = await klaviyo.send_test_event(store_id, address)
        except FerrataError as error:
            return {"success": False, "message": "Failed to send test event to Klaviyo", "error": error.message}
        return {"success": True, "message": "Test event sent to Klaviyo successfully", "klaviyoResponse": {"status": status}}


def _add_questions(routes: APIRouter, klaviyo: ReadThrough, events: Events) -> None:
    @routes.get("/events/metrics", tags=["events"])
    async def list_metrics(_who: EventReader, store_id: Store) -> dict[str, Any]:
        """The names of metrics: Klaviyo's, or, if it fails or knows none, those of the events accepted here."""
        try:
            names = await klaviyo.metrics(store_id)
        except FerrataError:
            names = []
        if names:
            return {"metrics": names, "source": "klaviyo"}
        return {"metrics": await events.metrics(store_id), "source": "local"}

    @routes.get("/events/count", tags=["events"])
    async def count_events(
        _who: EventReader,
        store_id: Store,
        metric: Annotated[str, Query(min_length=1, max_length=255)],
        date: Day,
        source: Source = "local",
    ) -> dict[str, Any]:
        """How many events of a metric there are on a day. A metric that is not known has none."""
        day = read_day(date)
        counted = klaviyo.count if source == "klaviyo" else events.count
        return {"metric": metric, "date": date, "count": await counted(store_id, metric, day), "source": source}

    @routes.get("/events/emails", tags=["events"])
    async def list_emails(
        _who: EventReader,
        store_id: Store,
        date: Day,
        metric: Annotated[str | None, Query(max_length=255)] = None,
        source: Source = "local",
    ) -> dict[str, Any]:
        """Whose events there are on a day, each address once."""
        day = read_day(date)
        listed = klaviyo.emails if source == "klaviyo" else events.emails
        return {"emails": await listed(store_id, day, metric), "source": source}


def _add_people(routes: APIRouter, klaviyo: ReadThrough, events: Events) -> None:
    @routes.get("/events/profiles/{email}/attributes", tags=["events"])
    async def attributes_of_profile(email: Email, _who: ProfileReader, store_id: Store) -> Response:
        """A person's attributes: what Klaviyo knows merged over what we know, or what we know. Nobody known: an empty object."""
        address = _valid(email)
        attributes, source = await klaviyo.completed_attributes(store_id, address)
        told = {"email": address, "attributes": msgspec.Raw(attributes.to_json().encode()), "source": source}
        return Response(msgspec.json.encode(told), media_type="application/json")

    @routes.get("/events/profiles/{email}/metrics", tags=["events"])
    async def metrics_of_profile(email: Email, _who: ProfileReader, store_id: Store) -> dict[str, Any]:
        """The metrics of one person's events accepted here."""
        address = _valid(email)
        return {"email": address, "metrics": await events.metrics_of(store_id, address), "source": "local"}


def _valid(text: str) -> str:
    email = normal_email(text)
    if email is None:
        raise Rejected(problems=(Problem("email", "email must be a valid email"),))
    return email
