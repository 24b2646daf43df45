"""The same hook for asyncio. Its thread is the same too: no event loop has to run, or be the right one, for events to arrive."""

import asyncio
from typing import Any, Self

from ferrata.client.outbox import Counts
from ferrata.client.sync import Ferrata


class AsyncFerrata:
    """As ``Ferrata``; ``flush`` and ``aclose`` are awaited and do not hold up the loop. ``track`` and ``cart`` need no await."""

    def __init__(self, url: str, token: str, **options: Any) -> None:
        """Takes the options of ``Ferrata``."""
        self._client = Ferrata(url, token, **options)
        self.track = self._client.track
        self.cart = self._client.cart

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def flush(self, timeout_seconds: float = 30.0) -> bool:
        """Wait until nothing waits in memory or on disk; False if that took too long."""
        return await asyncio.to_thread(self._client.flush, timeout_seconds)

    async def aclose(self, timeout_seconds: float | None = None) -> None:
        """Hand over what waits, within the time, and stop."""
        await asyncio.to_thread(self._client.close, timeout_seconds)

    @property
    def counts(self) -> Counts:
        return self._client.counts
