"""Instants as people read them: how long ago, and exactly when in the store's own time zone."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from markupsafe import Markup

from ferrata.ui.figures import NOTHING

_STEPS = ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h"), (30 * 86_400, 86_400, "d"))


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """When and where a page is read: the instant of rendering and the zone in which times are shown."""

    now: datetime
    zone: tzinfo = field(default=UTC)


def ago(instant: datetime, now: datetime) -> str:
    """``3 min ago``, ``in 12 s``, ``just now``; after thirty days the date itself says more."""
    seconds = (now - instant).total_seconds()
    distance = abs(seconds)
    if distance < 1:
        return "just now"
    for limit, size, unit in _STEPS:
        if distance < limit:
            text = f"{int(distance // size)} {unit}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return f"{instant:%-d %b %Y}"


def exactly(instant: datetime, zone: tzinfo) -> str:
    """``Fri 20 Nov 2026, 10:03:12 CET``."""
    local = instant.astimezone(zone)
    return f"{local:%a %-d %b %Y, %H:%M:%S} {local.tzname()}"


def clock_time(instant: datetime, zone: tzinfo) -> str:
    """``10:03:12.418``: for timelines, where the day is already known."""
    local = instant.astimezone(zone)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


def _machine(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_tag(instant: datetime | None, view: Viewpoint, style: str = "ago") -> Markup:
    """A ``<time>`` with the exact instant on hover; times.js keeps the style ``ago`` current, the others stand still.

    Raises ValueError for a naive instant: without an offset it names no moment.
    """
    if instant is None:
        return Markup('<span class="f-nothing">{}</span>').format(NOTHING)
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no offset, so it is not an instant")
    exact = exactly(instant, view.zone)
    texts = {"ago": ago(instant, view.now), "exact": exact, "clock": clock_time(instant, view.zone)}
    live = Markup(" data-ago") if style == "ago" else ""
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(_machine(instant), exact, live, texts[style])
