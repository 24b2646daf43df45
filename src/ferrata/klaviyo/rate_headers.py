"""Reads `RateLimit-Limit: 75, 75;w=1, 750;w=60`, trusting nothing.

`RateLimit-Remaining` and `-Reset` are left alone: in recordings they describe the burst window only, so they cannot steer.
"""

from __future__ import annotations

import re

_ELEMENT = re.compile(r"\s*([0-9]{1,9})\s*;\s*w\s*=\s*([0-9]{1,9})\s*\Z")
_LONGEST_WINDOW_SECONDS = 31 * 86_400
_MOST_WINDOWS = 6
_LONGEST_HEADER = 1024


def parse_limits(value: str | None) -> dict[float, int]:
    """Allowed requests by window length in seconds; empty if the header is absent or nonsense. Never raises.

    Elements without a window (the leading number repeats the burst figure), zero and absurd ones are skipped.
    """
    if not value or len(value) > _LONGEST_HEADER:
        return {}
    windows: dict[float, int] = {}
    for element in value.split(",")[: _MOST_WINDOWS + 1]:
        if match := _ELEMENT.match(element):
            allowed, seconds = int(match[1]), int(match[2])
            if allowed > 0 and 0 < seconds <= _LONGEST_WINDOW_SECONDS:
                windows[float(seconds)] = allowed
    return windows
