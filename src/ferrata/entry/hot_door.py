"""The short way in for programs that send events: past the routing and the layers that everybody else goes through.

Measured, those layers cost several times as much as accepting an event does. What they give is given here too: an id for the
request, the security headers, one shape for errors, a measurement, and a log line when something is refused.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ferrata.infra.http.request_ids import HEADER, give_id
from ferrata.infra.http.whole_answer import FixedHeaders, send_whole
from ferrata.infra.telemetry import Telemetry
from ferrata.kit.clock import Clock

log = structlog.get_logger()

_REQUEST_ID = HEADER.lower().encode()
Endpoint = Callable[[Request], Awaitable[Response]]
Tell = Callable[[Exception, Request], Response]


@lru_cache(256)
def _written(name: str) -> bytes:
    return name.lower().encode("latin-1")


class HeadersByName(Headers):
    """Headers in a dictionary: nine are asked for, and each time would be a walk over all. Of several the first counts."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._values = dict(reversed(self.raw))

    def __contains__(self, key: Any) -> bool:
        return _written(key) in self._values

    def getlist(self, key: str) -> list[str]:
        if len(self._values) < len(self.raw):  # one is there several times, perhaps this one
            return super().getlist(key)
        value = self._values.get(_written(key))
        return [] if value is None else [value.decode("latin-1")]

    def get(self, key: str, default: Any = None) -> Any:
        value = self._values.get(_written(key))
        return default if value is None else value.decode("latin-1")


class HotRequest(Request):
    """A request whose headers are found quickly."""

    @cached_property
    def headers(self) -> Headers:
        return HeadersByName(self.scope)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What others' webhooks post, under many paths: the ``endpoint`` of all that fit ``paths``, measured as ``template``."""

    paths: re.Pattern[str]
    template: str
    endpoint: Endpoint


class HotDoor:
    """``endpoints`` by path, for POST with an ``Authorization`` header, and ``deliveries`` of what is no browser.

    Everything else goes on to ``app``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        endpoints: Mapping[str, Endpoint],
        deliveries: Deliveries | None = None,
        tell: Tell,
        clock: Clock,
        telemetry: Telemetry,
        headers: Mapping[str, str],
    ) -> None:
        self._app = app
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._tell = tell
        self._clock = clock
        self._telemetry = telemetry
        self._headers = FixedHeaders(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HotRequest(scope, receive) if scope["type"] == "http" and scope["method"] == "POST" else None
        endpoint, path = self._endpoint(request) if request else (None, "")
        if request is None or endpoint is None:
            await self._app(scope, receive, send)
            return
        began = self._clock.monotonic()
        number = give_id(scope)
        status = 0
        try:
            response = await self._answer(endpoint, request, number)
            headers = [*response.raw_headers, (_REQUEST_ID, number.encode())]
            await send_whole(send, response.status_code, headers, self._headers, bytes(response.body))
            status = response.status_code
        finally:
            self._telemetry.answered("POST", path, status, self._clock.monotonic() - began)

    def _endpoint(self, request: HotRequest) -> tuple[Endpoint | None, str]:
        path: str = request.scope["path"]
        if found := self._endpoints.get(path):
            return (found if "authorization" in request.headers else None), path
        some = self._deliveries
        if some is None or not some.paths.fullmatch(path) or b"%" in request.scope["query_string"]:
            return None, path
        browser = "origin" in request.headers or "cookie" in request.headers
        return (None if browser else some.endpoint), some.template

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
