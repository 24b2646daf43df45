"""The addresses that Segment's libraries call, with a token of ours as their write key.

Answered once the calls are kept, as Segment answers: ``{"success": true}``. They are mapped right afterwards.
"""

import base64
from typing import Any

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ferrata.access.errors import UnknownToken
from ferrata.access.http import PRINCIPAL, gate_of, public, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.infra.errors import Conflict, Rejected, TooLarge
from ferrata.infra.http.body import read_body
from ferrata.kit.clock import Clock
from ferrata.sources.contract import Received
from ferrata.sources.errors import NotSetUp
from ferrata.sources.segment.calls import BATCH_BYTES, CALL_BYTES, TYPE, TYPES, opened
from ferrata.sources.service import Sources

KIND = "segment"
_SHORT = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias", "b": "batch", "import": "batch"}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Kept.", "content": {"application/json": {"schema": {"type": "object"}}}},
    400: {"description": "It is no call of Segment's, or larger than Segment takes."},
    401: {"description": "The write key is no token of ours, or none any more."},
    403: {"description": "The token may not send events, or is another store's."},
    404: {"description": "There is no such store, or the source is switched off for it."},
    408: {"description": "The body did not arrive in time."},
    415: {"description": "Compressed in an unknown way."},
    503: {"description": "Not possible at the moment; the libraries send it again."},
}
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


class TooLargeForSegment(Rejected):
    """A call may have 32 KB, a batch 500 KB."""

    code = "segment_too_large"


def router(sources: Sources, clock: Clock) -> APIRouter:
    """``POST /v1/track`` and the others, and their short names."""
    routes = APIRouter(prefix="/v1", tags=["segment"])
    door = _Door(sources, clock)
    for type_ in (*TYPES, "batch"):
        _add(routes, door, type_, type_)
    for short, type_ in _SHORT.items():
        _add(routes, door, short, type_)
    return routes


def _add(routes: APIRouter, door: "_Door", name: str, type_: str) -> None:
    async def take(request: Request) -> Response:
        return await door.take(request, type_)

    take.__doc__ = f"A {type_} call of Segment's libraries. Basic authentication with a token as the user name."
    routes.add_api_route(
        f"/{name}",
        take,
        methods=["POST"],
        dependencies=[Depends(public)],
        responses=_ANSWERS,
        response_class=Response,
        operation_id=f"segment_{name}",
        openapi_extra=_BODY,
    )


class _Door:
    def __init__(self, sources: Sources, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock

    async def take(self, request: Request, type_: str) -> Response:
        limit = BATCH_BYTES if type_ == "batch" else CALL_BYTES
        early = _basic(request)
        who = await self._allowed(request, early) if early else None
        try:
            body = await read_body(request, limit)
        except TooLarge as error:
            raise TooLargeForSegment from error
        who = who or await self._allowed(request, _write_key(body))
        store_id = await store_of(request)
        received = Received(body=body, at=self._clock.now(), headers={TYPE: type_}, trusted=True)
        opened(body, type_, received.at)  # what cannot be read is told to the sender, who has a developer to tell it to
        await self._set_up(store_id, who)
        await self._sources.receive(KIND, store_id, received)
        return JSONResponse({"success": True})

    async def _allowed(self, request: Request, secret: str) -> Principal:
        who = await gate_of(request).access.authenticate_token(secret)
        if who is None:
            raise UnknownToken
        request.scope[PRINCIPAL] = who
        who.require(Right.EVENTS_WRITE)
        return who

    async def _set_up(self, store_id: str, who: Principal) -> None:
        """Nothing has to be set before the first call; afterwards settings and rules are as for every source."""
        try:
            await self._sources.configurations.get(store_id, KIND)
        except NotSetUp:
            if await self._sources.configurations.versions(store_id, KIND):
                raise  # somebody has switched it off
            try:
                await self._sources.configurations.save(store_id, KIND, settings={}, rules=None, enabled=True, actor=who.actor)
            except Conflict:
                return  # another first call was quicker


def _basic(request: Request) -> str:
    """The user name of Basic authentication, or a bearer token; empty where there is neither."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given.strip(), validate=True).decode().partition(":")[0]
    except ValueError:  # of base64, of its letters, of what is in it
        raise UnknownToken from None


def _write_key(body: bytes) -> str:
    """Some libraries write it into the body."""
    try:
        found: object = msgspec.json.decode(body, type=_Keyed).write_key
    except (ValueError, RecursionError, msgspec.MsgspecError):
        found = ""
    return found if isinstance(found, str) else ""


class _Keyed(msgspec.Struct):
    write_key: str = msgspec.field(name="writeKey", default="")
