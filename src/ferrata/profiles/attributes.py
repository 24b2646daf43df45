"""The one spelling of a person's attributes: Klaviyo's own names and shape, whatever spelling they arrive in.

Klaviyo's attributes and their types: its API reference, the profile inside Create Event.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from ferrata.infra.errors import Problem
from ferrata.kit.contacts import normal_email, normal_phone

IDENTIFIERS = frozenset({"email", "phone_number", "external_id"})
TEXTS = frozenset({"anonymous_id", "_kx", "first_name", "last_name", "organization", "locale", "title", "image"})
LOCATION_TEXTS = frozenset({"address1", "address2", "city", "country", "region", "zip", "timezone", "ip"})
COORDINATES = frozenset({"latitude", "longitude"})
# Klaviyo has no such attributes, and they are nobody's business: left out, and said so.
UNSUPPORTED = frozenset({"age", "gender", "birth_date"})

_SHORT_NAME = 64
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_encode = msgspec.json.encode
_text = msgspec.json.Decoder(str).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ProfileAttributes(msgspec.Struct, frozen=True):
    """Attributes under one spelling each. Values are JSON texts, so that numbers stay as they were written.

    ``standard`` holds Klaviyo's own attributes (``first_name``), ``location`` the parts of the address, ``properties`` the rest.
    """

    standard: Mapping[str, str] = {}
    location: Mapping[str, str] = {}
    properties: Mapping[str, str] = {}

    def merged_with(self, newer: "ProfileAttributes") -> "ProfileAttributes":
        """Each attribute of ``newer`` replaces ours; what ``newer`` does not name stays. Ours itself, if nothing changes."""
        if (
            _holds(self.standard, newer.standard)
            and _holds(self.location, newer.location)
            and _holds(self.properties, newer.properties)
        ):
            return self
        if not (self.standard or self.location or self.properties):
            return newer
        return ProfileAttributes(
            {**self.standard, **newer.standard},
            {**self.location, **newer.location},
            {**self.properties, **newer.properties},
        )

    def members(self) -> dict[str, str]:
        """The members of the JSON object, each value as JSON text."""
        found = dict(self.standard)
        if self.location:
            found["location"] = object_text(self.location)
        if self.properties:
            found["properties"] = object_text(self.properties)
        return found

    def to_json(self) -> str:
        return object_text(self.members())

    @classmethod
    def from_json(cls, text: str) -> "ProfileAttributes":
        """Read what ``to_json`` wrote, or the ``attributes`` of a profile as Klaviyo answers them."""
        standard = members_of(text.encode())
        location = standard.pop("location", "null")
        properties = standard.pop("properties", "null")
        return cls(
            standard,
            {} if location == "null" else members_of(location.encode()),
            {} if properties == "null" else members_of(properties.encode()),
        )


def _holds(members: Mapping[str, str], others: Mapping[str, str]) -> bool:
    return not others or others.items() <= members.items()


class ReadAttributes:
    """What was understood of a sender's profile attributes, and what was not."""

    __slots__ = ("attributes", "email", "external_id", "notes", "phone", "problems")

    def __init__(self) -> None:
        self.attributes = ProfileAttributes({}, {}, {})
        self.email: str | None = None
        self.phone: str | None = None
        self.external_id: str | None = None
        self.notes: list[str] = []
        self.problems: list[Problem] = []


def read_attributes(raw: bytes, path: str) -> ReadAttributes:
    """Sort a JSON object of attributes, in camelCase or snake_case, into Klaviyo's shape.

    Of two spellings of one attribute the later one in the text counts. Unknown attributes become custom properties.
    """
    read = ReadAttributes()
    standard: dict[str, str] = {}
    location: dict[str, str] = {}
    properties: dict[str, str] = {}
    for name, value in members_of(raw).items():
        spelling = snake(name)
        if spelling in TEXTS:
            if _is_text_or_null(value):
                standard[spelling] = value
            else:
                read.problems.append(Problem(f"{path}.{name}", f"{path}.{name} must be a string"))
        elif spelling in IDENTIFIERS:
            _read_identifier(read, spelling, value, f"{path}.{name}")
        elif spelling in UNSUPPORTED:
            read.notes.append(f"{name} was not sent: Klaviyo has no such attribute")
        elif name == "location":
            _read_location(read, value, f"{path}.location", location, properties)
        elif name == "properties":
            if value.startswith("{"):
                properties.update(members_of(value.encode()))
            elif value != "null":
                read.problems.append(Problem(f"{path}.properties", f"{path}.properties must be an object"))
        else:
            properties[name] = value
    read.attributes = ProfileAttributes(standard, location, properties)
    return read


def snake(name: str) -> str:
    """``firstName`` as ``first_name``; what is written that way already stays."""
    return name if name.islower() else _HUMP.sub("_", name).lower()


def object_text(members: Mapping[str, str]) -> str:
    """A JSON object of members whose values are JSON texts already."""
    return "{" + ",".join([f"{_quoted(name)}:{text}" for name, text in members.items()]) + "}"


def _quoted(name: str) -> str:
    return _quoted_short(name) if len(name) <= _SHORT_NAME else _encode(name).decode()


@lru_cache(1024)  # names are few
def _quoted_short(name: str) -> str:
    return _encode(name).decode()


def members_of(raw: bytes) -> dict[str, str]:
    """The members of a JSON object, values as JSON texts; of a name that occurs twice, the last."""
    return {name: bytes(value).decode() for name, value in _object.decode(raw).items()}


def _is_text_or_null(value: str) -> bool:
    return value.startswith('"') or value == "null"


def _read_identifier(read: ReadAttributes, name: str, value: str, path: str) -> None:
    if value == "null":  # an identifier can't be taken away by an event
        return
    text = _text(value.encode()) if value.startswith('"') else ""
    match name:
        case "email":
            read.email = normal_email(text)
            fault = None if read.email else f"{path} must be a valid email"
        case "phone_number":
            read.phone = normal_phone(text)
            fault = None if read.phone else f"{path} must be a valid phone number in E.164 format"
        case _:
            read.external_id = text
            fault = None if 0 < len(text.strip()) <= 255 else f"{path} must be a string of 1 to 255 characters"
    if fault:
        read.problems.append(Problem(path, fault))


def _read_location(read: ReadAttributes, value: str, path: str, location: dict[str, str], properties: dict[str, str]) -> None:
    if value == "null":
        return
    if not value.startswith("{"):
        read.problems.append(Problem(path, f"{path} must be an object"))
        return
    for name, part in members_of(value.encode()).items():
        if name in LOCATION_TEXTS and not _is_text_or_null(part):
            read.problems.append(Problem(f"{path}.{name}", f"{path}.{name} must be a string"))
        elif name in COORDINATES and part[0] not in '"n-0123456789':
            read.problems.append(Problem(f"{path}.{name}", f"{path}.{name} must be a number or a string"))
        elif name in LOCATION_TEXTS or name in COORDINATES:
            location[name] = part
        else:
            properties.setdefault(name, part)
            read.notes.append(f"location.{name} was sent as a custom property: Klaviyo's location has no such part")
