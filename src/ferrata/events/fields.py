"""Reads one event's fields: each checked by itself, every fault noted with its path. No I/O."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from ferrata.events import limits
from ferrata.events.currencies import CURRENCIES
from ferrata.events.json_text import object_problems, shown, text_complaint, without_duplicates
from ferrata.events.moments import UnfitTime, read_time
from ferrata.events.schemas import Incoming
from ferrata.infra.errors import Problem
from ferrata.kit.contacts import normal_email, normal_phone
from ferrata.profiles.schemas import ReadAttributes, read_attributes

FIELDS = frozenset(
    {"eventName", "eventAttributes", "profileAttributes", "email", "phone", "externalId"}
    | {"eventId", "time", "value", "currency", "backfill"}
)
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the decoder raises for text that is not the JSON it wants."""

Fields = dict[str, msgspec.Raw]
_text = msgspec.json.Decoder(str).decode
_number = msgspec.json.Decoder(int | float).decode
_NOTHING_READ = ReadAttributes()
_VALUE_CHARACTERS = 40


class EventFields:
    """The reading of one event's fields. Absent and ``null`` are the same."""

    __slots__ = ("_fields", "_now", "_path", "_problems")

    def __init__(self, fields: Fields, path: str, now: datetime, problems: list[Problem]) -> None:
        self._fields = fields
        self._path = path
        self._now = now
        self._problems = problems

    def event(self) -> Incoming | None:
        """The event, or None: then the problems say why."""
        if not self._fields.keys() <= FIELDS:
            for name in sorted(self._fields.keys() - FIELDS):
                self._complain(shown(name), "should not exist")
        metric = self._metric()
        attributes = self._object("eventAttributes")
        profile_attributes = self._object("profileAttributes")
        email = self._contact("email", normal_email, "must be a valid email")
        phone = self._contact("phone", normal_phone, "must be a valid phone number in E.164 format, such as +4915112345678")
        external_id = self._short_text("externalId", limits.EXTERNAL_ID_CHARACTERS)
        about = self._read_profile(profile_attributes)
        event = Incoming(
            metric=metric,
            attributes=attributes,
            profile_attributes=profile_attributes,
            profile=about.attributes,
            email=email or about.email,
            phone=phone or about.phone,
            external_id=external_id or about.external_id,
            event_id=self._short_text("eventId", limits.EVENT_ID_CHARACTERS),
            occurred_at=self._time(),
            value=self._value(),
            currency=self._currency(),
            backfill=self._flag("backfill"),
            notes=(*about.notes, *_overruled("email", email, about.email), *_overruled("phone", phone, about.phone)),
        )
        return None if self._problems else event

    def _complain(self, name: str, complaint: str) -> None:
        path = self._path + name
        self._problems.append(Problem(path, f"{path} {complaint}"))

    def _raw(self, name: str) -> bytes | None:
        value = self._fields.get(name)
        if value is None:
            return None
        raw = bytes(value)
        return None if raw == b"null" else raw

    def _string(self, name: str) -> str | None:
        raw = self._raw(name)
        if raw is None:
            return None
        try:
            text = _text(raw)
        except UNREADABLE:
            self._complain(name, "must be a string")
            return None
        if complaint := text_complaint(text):
            self._complain(name, complaint)
            return None
        return text

    def _metric(self) -> str:
        before = len(self._problems)
        name = self._string("eventName")
        if name is None:
            if len(self._problems) == before:
                self._complain("eventName", "must be a string")
            return ""
        if not name.strip():
            self._complain("eventName", "should not be empty")
        elif len(name) > limits.METRIC_CHARACTERS:
            self._complain("eventName", f"must be shorter than or equal to {limits.METRIC_CHARACTERS} characters")
        return name

    def _short_text(self, name: str, longest: int) -> str | None:
        text = self._string(name)
        if text is not None and not (text.strip() and len(text) <= longest):
            self._complain(name, f"must be a string of 1 to {longest} characters")
        return text

    def _contact(self, name: str, normal: Callable[[str], str | None], complaint: str) -> str | None:
        raw = self._raw(name)
        if raw is None:
            return None
        try:
            found = normal(_text(raw))
        except UNREADABLE:
            found = None
        if found is None:
            self._complain(name, complaint)
        return found

    def _object(self, name: str) -> str | None:
        raw = self._raw(name)
        if raw is None:
            return None
        found = object_problems(raw, self._path + name)
        if found:
            self._problems += found
            return None
        return without_duplicates(raw)

    def _read_profile(self, text: str | None) -> ReadAttributes:
        if text is None:
            return _NOTHING_READ
        path = self._path + "profileAttributes"
        if len(text) > limits.PROFILE_BYTES:
            self._complain("profileAttributes", f"must have at most {limits.PROFILE_BYTES} bytes")
        read = read_attributes(text.encode(), path)
        self._problems += read.problems
        return read

    def _time(self) -> datetime | None:
        before = len(self._problems)
        text = self._string("time")
        if text is None:
            if len(self._problems) > before:
                self._problems[-1] = Problem(self._path + "time", f"{self._path}time must be ISO 8601 text with an offset")
            return None
        try:
            return read_time(text, self._now)
        except UnfitTime as unfit:
            self._complain("time", str(unfit))
            return None

    def _value(self) -> str | None:
        raw = self._raw("value")
        if raw is None:
            return None
        try:
            _number(raw)
        except UNREADABLE:
            self._complain("value", "must be a number")
            return None
        if len(raw) > _VALUE_CHARACTERS:
            self._complain("value", f"must be a number of at most {_VALUE_CHARACTERS} characters")
        return raw.decode()

    def _currency(self) -> str | None:
        text = self._string("currency")
        if text is None:
            return None
        code = text.strip().upper()
        if code not in CURRENCIES:
            self._complain("currency", "must be an ISO 4217 currency code, such as EUR")
        return code

    def _flag(self, name: str) -> bool:
        raw = self._raw(name)
        if raw not in (None, b"true", b"false"):
            self._complain(name, "must be a boolean")
        return raw == b"true"


def _overruled(name: str, given: str | None, among_attributes: str | None) -> list[str]:
    if given and among_attributes and given != among_attributes:
        return [f"{name} among the profile attributes was not sent: the event's own {name} differs and counts"]
    return []
