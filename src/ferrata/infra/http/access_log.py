"""One log line for each request: method, path, status, duration. Never the query string, which may carry anything."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferrata.kit.clock import Clock

log = structlog.get_logger()
_QUIET = ("/health", "/metrics", "/static/")


class AccessLog:
    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0  # none was sent: the client left, or the answer failed
        began = self._clock.monotonic()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            write = log.debug if scope["path"].startswith(_QUIET) else log.info
            write(
                "http.answered",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round((self._clock.monotonic() - began) * 1000, 1),
            )
