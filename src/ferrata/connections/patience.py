"""Klaviyo says of an account once a second whose it is: who asks twice waits for that second instead of being refused."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ferrata.kit.clock import Clock
from ferrata.klaviyo.errors import Throttled

T = TypeVar("T")

LONGEST_WAIT_SECONDS = 3.0
"""As long as somebody who pressed a button may be kept waiting."""

TRIES = 3


async def patiently(clock: Clock, ask: Callable[[], Awaitable[T]]) -> T:
    """What ``ask`` gives; again after the time that Klaviyo names, if that is short. Raises what it raised last."""
    for tries_left in reversed(range(TRIES)):
        try:
            return await ask()
        except Throttled as error:
            wait = error.retry_after_seconds
            if not tries_left or wait is None or wait > LONGEST_WAIT_SECONDS:
                raise
            await clock.sleep(wait)
    raise AssertionError("the last try gives or raises")
