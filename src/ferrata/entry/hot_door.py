"""The short way in for programs that send events: past the routing and the layers that everybody else goes through.

Measured, those layers cost several times as much as accepting an event does. What they give is given here too: an id for the
request, the security headers, one shape for errors, and a log line when something is refused.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ferrata.infra.http.request_ids import HEADER, give_id
from ferrata.kit.clock import Clock

log = structlog.get_logger()

Endpoint = Callable[[Request], Awaitable[Response]]
Tell = Callable[[Exception, Request], Response]


class HeadersByName(Headers):
    """Headers that are read into a dictionary once: nine of them are asked for, and each time would be a walk over all."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._values = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(self.raw)}

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key.lower(), default)


class HotRequest(Request):
    """A request whose headers are found quickly."""

    @cached_property
    def headers(self) -> Headers:
        return HeadersByName(self.scope)


class HotDoor:
    """``endpoints`` by path, for POST with an ``Authorization`` header; everything else goes on to ``app``."""

    def __init__(
        self, app: ASGIApp, *, endpoints: Mapping[str, Endpoint], tell: Tell, clock: Clock, headers: Mapping[str, str]
    ) -> None:
        self._app = app
        self._endpoints = endpoints
        self._tell = tell
        self._clock = clock
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is None or not any(name == b"authorization" for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        request = HotRequest(scope, receive)
        number = give_id(scope, self._clock.now())
        response = await self._answer(endpoint, request, number)
        response.raw_headers += self._headers
        response.raw_headers.append((HEADER.lower().encode(), number.encode()))
        await response(scope, receive, send)

    async def _answer(self, endpoint: Endpoint, request: Request, number: str) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:  # told to the sender; what nobody expected is logged in full
            response = self._tell(error, request)
            if response.status_code == 500:
                log.exception("http.failed", method="POST", path=request.url.path, request_id=number)
            else:
                log.info("http.answered", method="POST", path=request.url.path, status=response.status_code, request_id=number)
            return response
