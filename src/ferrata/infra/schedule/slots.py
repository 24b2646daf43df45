"""When jobs are due: pure arithmetic over UTC, so that a change of daylight saving time moves nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Slots(Protocol):
    def latest(self, now: datetime) -> datetime:
        """The last slot that is due at ``now``: an instant at or before it."""

    def following(self, slot: datetime) -> datetime:
        """The slot after that one."""


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day, at this time of day in UTC."""

    at: time

    def latest(self, now: datetime) -> datetime:
        today = datetime.combine(now.astimezone(UTC).date(), self.at, UTC)
        return today if today <= now else today - timedelta(days=1)

    def following(self, slot: datetime) -> datetime:
        return slot + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Every:
    """At every whole multiple of ``interval`` since 1970, such as every full minute."""

    interval: timedelta

    def latest(self, now: datetime) -> datetime:
        return _EPOCH + (now - _EPOCH) // self.interval * self.interval

    def following(self, slot: datetime) -> datetime:
        return slot + self.interval
