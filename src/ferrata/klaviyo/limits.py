"""Paces requests so that Klaviyo has nothing to refuse: one `Limiter` for one quota scope.

A quota scope is an account's private keys together, or one OAuth installation. Only one process may send for a scope at a
time; a new owner starts from `restore` or `seed`. The limiter never sleeps and never sends: it counts, and says how long.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

from .operations import EXTRA_BUCKETS, SMALLEST, Operation, find_operation
from .rate_headers import parse_limits
from .retry_after import parse_retry_after
from .windows import Window, WindowState

_ANSWER_LOST_SECONDS = 120.0
_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class WindowUse:
    """`used` of `allowed` requests in a window of `period_seconds`; `published` is the figure of Klaviyo's own table."""

    period_seconds: float
    used: int
    allowed: int
    published: int


@dataclass(frozen=True, slots=True)
class Usage:
    """For a gauge: how full an operation's windows are, and for how long Klaviyo has blocked it."""

    windows: tuple[WindowUse, ...]
    blocked_seconds: float
    in_flight: int


class MeterState(TypedDict):
    """One operation's counters as plain data."""

    blocked_seconds: float
    windows: dict[str, WindowState]


class LimiterState(TypedDict):
    """A whole limiter as plain data: JSON-ready, without clock readings."""

    version: int
    meters: dict[str, MeterState]


class Limiter:
    """The pacing of one quota scope. Operations are named "METHOD /path/{id}"; `extra` names a bucket of `EXTRA_BUCKETS`.

    Protocol: when `wait_seconds` is 0, `take`, send, and `observe` what came back - every time, also after failures.
    Retries are requests like any other. `clock` is monotonic seconds; `now` the aware wall time, for Retry-After dates.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = clock
        self._now = now
        self._meters: dict[str, _Meter] = {}

    def wait_seconds(self, operation: str, extra: str | None = None) -> float:
        """Seconds until the operation may go; 0 means now. Ask again after waiting: others may have gone before."""
        now = self._clock()
        return max(meter.wait_seconds(now) for meter in self._of(operation, extra))

    def take(self, operation: str, extra: str | None = None) -> None:
        """Count one request as sent at this moment."""
        now = self._clock()
        for meter in self._of(operation, extra):
            meter.take(now)

    def observe(
        self,
        operation: str,
        status: int | None,
        headers: Mapping[str, str] | None = None,
        *,
        sent: bool = True,
        extra: str | None = None,
    ) -> None:
        """Tell what came back for one `take`: `status` None if nothing did, `sent` False if it certainly never left.

        Learns allowed figures from `ratelimit-limit`, obeys `retry-after`, and yields to a neighbour after a 429.
        """
        now, found = self._clock(), {name.lower(): value for name, value in (headers or {}).items()}
        for meter in self._of(operation, extra):
            meter.answered(now, counted=sent and status != 429)
        if status == 429:
            retry_after = parse_retry_after(found.get("retry-after"), self._now(), found.get("date"))
            for meter in self._of(operation, extra):
                meter.refused(now, retry_after)
        elif status is not None:
            self._of(operation, None)[0].learn(parse_limits(found.get("ratelimit-limit")))

    def block(self, operation: str, seconds: float) -> None:
        """Let no request of the operation go for so long: a Retry-After that a former owner had stored, or that of a 503."""
        meter = self._of(operation, None)[0]
        meter.block(self._clock(), seconds)

    def seed(self, operation: str, ages_seconds: Iterable[float]) -> None:
        """Count requests that a former owner sent so many seconds ago."""
        now = self._clock()
        moments = [now - max(0.0, age) for age in ages_seconds]
        for window in self._of(operation, None)[0].windows:
            window.seed(moments)

    def usage(self, operation: str) -> Usage:
        """How full the operation's windows are at this moment."""
        return self._of(operation, None)[0].usage(self._clock())

    def snapshot(self) -> LimiterState:
        """Everything a next owner should know, as plain data."""
        now = self._clock()
        return {"version": 1, "meters": {name: meter.state(now) for name, meter in self._meters.items()}}

    def restore(self, state: LimiterState, elapsed_seconds: float) -> None:
        """Take over a snapshot made `elapsed_seconds` ago (by wall clock; a negative figure counts as 0)."""
        if state["version"] != 1:
            raise ValueError("the limiter's state is of another version")
        now = self._clock()
        for name, meter_state in state["meters"].items():
            self._meter(name).restore(meter_state, now, max(0.0, elapsed_seconds))

    def _of(self, operation: str, extra: str | None) -> list[_Meter]:
        names = [operation] if extra is None else [operation, extra]
        return [self._meter(name) for name in names]

    def _meter(self, name: str) -> _Meter:
        if name not in self._meters:
            self._meters[name] = _Meter(find_operation(name) or EXTRA_BUCKETS.get(name) or SMALLEST)
        return self._meters[name]


class _Meter:
    """One operation's windows, its requests under way, and the moment until which it is blocked."""

    def __init__(self, operation: Operation) -> None:
        even_rate = operation.steady_per_minute / 60
        self.windows = [
            Window(period, allowed, floor=min(allowed, 1.25 * even_rate) if period <= 1 else 1.0)
            for period, allowed in operation.windows.items()
        ]
        self._under_way: deque[float] = deque()
        self._blocked_until = float("-inf")
        self._backoff = _FIRST_BACKOFF_SECONDS

    def wait_seconds(self, now: float) -> float:
        self._give_up_lost(now)
        waits = [window.wait_seconds(now, len(self._under_way)) for window in self.windows]
        return max(0.0, self._blocked_until - now, *waits)

    def take(self, now: float) -> None:
        for window in self.windows:
            window.sent(now, len(self._under_way))
        self._under_way.append(now)

    def answered(self, now: float, *, counted: bool) -> None:
        if self._under_way:
            self._under_way.popleft()
        if counted:
            for window in self.windows:
                window.add(now)

    def refused(self, now: float, retry_after: float | None) -> None:
        """Requests that were under way when the first refusal came are refused too: they teach nothing new."""
        fresh = now >= self._blocked_until
        if retry_after is None:
            self.block(now, self._backoff)
            self._backoff = min(self._backoff * 2, _LONGEST_BACKOFF_SECONDS) if fresh else self._backoff
            return
        self.block(now, retry_after)
        if fresh:
            culprit = next((window for window in self.windows if retry_after <= window.period), None)
            if culprit is not None:
                culprit.shrink(now, retry_after)

    def block(self, now: float, seconds: float) -> None:
        self._blocked_until = max(self._blocked_until, now + seconds)

    def learn(self, limits: Mapping[float, int]) -> None:
        self._backoff = _FIRST_BACKOFF_SECONDS
        for window in self.windows:
            if window.period in limits:
                window.learn(limits[window.period])
        known = {window.period for window in self.windows}
        self.windows += [Window(period, allowed) for period, allowed in limits.items() if period not in known]

    def usage(self, now: float) -> Usage:
        self._give_up_lost(now)
        under_way = len(self._under_way)
        windows = tuple(
            WindowUse(window.period, window.used(now, under_way), window.effective(now), window.published)
            for window in self.windows
        )
        return Usage(windows, max(0.0, self._blocked_until - now), under_way)

    def state(self, now: float) -> MeterState:
        states = {f"{window.period:g}": window.state(now, len(self._under_way)) for window in self.windows}
        return {"blocked_seconds": max(0.0, self._blocked_until - now), "windows": states}

    def restore(self, state: MeterState, now: float, elapsed: float) -> None:
        self.block(now, max(0.0, state["blocked_seconds"] - elapsed))
        for window in self.windows:
            if known := state["windows"].get(f"{window.period:g}"):
                window.restore(known, now, elapsed)

    def _give_up_lost(self, now: float) -> None:
        """A `take` that nobody observed, because its sender died, must not hold its slot for ever."""
        while self._under_way and self._under_way[0] <= now - _ANSWER_LOST_SECONDS:
            self.answered(now, counted=True)
