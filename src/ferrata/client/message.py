"""One event as JSON, complete when it is tracked: with an id, so that a resend is the same event, and with its time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

_ACT = b'{"act":'


@dataclass(frozen=True, slots=True)
class Message:
    """An event, or an act of a cart: then ``event_id`` is the id of the act."""

    event_id: str
    body: bytes

    @property
    def is_act(self) -> bool:
        """By its first member: so it is known again when it comes out of a spool."""
        return self.body.startswith(_ACT)


def make_message(fields: Mapping[str, Any]) -> Message:
    """The event in these fields; those that are None are left out.

    Raises:
        TypeError, ValueError: something in it is no JSON: NaN, a set, an object of the host's.
    """
    complete = {name: value for name, value in fields.items() if value is not None}
    complete.setdefault("eventId", uuid4().hex)
    complete.setdefault("time", datetime.now(UTC))
    return Message(str(complete["eventId"]), _json(complete).encode())


def make_act(act: str, fields: Mapping[str, Any]) -> Message:
    """What happened to a cart, with an id of the act and its time. Raises as ``make_message``."""
    complete = {"act": act, **{name: value for name, value in fields.items() if value is not None}}
    complete.setdefault("actId", uuid4().hex)
    complete.setdefault("time", datetime.now(UTC))
    return Message(str(complete["actId"]), _json(complete).encode())


def _json(value: Any) -> str:
    """As ``json.dumps``, but a Decimal keeps all its digits, which no encoder of the standard library does."""
    match value:
        case Enum():
            return _json(value.value)
        case None | bool() | str() | int() | float():
            return json.dumps(value, allow_nan=False)
        case Decimal():
            if not value.is_finite():
                raise ValueError("a number in an event is finite")
            return format(value, "f")
        case datetime():
            # A naive time is the host's local time, as everywhere in Python.
            return json.dumps((value if value.tzinfo else value.astimezone()).isoformat())
        case date() | UUID():
            return json.dumps(str(value))
        case Mapping():
            return "{" + ",".join(f"{json.dumps(str(name))}:{_json(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_json, value)) + "]"
    raise TypeError(f"{type(value).__name__} cannot be part of an event")
