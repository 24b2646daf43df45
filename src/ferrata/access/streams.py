"""A live page ends when whoever reads it may not any more: removed, signed out, or given another role."""

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferrata.access.http import ASKED, PRINCIPAL, STORE, authorized
from ferrata.infra.errors import FerrataError
from ferrata.kit.clock import Clock

log = structlog.get_logger()
_ASKED_EVERY_SECONDS = 1.0


class StillAllowed:
    """Before a stream of events says anything more, its route's right is asked for again, at most once a second."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked_at: float | None = None  # None: not a stream, or not begun
        ended = False

        async def send_if_allowed(message: Message) -> None:
            nonlocal asked_at, ended
            if ended:
                return  # the answer is complete; the server tells the endpoint so
            if message["type"] == "http.response.start" and _is_stream(message):
                asked_at = self._clock.monotonic()
            elif asked_at is not None and self._clock.monotonic() - asked_at >= _ASKED_EVERY_SECONDS:
                asked_at = self._clock.monotonic()
                if not await _may_go_on(scope):
                    ended = True
                    message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, receive, send_if_allowed)


def _is_stream(message: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"])


async def _may_go_on(scope: Scope) -> bool:
    request = Request(scope)
    right = scope.get(ASKED)
    if right is None:
        return True  # a stream for everybody, as that of the pattern page
    for found in (PRINCIPAL, STORE):
        scope.pop(found, None)
    try:
        await authorized(request, right)
    except FerrataError as error:
        log.info("access.stream_ended", path=scope["path"], code=error.code)
        return False
    return True
