"""When a message, or a page of history, is tried again: pure rules with chance handed in."""

from collections.abc import Callable
from datetime import timedelta

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0
UNUSABLE_SECONDS = 60.0
"""Where credentials or settings must be mended, trying sooner helps nobody."""
LONGEST_ASKED_SECONDS = 86_400.0
"""Whoever asks us to wait for longer is asked again after a day: it may be nonsense, and no date is that far away."""
GIVE_UP_AFTER = timedelta(days=7)

Chance = Callable[[], float]
"""A number from 0 up to 1."""


def wait(asked: float | None, own: float) -> float:
    """Seconds until the next try: our own, but not before those have passed that the other side has asked for."""
    return max(min(asked or 0.0, LONGEST_ASKED_SECONDS), own)


def delay(attempts: int, chance: Chance) -> float:
    """Seconds before the next try after ``attempts`` (>= 1): doubling from 1 s to 5 min, half of it by chance."""
    ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(attempts - 1, 20))
    return float(ceiling * (0.5 + chance() / 2))
