"""A lane as its page tells it: how it stands, what it may send and has sent, and when it sends next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ferrata.delivery.families import FAMILIES
from ferrata.delivery.schemas import Lane, Window

_UNITS = {1: "per second", 60: "per minute", 86_400: "per day"}
STANDINGS = ("parked", "paused", "moving", "idle")


@dataclass(frozen=True, slots=True)
class Gauge:
    """Use of one rate window, in requests."""

    label: str
    used: int
    allowed: int
    unit: str


@dataclass(frozen=True, slots=True)
class LaneView:
    """``standing``: parked, paused, moving (something waits or is under way) or idle."""

    lane: Lane
    store_name: str
    standing: str
    gauges: tuple[Gauge, ...]
    next_at: datetime | None

    @property
    def noun(self) -> str:
        """What people call one of the things that it sends."""
        return FAMILIES[self.lane.family].noun

    @property
    def id(self) -> str:
        return f"lane-{self.lane.store_id}-{self.lane.family.value}"


def view(lane: Lane, store_name: str, now: datetime) -> LaneView:
    standing = _standing(lane, now)
    next_at = {"parked": lane.probe_at, "paused": lane.paused_until}.get(standing)
    return LaneView(lane, store_name, standing, tuple(_gauges(lane)), next_at)


def _standing(lane: Lane, now: datetime) -> str:
    if lane.parked_code:
        return "parked"
    if lane.paused_until and lane.paused_until > now:
        return "paused"
    return "moving" if lane.waiting or lane.sending else "idle"


def _gauges(lane: Lane) -> Iterable[Gauge]:
    family = FAMILIES[lane.family]
    labels: dict[str, str] = {family.single_operation: "One by one"}
    if family.bulk_operation:
        labels[family.bulk_operation] = f"In bulk, up to {family.most_items:,} each"
    for window in lane.windows:
        yield Gauge(labels[window.operation], window.used, window.allowed, _unit(window))


def _unit(window: Window) -> str:
    return f"requests {_UNITS.get(window.seconds) or f'in {window.seconds} s'}"


def order(views: Iterable[LaneView]) -> list[LaneView]:
    """What needs somebody first, then by how much waits."""
    return sorted(views, key=lambda each: (STANDINGS.index(each.standing), -each.lane.waiting, each.store_name))
