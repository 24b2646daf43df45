"""Reads the events that nearly every sender sends, in one go: anything unusual is left to ``fields.py``, which tells every fault.

What is read here is read as there, to the letter; a test holds the two against each other. No I/O.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

import msgspec

from ferrata.events import limits
from ferrata.events.currencies import CURRENCIES
from ferrata.events.json_text import is_surely_fit
from ferrata.events.moments import UnfitTime, read_time
from ferrata.events.schemas import Incoming, Refusal
from ferrata.kit.contacts import normal_email, normal_phone
from ferrata.profiles.schemas import ReadAttributes, read_attributes

_MOST_PROFILE_BYTES = 2_000
_MOST_VALUE_BYTES = 40
_NOTHING_READ = ReadAttributes()
_ABSENT = msgspec.Raw(b"null")


class _Body(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    eventName: str  # noqa: N815 - the names of the body
    eventAttributes: msgspec.Raw = _ABSENT  # noqa: N815 - as above
    profileAttributes: msgspec.Raw = _ABSENT  # noqa: N815 - as above
    email: str | None = None
    phone: str | None = None
    externalId: str | None = None  # noqa: N815 - as above
    eventId: str | None = None  # noqa: N815 - as above
    time: str | None = None
    value: msgspec.Raw = _ABSENT
    currency: str | None = None
    backfill: bool | None = None


class _Bodies(msgspec.Struct, forbid_unknown_fields=True):
    events: list[_Body]


class _Unusual(Exception):
    """Something that has to be looked at closely."""


_one = msgspec.json.Decoder(_Body).decode
_many = msgspec.json.Decoder(_Bodies).decode
_number = msgspec.json.Decoder(int | float).decode
_UNREADABLE = (_Unusual, UnfitTime, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_plain(body: bytes, now: datetime) -> Incoming | None:
    """The event in a body of ``POST /events``; None if it has to be looked at closely."""
    try:
        return _event(_one(body), now)
    except _UNREADABLE:
        return None


def read_plain_bulk(body: bytes, now: datetime) -> list[Incoming | Refusal] | None:
    """The events in a body of ``POST /events/bulk``; None if any of it has to be looked at closely."""
    try:
        bodies = _many(body).events
        return [_event(each, now) for each in bodies] if len(bodies) <= limits.BULK_EVENTS else None
    except _UNREADABLE:
        return None


def _event(body: _Body, now: datetime) -> Incoming:
    raw = bytes(body.profileAttributes)
    about = _NOTHING_READ if raw == b"null" else _profile(raw)
    return Incoming(
        metric=_short(body.eventName, limits.METRIC_CHARACTERS),
        attributes=_object(bytes(body.eventAttributes)),
        profile_attributes=None if raw == b"null" else raw.decode(),
        profile=about.attributes,
        email=_contact(body.email, normal_email, about.email),
        phone=_contact(body.phone, normal_phone, about.phone),
        external_id=about.external_id if body.externalId is None else _short(body.externalId, limits.EXTERNAL_ID_CHARACTERS),
        event_id=None if body.eventId is None else _short(body.eventId, limits.EVENT_ID_CHARACTERS),
        occurred_at=None if body.time is None else read_time(body.time, now),
        value=_value(bytes(body.value)),
        currency=None if body.currency is None else _currency(body.currency),
        backfill=body.backfill is True,
        notes=tuple(about.notes),
    )


def _short(text: str, longest: int) -> str:
    if len(text) > longest or not text.isascii() or "\0" in text or not text.strip():
        raise _Unusual
    return text


def _contact(given: str | None, normal: Callable[[str], str | None], among_attributes: str | None) -> str | None:
    if given is None:
        return among_attributes
    found = normal(given)
    if found is None or (among_attributes is not None and among_attributes != found):
        raise _Unusual
    return found


def _object(raw: bytes) -> str | None:
    if raw == b"null":
        return None
    if not is_surely_fit(raw):
        raise _Unusual
    return raw.decode()


def _value(raw: bytes) -> str | None:
    if raw == b"null":
        return None
    _number(raw)
    if len(raw) > _MOST_VALUE_BYTES:
        raise _Unusual
    return raw.decode()


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise _Unusual
    return code


def _profile(raw: bytes) -> ReadAttributes:
    if len(raw) > _MOST_PROFILE_BYTES:
        raise _Unusual
    return _read_profile(raw)


@lru_cache(4096)  # a customer's attributes come with each of the customer's events
def _read_profile(raw: bytes) -> ReadAttributes:
    read = read_attributes(raw, "") if is_surely_fit(raw) else None
    if read is None or read.problems:
        raise _Unusual
    return read
