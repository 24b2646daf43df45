"""The last net: whatever nobody expected is logged in full and answered as a plain 500 that names the request's id."""

from collections.abc import Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()
Tell = Callable[[Exception, Request], Response]


class Failures:
    """``tell`` makes the answer: JSON for programs, a page for people."""

    def __init__(self, app: ASGIApp, tell: Tell) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            log.exception("http.failed", method=scope["method"], path=scope["path"])
            if started:
                raise  # half an answer is out: only the server can break the connection off
            await self._tell(error, Request(scope))(scope, receive, send)
