"""Klaviyo's rate windows as they truly are: fixed, aligned to a moment that nobody outside knows."""

import random
from dataclasses import dataclass, field


@dataclass
class FixedWindow:
    seconds: float
    allowed: int
    offset: float
    _index: int = -1
    _used: int = 0

    def left(self, now: float) -> float:
        """Seconds until a request is allowed; 0 for now."""
        index = int((now - self.offset) // self.seconds)
        if index != self._index:
            self._index, self._used = index, 0
        return 0.0 if self._used < self.allowed else self.offset + (index + 1) * self.seconds - now

    def count(self) -> None:
        self._used += 1


PUBLISHED = {"POST /api/events": (350, 3500), "POST /api/event-bulk-create-jobs": (10, 150)}
"""Requests a second and a minute: Klaviyo's reference, revision 2026-07-15."""


@dataclass
class Quota:
    """One account's windows by operation."""

    chance: random.Random
    limits: dict[str, tuple[int, int]] = field(default_factory=lambda: dict(PUBLISHED))
    _windows: dict[str, list[FixedWindow]] = field(default_factory=dict)

    def take(self, operation: str, now: float) -> float:
        """Count one request; returns the seconds to wait if it is one too many (then it is not counted)."""
        windows = self._windows.setdefault(operation, self._new(operation, now))
        wait = max(window.left(now) for window in windows)
        if wait <= 0:
            for window in windows:
                window.count()
        return max(0.0, wait)

    def _new(self, operation: str, now: float) -> list[FixedWindow]:
        burst, steady = self.limits[operation]
        return [
            FixedWindow(1.0, burst, now - self.chance.random()),
            FixedWindow(60.0, steady, now - 60 * self.chance.random()),
        ]

    def headers(self, operation: str) -> dict[str, str]:
        burst, steady = self.limits[operation]
        return {"RateLimit-Limit": f"{burst}, {burst};w=1, {steady};w=60"}
