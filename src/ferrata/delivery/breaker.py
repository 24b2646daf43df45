"""Stops an account's lanes while Klaviyo fails at everything, and lets one request at a time find out when it is back."""

from ferrata.delivery import schedule


class Breaker:
    def __init__(self, chance: schedule.Chance) -> None:
        self._chance = chance
        self.failures = 0
        self.open_until = float("-inf")  # monotonic seconds
        self.reason: str | None = None

    @property
    def is_tripped(self) -> bool:
        """Open, or half open: then only one request at a time may go."""
        return self.failures >= schedule.BREAKER_OPENS_AFTER

    def wait_seconds(self, now: float, under_way: int) -> float:
        if now < self.open_until:
            return self.open_until - now
        return 0.05 if self.is_tripped and under_way else 0.0

    def failed(self, now: float, reason: str) -> float | None:
        """Count one failure; returns for how many seconds the breaker has just opened, if it has.

        Failures of requests that were under way when it opened say nothing new.
        """
        if now < self.open_until:
            return None
        self.failures += 1
        seconds = schedule.pause(self.failures, self._chance)
        if seconds is not None:
            self.open_until, self.reason = now + seconds, reason
        return seconds

    def succeeded(self) -> bool:
        """Close; returns whether it had been open."""
        was_tripped, self.failures = self.is_tripped, 0
        self.open_until, self.reason = float("-inf"), None
        return was_tripped
