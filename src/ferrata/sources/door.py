"""Where sources deliver: ``POST /sources/{kind}/{store}``. Public, because each source proves itself in its own way.

2xx says that everything is on disk. 4xx says that it will never be taken as it is (and is kept apart); 503, send it again.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ferrata.access.http import gate_of, public
from ferrata.access.schemas import Right
from ferrata.infra.http.body import read_body
from ferrata.kit.clock import Clock
from ferrata.sources.contract import Received, Reply
from ferrata.sources.documents import ReceiptDocument
from ferrata.sources.service import Sources

BODY_BYTES = 8_000_000
Kind = Annotated[str, Path(max_length=32)]
StoreInPath = Annotated[str, Path(max_length=32)]
_REFUSED: dict[int | str, dict[str, Any]] = {
    200: {"description": "An answer of the source's own, such as to a handshake."},
    400: {"description": "It does not prove where it comes from. It is kept apart."},
    404: {"description": "There is no such source or store, or the source is not set up for it. It is kept apart."},
    408: {"description": "The body did not arrive in time."},
    413: {"description": "The body is too large."},
    415: {"description": "The body is compressed in an unknown way."},
    503: {"description": "It could not be kept; send it again after Retry-After."},
}


def router(sources: Sources, clock: Clock) -> APIRouter:
    routes = APIRouter(tags=["sources"])
    body = {"content": {"application/json": {"schema": {}}}, "description": "As the source sends it; envelopes are recognised."}

    @routes.post(
        "/sources/{kind}/{store}",
        dependencies=[Depends(public)],
        status_code=202,
        response_model=ReceiptDocument,
        responses=_REFUSED,
        openapi_extra={"requestBody": body},
    )
    async def receive(request: Request, kind: Kind, store: StoreInPath) -> Response:
        """Take what a source sends. Verified by the source's own signature, or by a token with `sources:write`."""
        return _answer(await sources.receive(kind, store, await _received(request, clock, store)))

    @routes.options(
        "/sources/{kind}/{store}",
        dependencies=[Depends(public)],
        status_code=202,
        response_model=ReceiptDocument,
        responses=_REFUSED,
    )
    async def shake_hands(request: Request, kind: Kind, store: StoreInPath) -> Response:
        """Answer a sender that asks first whether it may send."""
        return _answer(await sources.receive(kind, store, await _received(request, clock, store)))

    return routes


DELIVERED = re.compile(r"/sources/[a-z0-9_-]{1,32}/[A-Za-z0-9_-]{1,32}", re.ASCII)
TEMPLATE = "/sources/{kind}/{store}"


def endpoint(sources: Sources, clock: Clock) -> Callable[[Request], Awaitable[Response]]:
    """What the route above does, for a door that does without the framework's routing: of paths that ``DELIVERED`` fits."""

    async def receive(request: Request) -> Response:
        _, _, kind, store = request.scope["path"].split("/")
        return _answer(await sources.receive(kind, store, await _received(request, clock, store)))

    return receive


def _answer(answer: object) -> Response:
    if isinstance(answer, Reply):
        return Response(answer.body, answer.status, dict(answer.headers))
    return JSONResponse(ReceiptDocument.model_validate(answer).model_dump(by_alias=True), 202)


async def _received(request: Request, clock: Clock, store_id: str) -> Received:
    return Received(
        body=await read_body(request, BODY_BYTES),
        at=clock.now(),
        headers={name.lower(): value for name, value in request.headers.items()},
        query=dict(request.query_params),
        method=request.method,
        trusted=await _is_trusted(request, store_id),
    )


async def _is_trusted(request: Request, store_id: str) -> bool:
    """Whether it bears a token of ours for this. A bearer token of somebody else's is for the source to judge."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return False
    who = await gate_of(request).access.authenticate_token(secret.strip())
    return who is not None and who.may(Right.SOURCES_WRITE) and who.store_id in (None, store_id)
