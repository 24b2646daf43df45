"""Waits for the limiter's word before a request, and tells it what came back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from .answer import Answer, NoAnswer
from .errors import Throttled
from .limits import Limiter
from .outcome import Executed, Kind, Outcome

Hear = Callable[[Answer | NoAnswer], None]


class Turns:
    """Turns on one limiter for the requests of one client; waits at most `patience_seconds` for each."""

    def __init__(self, limiter: Limiter, patience_seconds: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._limiter = limiter
        self._patience_seconds = patience_seconds
        self._sleep = sleep

    @asynccontextmanager
    async def turn(self, operation: str, extra: str | None) -> AsyncIterator[Hear]:
        """One request's turn. Call what it gives with the answer; a turn left without one counts as an answer lost."""
        await self._wait(operation, extra)
        self._limiter.take(operation, extra)
        heard: list[Answer | NoAnswer] = []
        try:
            yield heard.append
        finally:
            self._tell(operation, extra, heard[0] if heard else NoAnswer("cancelled", sent=True))

    async def _wait(self, operation: str, extra: str | None) -> None:
        waited = 0.0
        while (seconds := self._limiter.wait_seconds(operation, extra)) > 0:
            if waited + seconds > self._patience_seconds:
                raise Throttled(
                    Outcome(
                        kind=Kind.THROTTLED,
                        operation=operation,
                        executed=Executed.NO,
                        reason=f"the quota leaves no request for {seconds:.0f} seconds; nothing was sent",
                        retry_after_seconds=seconds,
                    )
                )
            await self._sleep(seconds)
            waited += seconds

    def _tell(self, operation: str, extra: str | None, seen: Answer | NoAnswer) -> None:
        if isinstance(seen, Answer):
            self._limiter.observe(operation, seen.status, seen.headers, extra=extra)
        else:
            self._limiter.observe(operation, None, sent=seen.sent, extra=extra)
