"""How one store stands at one moment, gathered from the rooms, and what that means for whoever looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from ferrata.delivery.schemas import AgeBand, DeadGroup, DeadLetter, Lane, Minute, Window
from ferrata.events.schemas import AcceptedMinute, Standing

Situation = Literal["parked", "dead", "resting", "behind", "well", "empty"]
BEHIND_SECONDS = 60


class HealthCheck(Protocol):
    """One check as the health room tells it; ``level`` is healthy, degraded or down, ``summary`` a sentence."""

    @property
    def name(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def summary(self) -> str: ...


class HealthReport(Protocol):
    @property
    def checks(self) -> Sequence[HealthCheck]: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``accepted`` and ``delivered`` hold the minutes of the last hour; ``today`` counts from the store's midnight."""

    at: datetime
    today: int
    accepted: Sequence[AcceptedMinute]
    delivered: Sequence[Minute]
    lanes: Sequence[Lane]
    ages: Sequence[AgeBand]
    dead: int
    groups: Sequence[DeadGroup]
    letters: Sequence[DeadLetter]
    latest: Sequence[Standing]

    @property
    def waiting(self) -> int:
        return sum(lane.waiting for lane in self.lanes)

    @property
    def on_their_way(self) -> int:
        """Waiting or being sent."""
        return sum(lane.waiting + lane.sending for lane in self.lanes)

    @property
    def parked(self) -> Lane | None:
        """The first lane that needs somebody."""
        return next((lane for lane in self.lanes if lane.parked_code), None)

    @property
    def in_parked_lanes(self) -> int:
        return sum(lane.waiting + lane.sending for lane in self.lanes if lane.parked_code)

    @property
    def resting(self) -> Lane | None:
        return next((lane for lane in self.lanes if lane.paused_until and lane.paused_until > self.at), None)

    @property
    def oldest_at(self) -> datetime | None:
        return min((lane.oldest_at for lane in self.lanes if lane.oldest_at), default=None)

    @property
    def accepted_last_hour(self) -> int:
        return sum(minute.accepted for minute in self.accepted)

    @property
    def delivered_last_hour(self) -> int:
        return sum(minute.delivered for minute in self.delivered)

    @property
    def rates(self) -> list[Window]:
        """Use of what Klaviyo allows in a minute."""
        return [window for lane in self.lanes for window in lane.windows if window.seconds == 60]

    @property
    def allowed_per_minute(self) -> int:
        """How many events Klaviyo lets this store send in a minute, one by one and in bulk together; 0 without a connection."""
        return sum(window.allowed * window.events_each for window in self.rates)

    @property
    def situation(self) -> Situation:
        """The worst of it, which the overview's first line tells."""
        if self.parked and (self.in_parked_lanes or self.parked.parked_code != "not_connected"):
            return "parked"
        if self.dead:
            return "dead"
        if self.resting and self.on_their_way:
            return "resting"
        if self.oldest_at and (self.at - self.oldest_at).total_seconds() > BEHIND_SECONDS:
            return "behind"
        return "well" if self.latest else "empty"
