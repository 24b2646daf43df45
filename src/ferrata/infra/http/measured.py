"""Measures every request: how long it took, by route and class of status."""

from collections.abc import Iterable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferrata.infra.telemetry import Telemetry
from ferrata.kit.clock import Clock

UNMATCHED = "unmatched"


class Measured:
    """``hot_paths`` are those that are answered before there is any routing."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, clock: Clock, hot_paths: Iterable[str]) -> None:
        self._app = app
        self._telemetry = telemetry
        self._clock = clock
        self._hot_paths = frozenset(hot_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = self._clock.monotonic()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._telemetry.answered(scope["method"], self._route(scope), status, self._clock.monotonic() - began)

    def _route(self, scope: Scope) -> str:
        route: Any = scope.get("route")
        template = getattr(route, "path", None)
        if isinstance(template, str) and template:
            return template
        path: str = scope["path"]
        return path if path in self._hot_paths else UNMATCHED
