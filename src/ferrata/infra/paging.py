"""Keyset paging: a page of rows and an opaque cursor to the next; no offsets, no totals that must be counted."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from ferrata.infra.errors import Problem, Rejected

T = TypeVar("T")
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)  # what databases can hold


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    rows: tuple[T, ...]
    next_cursor: str | None = None


def make_cursor(*keys: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def read_cursor(cursor: str, count: int) -> tuple[str, ...]:
    """The ``count`` keys that ``make_cursor`` was given.

    Raises:
        Rejected: this cursor was not made here.
    """
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        keys = None
    if not isinstance(keys, list) or len(keys) != count or not all(map(_is_key, keys)):
        raise _not_ours()
    return tuple(keys)


def instant_in(key: str) -> datetime:
    """The instant that a key of a cursor holds, as ``isoformat`` wrote it. Raises Rejected as ``read_cursor``."""
    try:
        instant = datetime.fromisoformat(key)
    except ValueError:
        raise _not_ours() from None
    if instant.tzinfo is None or not _EARLIEST <= instant < _LATEST:
        raise _not_ours()
    return instant


def _not_ours() -> Rejected:
    return Rejected(problems=(Problem("cursor", "cursor is not one that this service gave out; start without it"),))


def _is_key(key: object) -> bool:
    """Keys are ids and instants: nothing that a database could not be asked about."""
    return isinstance(key, str) and key.isascii() and key.isprintable()
