"""Gives every request an id that its answer, its log lines and its audit records carry."""

import itertools
import os
import re

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferrata.infra.caller import Caller, reset_caller, set_caller
from ferrata.infra.log_masking import mask_text

HEADER = "X-Request-Id"
_HEADER = HEADER.lower().encode()
_KEY = "ferrata.request_id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{8,128}\Z")


def request_id(scope: Scope) -> str | None:
    found = scope.get(_KEY)
    return found if isinstance(found, str) else None


class _Fresh:
    """New ids: chance, drawn once for each process, and a count. Nobody can guess them, and making one costs next to nothing."""

    def __init__(self) -> None:
        self.begin()
        os.register_at_fork(after_in_child=self.begin)  # parent and child must not go on with the same

    def begin(self) -> None:
        self._chance = os.urandom(10).hex()
        self._count = itertools.count(1)

    def next(self) -> str:
        return f"{self._chance}-{next(self._count):x}"


_fresh = _Fresh()


def give_id(scope: Scope) -> str:
    """The id of this request from here on: the caller's, where it is a plain one, else a new one."""
    number = _of_caller(scope) or _fresh.next()
    scope[_KEY] = number
    return number


def caller_of(scope: Scope) -> Caller:
    """Who makes this request, by address, and what it asks for: without the secret of a link, which is part of its path."""
    client = scope.get("client")
    return Caller(request_id(scope), client[0] if client else None, f"{scope['method']} {mask_text(scope['path'])}")


class RequestIds:
    """Takes the caller's ``X-Request-Id`` where it is a plain one, else makes one; binds it to the log for that request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = give_id(scope)

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
