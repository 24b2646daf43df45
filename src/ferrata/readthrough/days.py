"""Reads a day of UTC as people write it."""

import re
from datetime import date

from ferrata.infra.errors import Problem, Rejected

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(1970, 9999)  # what ids can tell, and what has a day after it


def read_day(text: str) -> date:
    """A day as ``2026-01-31`` and nothing else: a date-time would silently match another day or none.

    Raises:
        Rejected: it is something else.
    """
    try:
        if not _DAY.fullmatch(text):  # Python would also read the days of numbered weeks
            raise ValueError
        day = date.fromisoformat(text)
        if day.year not in _YEARS:
            raise ValueError
    except ValueError:
        raise Rejected(problems=(Problem("date", "date must be a day as 2026-01-31"),)) from None
    return day
