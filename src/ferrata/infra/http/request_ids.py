"""Gives every request an id that its answer, its log lines and its audit records carry."""

import re
from datetime import datetime

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferrata.infra.caller import Caller, reset_caller, set_caller
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id

HEADER = "X-Request-Id"
_HEADER = HEADER.lower().encode()
_KEY = "ferrata.request_id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{8,128}\Z")


def request_id(scope: Scope) -> str | None:
    found = scope.get(_KEY)
    return found if isinstance(found, str) else None


def give_id(scope: Scope, now: datetime) -> str:
    """The id of this request from here on: the caller's, where it is a plain one, else a new one."""
    number = _of_caller(scope) or _fresh(now)
    scope[_KEY] = number
    return number


def caller_of(scope: Scope) -> Caller:
    """Who makes this request, by address, and what it asks for."""
    client = scope.get("client")
    return Caller(request_id(scope), client[0] if client else None, f"{scope['method']} {scope['path']}")


class RequestIds:
    """Takes the caller's ``X-Request-Id`` where it is a plain one, else makes one; binds it to the log for that request."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = give_id(scope, self._clock.now())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = number
            await send(message)

        before = set_caller(caller_of(scope))
        try:
            with structlog.contextvars.bound_contextvars(request_id=number):
                await self._app(scope, receive, send_with_id)
        finally:
            reset_caller(before)


def _of_caller(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _HEADER:
            given: str = value.decode("latin-1")
            return given if _ACCEPTABLE.match(given) else None
    return None


def _fresh(now: datetime) -> str:
    return new_id(now)
