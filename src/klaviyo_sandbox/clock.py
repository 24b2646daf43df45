"""The sandbox's only source of time: real by default, moved, set or scaled through the control API."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Time as Klaviyo's side sees it.

    `scale` makes sandbox time run faster or slower than real time; 0 freezes it until `advance` or `set`.
    """

    def __init__(self, real: Callable[[], float] = time.time, *, start: float | None = None, scale: float = 1.0) -> None:
        self._real = real
        self._anchor_real = real()
        self._anchor = self._anchor_real if start is None else start
        self._scale = scale

    @property
    def scale(self) -> float:
        """Sandbox seconds per real second."""
        return self._scale

    def timestamp(self) -> float:
        """Seconds since 1970 on the sandbox's clock."""
        return self._anchor + (self._real() - self._anchor_real) * self._scale

    def now(self) -> datetime:
        """The same instant as an aware UTC datetime."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def advance(self, seconds: float) -> None:
        """Move time by `seconds`; negative values turn it back."""
        self.set(self.timestamp() + seconds)

    def set(self, timestamp: float) -> None:
        """Make `timestamp` the present."""
        self._anchor_real = self._real()
        self._anchor = timestamp

    def run_at(self, scale: float) -> None:
        """Let time run `scale` times as fast as real time from now on."""
        self.set(self.timestamp())
        self._scale = scale
