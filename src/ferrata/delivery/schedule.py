"""When to try again: pure rules with chance handed in, so that a table of cases can test them."""

from collections.abc import Callable

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 300.0
BREAKER_OPENS_AFTER = 5
LONGEST_PAUSE_SECONDS = 60.0
FIRST_PROBE_SECONDS = 30.0
LONGEST_PROBE_SECONDS = 900.0
DISSOLVE_AFTER = 5
"""A batch that failed this often while others succeeded is sent one by one: something in it may be what fails."""
UNTOLD_THROTTLE_SECONDS = 1.0
LONGEST_THROTTLE_SECONDS = 60.0

Chance = Callable[[], float]
"""A number from 0 up to 1."""


def retry_delay(failures: int, chance: Chance) -> float:
    """Seconds before the next try of one request after ``failures`` (>= 1): doubling from 1 s to 5 min, half of it by chance."""
    return longest_retry_delay(failures) * (0.5 + chance() / 2)


def longest_retry_delay(failures: int) -> float:
    return float(min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(max(failures - 1, 0), 20)))


def pause(consecutive_failures: int, chance: Chance) -> float | None:
    """Seconds that a whole account rests after so many failures in a row; None while the breaker stays closed."""
    beyond = consecutive_failures - BREAKER_OPENS_AFTER
    if beyond < 0:
        return None
    return float(min(LONGEST_PAUSE_SECONDS, 2 ** min(beyond, 20)) * (0.5 + chance() / 2))


def throttle_delay(asked: float | None, in_a_row: int, chance: Chance) -> float:
    """Seconds before the endpoint is used again after a 429: what Klaviyo asked for, else doubling from 1 s to 60 s."""
    if asked is not None and asked > 0:
        return asked + chance() / 4
    return float(min(LONGEST_THROTTLE_SECONDS, UNTOLD_THROTTLE_SECONDS * 2 ** min(in_a_row, 20)) * (0.75 + chance() / 4))


def probe_delay(probes: int) -> float:
    """Seconds between tries of a parked lane: 30 s, doubling to 15 min."""
    return float(min(LONGEST_PROBE_SECONDS, FIRST_PROBE_SECONDS * 2 ** min(probes, 20)))
