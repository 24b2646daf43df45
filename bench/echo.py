"""What acceptance is held against, on the same server: ``python -m bench.echo KIND PORT``.

``validating`` checks the body as Ferrata does and answers with it: the floor, for nothing is kept. ``fastapi`` is what one would
write by hand: a FastAPI route with a model of the body, which keeps nothing either.
"""

import sys
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from ferrata.events.validation import read_bulk, read_event, refuse_all


async def validating(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if scope["path"].endswith("/bulk"):
        refuse_all(read_bulk(body, datetime.now(UTC)))
    else:
        read_event(body, datetime.now(UTC))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Order(BaseModel):
    eventName: str  # noqa: N815 - the names of the body
    email: str
    eventId: str  # noqa: N815
    value: float
    currency: str
    eventAttributes: dict[str, Any]  # noqa: N815
    profileAttributes: dict[str, Any]  # noqa: N815


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


if __name__ == "__main__":
    app: ASGIApp = validating if sys.argv[1] == "validating" else by_hand()
    uvicorn.run(app, port=int(sys.argv[2]), log_config=None, access_log=False, lifespan="off", server_header=False, ws="none")
