"""Klaviyo's rate windows: fixed burst (1 s), steady (60 s) and daily (24 h) windows per caller and operation.

Some query parameters draw from a second, stricter bucket as well. A refused request draws from none.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from klaviyo_sandbox.errors import throttled
from klaviyo_sandbox.operations import Operation
from klaviyo_sandbox.switches import Switches

BURST, STEADY, DAILY = 1, 60, 86_400


@dataclass(slots=True)
class Window:
    """One fixed window: `used` of its quota since `started`."""

    seconds: int
    started: float = -math.inf
    used: int = 0

    def roll(self, now: float, *, aligned: bool, taken: int) -> None:
        """Begin a new window when the current one is over (or lies in the future, after the clock was turned back)."""
        if self.started <= now < self.started + self.seconds:
            return
        self.started = math.floor(now / self.seconds) * self.seconds if aligned else now
        self.used = taken

    def ends_in(self, now: float) -> float:
        return self.started + self.seconds - now


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests allowed per window; the key names the bucket among those of one caller."""

    key: str
    burst: int
    steady: int
    daily: int | None = None
    told: bool = False
    """Whether the RateLimit headers speak of this bucket where it applies; recorded for additional fields."""

    def sizes(self, scale: float) -> list[tuple[int, int]]:
        """(seconds, limit) of each window. Scaling never goes below one request."""
        pairs = [(BURST, self.burst), (STEADY, self.steady)] + ([(DAILY, self.daily)] if self.daily else [])
        return [(seconds, max(1, int(limit * scale))) for seconds, limit in pairs]


# "Additional fields" and "include" buckets: (operation ids, parameter, value in it, quota), rate figures as the
# operation descriptions of the OpenAPI document print them.
EXTRA_BUCKETS = (
    (
        {"get_profiles", "get_profiles_for_list", "get_profile_ids_for_list"},
        "additional-fields[profile]",
        "predictive_analytics",
        Quota("profile:predictive_analytics", 10, 150, told=True),
    ),
    ({"get_list"}, "additional-fields[list]", "profile_count", Quota("list:profile_count", 1, 15, told=True)),
    ({"get_segment"}, "additional-fields[segment]", "profile_count", Quota("segment:profile_count", 1, 15, told=True)),
    ({"get_profile"}, "include", "lists", Quota("profile:include=list", 1, 15)),
    ({"get_profile"}, "include", "segments", Quota("profile:include=segment", 1, 15)),
)


@dataclass
class Limits:
    """Counts requests and refuses the ones beyond a window, per `quota_owner` (account or OAuth installation)."""

    switches: Switches
    scale: float = 1.0
    """Multiplies every quota; 0.5 halves them. The RateLimit headers tell the scaled figures."""

    owner_scales: dict[str, float] = field(default_factory=dict)
    """Further factor for single owners."""

    neighbour_share: float = 0.0
    """Part of every window (0..1) that somebody else has used before it begins."""

    _windows: dict[tuple[str, str], list[Window]] = field(default_factory=dict)

    def admit(self, owner: str, operation: Operation, query: Mapping[str, str], now: float) -> dict[str, str]:
        """Count a request and return its RateLimit headers, or raise `ApiError` 429 without counting it."""
        if not self.switches.limits:
            return {}
        quotas = [_quota(operation), *extra_quotas(operation, query)] if query else [_quota(operation)]
        scale = self.scale * self.owner_scales.get(owner, 1.0)
        sized = [(self._current(owner, quota, scale, now), quota.sizes(scale)) for quota in quotas]
        waits = [
            window.ends_in(now)
            for windows, sizes in sized
            for window, (_, limit) in zip(windows, sizes, strict=True)
            if window.used >= limit
        ]
        if waits:
            raise throttled(max(1, math.ceil(max(waits))))
        for windows, _ in sized:
            for window in windows:
                window.used += 1
        told = next((index for index, quota in enumerate(quotas) if quota.told), 0)
        return _headers(*sized[told], now)

    def consume(self, owner: str, operation: Operation, requests: int, now: float) -> None:
        """Let a neighbour use up part of the present windows."""
        scale = self.scale * self.owner_scales.get(owner, 1.0)
        for window in self._current(owner, _quota(operation), scale, now):
            window.used += requests

    def _current(self, owner: str, quota: Quota, scale: float, now: float) -> list[Window]:
        windows = self._windows.get((owner, quota.key))
        if windows is None:
            windows = self._windows[owner, quota.key] = [Window(seconds) for seconds, _ in quota.sizes(scale)]
        aligned = self.switches.window_alignment == "clock"
        for window, (_, limit) in zip(windows, quota.sizes(scale), strict=True):
            window.roll(now, aligned=aligned, taken=int(limit * self.neighbour_share))
        return windows

    def usage(self) -> dict[str, dict[str, dict[str, int]]]:
        """Used requests by owner, bucket and window length in seconds, as last counted."""
        table: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
        for (owner, key), windows in self._windows.items():
            table[owner][key] = {str(window.seconds): window.used for window in windows}
        return dict(table)

    def forget(self) -> None:
        """Start all windows anew."""
        self._windows.clear()


@cache
def _quota(operation: Operation) -> Quota:
    return Quota(operation.id, operation.burst, operation.steady, operation.daily)


def extra_quotas(operation: Operation, query: Mapping[str, str]) -> list[Quota]:
    """The stricter buckets that a request draws from as well."""
    return [
        quota
        for ids, parameter, value, quota in EXTRA_BUCKETS
        if operation.id in ids and value in query.get(parameter, "").split(",")
    ]


def _headers(windows: list[Window], sizes: list[tuple[int, int]], now: float) -> dict[str, str]:
    """The exact recorded syntax: the leading number, remaining and reset speak of the burst window."""
    (_, burst), burst_window = sizes[0], windows[0]
    listed = ", ".join(f"{limit};w={seconds}" for seconds, limit in sizes)
    return {
        "ratelimit-limit": f"{burst}, {listed}",
        "ratelimit-remaining": str(max(0, burst - burst_window.used)),
        "ratelimit-reset": str(math.ceil(burst_window.ends_in(now)) - 1),
    }
