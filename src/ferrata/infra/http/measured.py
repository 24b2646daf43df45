"""Measures every request: how long it took, by route and class of status."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferrata.infra.telemetry import Telemetry
from ferrata.kit.clock import Clock

UNMATCHED = "unmatched"


class Measured:
    def __init__(self, app: ASGIApp, telemetry: Telemetry, clock: Clock) -> None:
        self._app = app
        self._telemetry = telemetry
        self._clock = clock

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
        template = getattr(scope.get("route"), "path", None)
        return template if isinstance(template, str) and template else UNMATCHED
