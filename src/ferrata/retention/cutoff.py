"""Which day is the first that is kept. No I/O."""

from datetime import UTC, date, datetime, time, timedelta


def cutoff_day(now: datetime, days: int) -> date:
    """The earliest day that is kept: 7 keeps today and the 7 days before it, 0 keeps today alone. Days are those of UTC."""
    return now.astimezone(UTC).date() - timedelta(days=days)


def midnight(day: date) -> datetime:
    """The first instant of a day of UTC."""
    return datetime.combine(day, time(), UTC)
