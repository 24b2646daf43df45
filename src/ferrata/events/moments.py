"""Reads an event's time strictly: nothing is guessed, and nothing unreadable ever becomes "now"."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from ferrata.events import limits

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,9}))?(?:([Zz])|([+-]\d\d):?(\d\d))",
    re.ASCII,
)


class UnfitTime(ValueError):
    """The message says, after the field's name, what a time must be."""


def read_time(text: str, now: datetime) -> datetime:
    """The instant that ISO 8601 text with an offset names, in UTC, to the microsecond.

    From the year 2000 (what Klaviyo's guides take; its reference says 1990) to one year after ``now``.

    Raises:
        UnfitTime: it is something else.
    """
    found = _ISO.fullmatch(text.strip())
    if not found:
        raise UnfitTime("must be an ISO 8601 date and time with an offset, such as 2026-01-31T12:00:00Z")
    day, minute, second, fraction, zulu, hours, minutes = found.groups()
    offset = "+00:00" if zulu else f"{hours}:{minutes}"
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}{second or ':00'}.{(fraction or '').ljust(6, '0')[:6]}{offset}")
        instant = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnfitTime("must be a date and time that exists") from None
    if instant.year < limits.EARLIEST_YEAR:
        raise UnfitTime(f"must not lie before the year {limits.EARLIEST_YEAR}")
    if instant > _years_after(now, limits.YEARS_AHEAD):
        raise UnfitTime("must not lie more than one year in the future")
    return instant


@lru_cache(1024)  # of what arrives together many bear the same
def write_time(instant: datetime) -> str:
    """The instant as text for Klaviyo and for answers: UTC, to the millisecond where that is exact."""
    precise = instant.microsecond % 1000 != 0
    utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return utc.isoformat(timespec="microseconds" if precise else "milliseconds")[:-6] + "Z"  # in place of +00:00


def _years_after(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year + years, month=3, day=1)
