"""Remembers answers, and failures, for a few seconds; of several who ask the same at once, one asks and all hear."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from ferrata.infra.errors import FerrataError
from ferrata.kit.clock import Clock

T = TypeVar("T")
MOST_REMEMBERED = 2_000
FAILURE_SECONDS = 3.0


class Memory:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[Hashable, tuple[float, asyncio.Future[Any]]] = OrderedDict()

    async def recall(self, key: Hashable, seconds: float, ask: Callable[[], Awaitable[T]]) -> T:
        """What ``ask`` gave within the last ``seconds``, or gives now. Errors of ours are remembered for a shorter time."""
        known = self._known.get(key)
        if known and self._clock.monotonic() < known[0]:
            answer: T = await asyncio.shield(known[1])
            return answer
        asking: asyncio.Task[T] = asyncio.ensure_future(_awaited(ask))
        self._remember(key, asking, seconds)
        try:
            return await asyncio.shield(asking)
        except FerrataError:
            self._remember(key, asking, min(seconds, FAILURE_SECONDS))
            raise
        except Exception:
            self._known.pop(key, None)
            raise

    def forget(self, store_id: str) -> None:
        """Ask anew about this store: its key has changed. Keys begin with the store's id."""
        for key in [key for key in self._known if isinstance(key, tuple) and key[0] == store_id]:
            del self._known[key]

    def _remember(self, key: Hashable, asking: "asyncio.Future[Any]", seconds: float) -> None:
        self._known[key] = (self._clock.monotonic() + seconds, asking)
        self._known.move_to_end(key)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
