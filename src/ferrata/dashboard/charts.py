"""The overview's figures: what came in and went out per minute beside what Klaviyo allows, and how long things wait."""

from collections.abc import Sequence
from datetime import timedelta, tzinfo

from ferrata.dashboard.snapshot import Snapshot
from ferrata.delivery.schemas import AgeBand
from ferrata.ui.charts import Chart, Limit, Series
from ferrata.ui.figures import count_of, duration, number

MINUTES = 60
OFF_SCALE = 4  # a limit so many times higher than everything drawn would flatten the rest


def throughput(snapshot: Snapshot, zone: tzinfo) -> Chart:
    """The last sixty whole minutes: the one under way would look like a fall, so it is drawn only where nothing else is."""
    end = snapshot.at.replace(second=0, microsecond=0)
    drawn = {minute.minute for minute in snapshot.accepted} | {minute.minute for minute in snapshot.delivered}
    if all(minute >= end for minute in drawn):
        end += timedelta(minutes=1)
    minutes = [end - timedelta(minutes=MINUTES - position) for position in range(MINUTES)]
    accepted = {minute.minute: minute.accepted for minute in snapshot.accepted}
    delivered = {minute.minute: minute.delivered for minute in snapshot.delivered}
    series = (
        Series("Accepted", [accepted.get(minute, 0) for minute in minutes], "neutral"),
        Series("Delivered", [delivered.get(minute, 0) for minute in minutes], "moving"),
    )
    peak = max(value or 0 for each in series for value in each.values)
    return Chart(
        title="Accepted and delivered",
        frame="events per minute, last hour",
        summary=_summary(snapshot),
        labels=[f"{minute.astimezone(zone):%H:%M}" for minute in minutes],
        series=series,
        unit="events",
        limit=_limit(snapshot.allowed_per_minute, peak),
    )


def _limit(allowed: int, peak: float) -> Limit | None:
    if not allowed:
        return None
    if allowed <= OFF_SCALE * peak:
        return Limit(f"allowed {number(allowed)}", allowed)
    return Limit(f"allowed {number(allowed)}, far above this scale ↑", allowed, drawn_at=max(10.0, 1.3 * peak))


def _summary(snapshot: Snapshot) -> str:
    done = f"{count_of(snapshot.accepted_last_hour, 'event')} accepted and {number(snapshot.delivered_last_hour)} delivered."
    if not snapshot.rates:
        return done
    ways = " and ".join(
        f"{number(window.allowed)} in requests of one"
        if window.events_each == 1
        else f"{number(window.allowed)} jobs of up to {number(window.events_each)}"
        for window in snapshot.rates
    )
    return f"{done} Klaviyo allows {number(snapshot.allowed_per_minute)} a minute: {ways}."


def age_labels(bands: Sequence[AgeBand]) -> list[str]:
    return [f"< {duration(band.under_seconds)}" if band.under_seconds else "older" for band in bands]
