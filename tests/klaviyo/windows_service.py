"""A service with Klaviyo's true fixed windows in virtual time, and senders that use it: the yardstick for the limiter."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from ferrata.klaviyo import Limiter

START = 1000.0


class VirtualTime:
    """A clock and an agenda: callbacks run in the order of their moments, without anybody sleeping."""

    def __init__(self) -> None:
        self.now = START
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.now + max(0.0, seconds), next(self._order), act))

    def run_until(self, moment: float) -> None:
        while self._agenda and self._agenda[0][0] <= moment:
            self.now, _, act = heapq.heappop(self._agenda)
            act()
        self.now = moment


class FixedWindows:
    """Counts requests per window of fixed but unknown alignment; refuses with an integer Retry-After to its end."""

    def __init__(self, time: VirtualTime, random: Random, limits: dict[float, int], announces: bool = True) -> None:
        self.limits = limits
        self._time = time
        self._phase = {period: random.uniform(0, period) for period in limits}
        self._counts: dict[float, tuple[int, int]] = {}
        self._announces = announces

    def answer(self) -> tuple[int, dict[str, str]]:
        for period, limit in self.limits.items():
            index, count = self._window(period)
            if count >= limit:
                end = (index + 1) * period + self._phase[period]
                return 429, {"Retry-After": str(max(1, math.ceil(end - self._time.now)))}
        for period in self.limits:
            index, count = self._window(period)
            self._counts[period] = (index, count + 1)
        if not self._announces:
            return 202, {}
        burst = self.limits[1.0]
        named = ", ".join(f"{limit};w={period:g}" for period, limit in self.limits.items())
        return 202, {"RateLimit-Limit": f"{burst}, {named}", "RateLimit-Remaining": "0", "RateLimit-Reset": "0"}

    def _window(self, period: float) -> tuple[int, int]:
        index = math.floor((self._time.now - self._phase[period]) / period)
        known, count = self._counts.get(period, (index, 0))
        return index, count if known == index else 0


@dataclass
class Sender:
    """Always has more to send; obeys the limiter, with late wake-ups, network delays and several requests under way."""

    time: VirtualTime
    service: FixedWindows
    limiter: Limiter
    operation: str
    random: Random
    most_under_way: int = 32
    delay_seconds: tuple[float, float] = (0.005, 0.15)
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    _under_way: int = 0

    def start(self) -> None:
        self.time.after(0, self._turn)

    def _turn(self) -> None:
        wait = self.limiter.wait_seconds(self.operation)
        if wait > 0 or self._under_way >= self.most_under_way:
            self.time.after(max(wait, 0.005) + self.random.uniform(0, 0.01), self._turn)
            return
        self.limiter.take(self.operation)
        self._under_way += 1
        self.time.after(self.random.uniform(*self.delay_seconds), self._arrive)
        self.time.after(0.0005, self._turn)

    def _arrive(self) -> None:
        status, headers = self.service.answer()
        (self.refused if status == 429 else self.accepted).append(self.time.now)
        self.time.after(self.random.uniform(*self.delay_seconds), lambda: self._hear(status, headers))

    def _hear(self, status: int, headers: dict[str, str]) -> None:
        self._under_way -= 1
        self.limiter.observe(self.operation, status, headers)


@dataclass
class Neighbour:
    """Another integration on the same quota, which sends at its own rate and cares for nobody."""

    time: VirtualTime
    service: FixedWindows
    random: Random
    per_second: float

    def start(self) -> None:
        self.time.after(0, self._turn)

    def _turn(self) -> None:
        self.service.answer()
        self.time.after(self.random.uniform(0.5, 1.5) / self.per_second, self._turn)
