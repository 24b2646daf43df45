"""Reads Retry-After in every form seen or imaginable, and never raises."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 31 * 86_400.0
"""Bound against nonsense only: daily caps really answer with many hours (67,608 s was seen), and those are obeyed."""

_SECONDS = re.compile(r"[0-9]{1,400}(\.[0-9]{1,400})?\Z")


def parse_retry_after(value: str | None, now: datetime, date: str | None = None) -> float | None:
    """Seconds to wait from `now` (aware), 0 <= seconds <= LONGEST_SECONDS; None if absent, negative or unintelligible.

    Accepts delta-seconds and an HTTP date (RFC 9110, section 10.2.3). A date in the past means 0. `date` is the answer's own
    Date: where there is one, it stands for `now`, so that a clock of ours that is wrong by hours costs no hours.
    """
    if value is None:
        return None
    text = value.strip(" \t")
    if _SECONDS.match(text):
        return min(float(text), LONGEST_SECONDS)
    moment = _http_date(text)
    if moment is None:
        return None
    now = (_http_date(date.strip(" \t")) if date else None) or now
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_SECONDS)


def _http_date(text: str) -> datetime | None:
    if not text[:3].isalpha() or len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
