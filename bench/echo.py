"""What acceptance is held against, on the same server as Ferrata's, set up in the same way: ``python -m bench.echo KIND PORT``.

``validating`` checks the body as Ferrata does and answers with it, as a bare ASGI application: the floor, for nothing is kept.
``route`` is the same check on a route of the framework that Ferrata uses. ``fastapi`` is what one would write by hand: a FastAPI
route with a model of the body. Neither keeps anything.
"""

import gc
import sys
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ferrata.entry.serve import SWITCH_SECONDS
from ferrata.events.validation import read_bulk, read_event, refuse_all
from ferrata.infra.http.connection import Connection

_YOUNG_OBJECTS = 20_000


def _check(path: str, body: bytes) -> None:
    if path.endswith("/bulk"):
        refuse_all(read_bulk(body, datetime.now(UTC)))
    else:
        read_event(body, datetime.now(UTC))


async def validating(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    _check(scope["path"], body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _route(request: Request) -> Response:
    body = await request.body()
    _check(request.url.path, body)
    return Response(body, 202, media_type="application/json")


def route() -> ASGIApp:
    return Starlette(routes=[Route(path, _route, methods=["POST"]) for path in ("/events", "/events/bulk")])


class _Order(BaseModel):
    eventName: str  # noqa: N815 - the names of the body
    email: str
    eventId: str  # noqa: N815 - the body's own
    value: float
    currency: str
    eventAttributes: dict[str, Any]  # noqa: N815 - the body's own
    profileAttributes: dict[str, Any]  # noqa: N815 - the body's own


class _Orders(BaseModel):
    events: list[_Order]


def by_hand() -> ASGIApp:
    app = FastAPI()

    @app.post("/events", status_code=202)
    async def take(event: _Order) -> _Order:
        return event

    @app.post("/events/bulk", status_code=202)
    async def take_many(body: _Orders) -> _Orders:
        return body

    return app


def serve(kind: str, port: int) -> None:
    """With what ``ferrata serve`` sets: connections, switching of threads, garbage collection."""
    app: ASGIApp = {"validating": lambda: validating, "route": route, "fastapi": by_hand}[kind]()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
    uvicorn.run(
        app, port=port, http=Connection, log_config=None, access_log=False, lifespan="off", server_header=False, ws="none"
    )


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
