"""What stands in a page's address: its filters. Reads days in the store's zone, and writes addresses without empty parameters."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from urllib.parse import urlencode

from ferrata.infra.errors import Problem, Rejected
from ferrata.infra.http.instants import UNFIT, is_askable


def address(path: str, filters: Mapping[str, object], **more: object) -> str:
    """``path`` with those parameters that hold something; a list gives its name once for each of its items."""
    given = {name: value for name, value in {**filters, **more}.items() if value not in (None, "", (), [])}
    query = urlencode(given, doseq=True)
    return f"{path}?{query}" if query else path


def day_begins(name: str, text: str, zone: tzinfo) -> datetime | None:
    """The instant at which a day (``2026-11-20``) or a minute (``2026-11-20T14:05``) begins in the store's zone.

    An instant with an offset is taken as it is; nothing gives None. Raises Rejected for anything else.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        sentence = f"{name} is not a day such as 2026-11-20, nor a time such as 2026-11-20T14:05"
        raise Rejected(problems=(Problem(name, sentence),)) from None
    instant = found if found.tzinfo else found.replace(tzinfo=zone)
    if not is_askable(instant):
        raise Rejected(problems=(Problem(name, f"{name} {UNFIT}"),))
    return instant


def day_ends(name: str, text: str, zone: tzinfo) -> datetime | None:
    """As ``day_begins``, for an end that is left out: of a bare day it is the midnight after it."""
    begins = day_begins(name, text, zone)
    if begins is None or len(text) != len("2026-11-20"):
        return begins
    return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), zone)
