"""Accepting events over HTTP: one, or many at once. Reading them is in ``api_reading.py``.

A 2xx means that the commit is on disk. Without ``Prefer: respond-async`` the answer waits a moment for the first attempt while
all is calm, so that it can say what Klaviyo said.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Right
from ferrata.delivery.schemas import Delivery
from ferrata.events import api_reading, limits, openapi
from ferrata.events.answers import body_of, brief_answer, fresh_answer, receipt_answer, refusal_answer
from ferrata.events.errors import NotJson
from ferrata.events.hot_route import HotRoute
from ferrata.events.preferences import Preferences, read_preferences
from ferrata.events.schemas import Incoming, Receipt, Refusal
from ferrata.events.service import Events
from ferrata.events.validation import read_bulk, read_event, refuse_all
from ferrata.infra.errors import Problem, Rejected
from ferrata.infra.http.body import read_body
from ferrata.infra.http.whole_answer import WholeAnswer
from ferrata.kit.clock import Clock

KEY_HEADER = "Idempotency-Key"
SOURCE_HEADER = "Ferrata-Source"
SOURCES = frozenset({"api", "client", "import"})


def router(events: Events, clock: Clock, *, wait_seconds: float) -> APIRouter:
    """``wait_seconds`` is how long an answer waits at most for the first attempt."""
    routes = APIRouter(prefix="/events", tags=["events"])
    door = _Door(events, clock, wait_seconds)
    declared: dict[str, Any] = {
        "dependencies": [Depends(needs(Right.EVENTS_WRITE))],
        "route_class_override": HotRoute,
        "methods": ["POST"],
    }
    routes.add_api_route("", door.create, **declared, **openapi.CREATE)
    routes.add_api_route("/bulk", door.create_many, **declared, **openapi.CREATE_MANY)
    api_reading.add_to(routes, events)
    return routes


class _Door:
    def __init__(self, events: Events, clock: Clock, wait_seconds: float) -> None:
        self._events = events
        self._clock = clock
        self._wait_seconds = wait_seconds

    async def create(self, request: Request) -> Response:
        store_id = await store_of(request)
        prefer = read_preferences(request.headers.getlist("prefer"))
        event = read_event(await _json(request, limits.SINGLE_BODY_BYTES), self._clock.now())
        key = _key(request)
        if key and event.event_id is None:
            event = msgspec.structs.replace(event, event_id=key)
        [receipt] = await self._events.accept(store_id, [event], _source(request))
        states = await self._states(store_id, [receipt], prefer)
        status = 200 if receipt.repeated else 202 if prefer.asynchronous else 201
        return _answer(_told(receipt, states, prefer), status, prefer)

    async def create_many(self, request: Request) -> Response:
        store_id = await store_of(request)
        prefer = read_preferences(request.headers.getlist("prefer"))
        elements = read_bulk(await _json(request, limits.BULK_BODY_BYTES), self._clock.now())
        elements = _with_keys(elements, _key(request))
        answers = await self._accept(store_id, elements, _source(request), prefer)
        receipts = [answer for answer in answers if isinstance(answer, Receipt)]
        states = await self._states(store_id, receipts, prefer)
        status = 207 if len(receipts) < len(answers) else 202 if prefer.asynchronous else 201
        told = b",".join([_told(answer, states, prefer) for answer in answers])
        return _answer(b"[%b]" % told, status, prefer)

    async def _accept(
        self, store_id: str, elements: list[Incoming | Refusal], source: str, prefer: Preferences
    ) -> Sequence[Receipt | Refusal]:
        if prefer.lenient:
            return await self._events.accept_each(store_id, elements, source)
        refuse_all(elements)
        return await self._events.accept(store_id, [each for each in elements if isinstance(each, Incoming)], source, many=True)

    async def _states(self, store_id: str, receipts: Sequence[Receipt], prefer: Preferences) -> dict[str, Delivery]:
        fresh = [receipt for receipt in receipts if not receipt.repeated]
        if prefer.asynchronous and len(fresh) == len(receipts):
            return {}  # nothing can be known but that they wait
        return await self._events.first_attempts(store_id, receipts, 0 if prefer.asynchronous else self._wait_seconds)


async def _json(request: Request, limit_bytes: int) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and not media_type.endswith("json"):
        raise NotJson
    return await read_body(request, limit_bytes)


def _key(request: Request) -> str | None:
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= limits.KEY_CHARACTERS or not key.isprintable():
        raise Rejected(problems=(Problem(KEY_HEADER, f"{KEY_HEADER} must be 1 to {limits.KEY_CHARACTERS} printable characters"),))
    return key


def _with_keys(elements: list[Incoming | Refusal], key: str | None) -> list[Incoming | Refusal]:
    """One key for many events names each by its place, so that the same request again is the same events again."""
    if key is None:
        return elements
    return [
        msgspec.structs.replace(element, event_id=f"{key}:{index}")
        if isinstance(element, Incoming) and element.event_id is None
        else element
        for index, element in enumerate(elements)
    ]


def _source(request: Request) -> str:
    named = request.headers.get(SOURCE_HEADER, "api")
    return named if named in SOURCES else "api"


def _told(answer: Receipt | Refusal, states: dict[str, Delivery], prefer: Preferences) -> bytes:
    if isinstance(answer, Refusal):
        return body_of(refusal_answer(answer))
    delivery = states.get(answer.event.id)
    if prefer.brief:
        return body_of(brief_answer(answer, delivery))
    return body_of(receipt_answer(answer, delivery)) if delivery else fresh_answer(answer.event)


def _answer(content: bytes, status: int, prefer: Preferences) -> Response:
    return WholeAnswer(content, status, prefer.headers())
