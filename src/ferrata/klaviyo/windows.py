"""One quota window as we keep it: a sliding log that no alignment of Klaviyo's fixed windows can find fault with.

Klaviyo counts a request at some moment between our sending it and its answer. So a request weighs from the moment it is sent
until one whole period after its *answer*: then any fixed window, wherever it starts, holds at most `allowed` of them, whatever
the network's delays. That costs one round trip in sixty seconds of throughput.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TypedDict

_SPREAD_FROM = 0.5
"""Share of a window that may go out at full speed; what is left of it is spread over the time until slots return."""
_PACE = 0.9
"""Shortest gap while spreading, as a share of the even pace: the rest is room to catch up after late wake-ups."""
_BURST_SHARE = 0.9
"""Of a window of a second so much is used: what is left is a neighbour's, who would have all that is under way refused. It costs
nothing, for the minute's window allows far less than sixty times as much."""
_CATCH_UP_SECONDS = 0.2
_AWAITING_ANSWER_SECONDS = 0.02

# Beside a neighbour: how far to yield, and how soon to try for more. Found by simulation against fixed windows.
_LOWEST_SHARE = 1 / 8
_KEPT_SHARE = 0.7
_GROWTH = 1.25
_HOLD_SECONDS = 60.0
_LONGEST_HOLD_SECONDS = 32 * 60.0
_RELAPSE_SECONDS = 15 * 60.0
"""A refusal within this time after growing again counts as the same neighbour and doubles the hold."""
_DAY = 86_400.0


class WindowState(TypedDict):
    """A window as plain data, for storage and for the next owner."""

    allowed: int
    share: float
    hold_seconds: float
    grow_in_seconds: float | None
    ages: list[tuple[float, int]]


class Window:
    """At most `allowed` requests in any `period` seconds; less for a while when a neighbour shares the quota."""

    def __init__(self, period: float, allowed: int, floor: float = 1.0) -> None:
        self.period = period
        self.published = allowed
        self.allowed = allowed
        self._span = period + (0.05 if period <= 1 else min(0.005 * period, 60.0))
        self._floor = floor
        self._share = 1.0
        self._hold = _HOLD_SECONDS
        self._grow_at = math.inf
        self._relapse_until = -math.inf
        self._slot = -math.inf
        self._answered: deque[float] = deque()

    def effective(self, now: float) -> int:
        """Requests that we allow ourselves: `allowed`, or the share of it that a neighbour seems to leave."""
        while now >= self._grow_at:
            self._share *= _GROWTH
            self._grow_at += _HOLD_SECONDS
            if self._share >= 1:
                self._share, self._grow_at = 1.0, math.inf
        return max(1, math.floor(self.allowed * self._share))

    def _limit(self, now: float) -> int:
        """How many of those we really send."""
        limit = self.effective(now)
        return min(limit, math.ceil(self.allowed * _BURST_SHARE)) if self.period <= 1 else limit

    def used(self, now: float, in_flight: int) -> int:
        self._forget(now)
        return len(self._answered) + in_flight

    def wait_seconds(self, now: float, in_flight: int) -> float:
        """Seconds until one more may go; 0 for now."""
        used, limit = self.used(now, in_flight), self._limit(now)
        if used >= limit:
            surplus = used - limit
            if surplus < len(self._answered):
                return max(self._answered[surplus] + self._span - now, 0.001)
            return _AWAITING_ANSWER_SECONDS
        return max(0.0, self._slot + self._gap(now, used, limit) - now)

    def sent(self, now: float, in_flight: int) -> None:
        """One goes now, beside `in_flight` others. A sender that woke late may catch up a little."""
        gap = self._gap(now, self.used(now, in_flight), self._limit(now))
        self._slot = max(self._slot + gap, now - _CATCH_UP_SECONDS)

    def _gap(self, now: float, used: int, limit: int) -> float:
        """Seconds between two sends: none while the window is mostly empty, then what is left is spread.

        A day's figure is not spread: who creates the eighth of fifteen custom metrics must not wait for hours.
        """
        if used < limit * _SPREAD_FROM or used >= limit or self.period >= _DAY:
            return 0.0
        until_return = (self._answered[0] + self._span - now) if self._answered else self._span
        return max(until_return / (limit - used + 1), _PACE * self._span / limit)

    def add(self, answered_at: float) -> None:
        self._answered.append(answered_at)

    def seed(self, answered_at: list[float]) -> None:
        """Sends of a former owner, at times of this clock."""
        self._answered = deque(sorted([*self._answered, *answered_at]))

    def learn(self, allowed: int) -> None:
        """The service itself says what it allows; anything between 1 and twenty times the published figure is believed."""
        self.allowed = min(max(allowed, 1), self.published * 20)

    def shrink(self, now: float, retry_after: float) -> None:
        """Refused although we kept within `allowed`: somebody else uses the quota. Leave them what they seem to take.

        Their rate is what we did not use of the window that ends with Retry-After; but what succeeded in the last period
        is never doubted by more than three tenths. Then hold, and grow back; every relapse holds twice as long.
        """
        if self.period >= _DAY:
            return
        self._forget(now)
        own_lately = sum(1 for moment in self._answered if moment > now - self.period)
        elapsed = min(max(self.period - retry_after + 0.5, self.period / 10), self.period)
        own_in_window = sum(1 for moment in self._answered if moment > now - elapsed)
        others = max(0.0, self.allowed - own_in_window) * self.period / elapsed
        left = self.allowed - others - math.sqrt(others)
        target = max(left, own_lately * _KEPT_SHARE, self._floor, self.allowed * _LOWEST_SHARE)
        self._hold = min(self._hold * 2, _LONGEST_HOLD_SECONDS) if now < self._relapse_until else _HOLD_SECONDS
        self._share = min(self._share, target / self.allowed, 1.0)
        self._grow_at = now + retry_after + self._hold
        self._relapse_until = self._grow_at + max(self._hold, _RELAPSE_SECONDS)

    def state(self, now: float, in_flight: int) -> WindowState:
        """Plain data with ages instead of times. Requests under way count as answered now: nobody will know better."""
        self._forget(now)
        return {
            "allowed": self.allowed,
            "share": self._share,
            "hold_seconds": self._hold,
            "grow_in_seconds": None if math.isinf(self._grow_at) else max(0.0, self._grow_at - now),
            "ages": _grouped([*self._answered, *([now] * in_flight)], now, self.period / 600),
        }

    def restore(self, state: WindowState, now: float, elapsed_seconds: float) -> None:
        """Take over what `state` told `elapsed_seconds` ago."""
        then = now - elapsed_seconds
        self.learn(state["allowed"])
        self._share = min(max(state["share"], _LOWEST_SHARE), 1.0)
        self._hold = min(max(state["hold_seconds"], _HOLD_SECONDS), _LONGEST_HOLD_SECONDS)
        grow_in = state["grow_in_seconds"]
        self._grow_at = math.inf if grow_in is None else then + grow_in
        self._relapse_until = -math.inf if grow_in is None else self._grow_at + max(self._hold, _RELAPSE_SECONDS)
        self.seed([then - age for age, count in state["ages"] for _ in range(int(count))])

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0] <= now - self._span:
            self._answered.popleft()


def _grouped(moments: list[float], now: float, grain: float) -> list[tuple[float, int]]:
    """(age, count) pairs; ages are rounded down to the grain, because younger is the careful side."""
    counts = Counter(math.floor(max(0.0, now - moment) / grain) for moment in moments)
    return [(steps * grain, count) for steps, count in counts.items()]
