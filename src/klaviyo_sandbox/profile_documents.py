"""Profiles as they arrive: which fields each endpoint takes, and what is wrong with a document.

Every endpoint that carries a profile (create, update, import, bulk import, events) reads it here, so they agree.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from klaviyo_sandbox.bodies import Document, is_object, missing, text, typed, unknown_members
from klaviyo_sandbox.contact_points import INVALID_EMAIL, INVALID_PHONE, is_email, is_phone
from klaviyo_sandbox.errors import Problem

IDENTIFIERS: Final = ("email", "phone_number", "external_id", "anonymous_id")
PLAIN_FIELDS: Final = ("first_name", "last_name", "organization", "locale", "title", "image")
LOCATION_FIELDS: Final = (
    *("address1", "address2", "city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip"),
)
MAX_PROFILE_BYTES: Final = 100_000
NO_IDENTIFIER: Final = "At least one of 'id', 'email', 'phone_number' or 'external_id' must be provided."


@dataclass(frozen=True, slots=True)
class Form:
    """What one endpoint takes beyond the common fields."""

    id: bool = False
    exchange_id: bool = False
    anonymous_id: bool = False
    meta_in_attributes: bool = False
    meta_beside_attributes: bool = False


CREATE: Final = Form()
UPDATE: Final = Form(id=True, meta_beside_attributes=True)
IMPORT: Final = Form(id=True, exchange_id=True, meta_beside_attributes=True)
EVENT: Final = Form(id=True, exchange_id=True, anonymous_id=True, meta_in_attributes=True)
BULK_EVENT: Final = Form(id=True, exchange_id=True, anonymous_id=True, meta_in_attributes=True, meta_beside_attributes=True)


@dataclass(slots=True)
class Patches:
    """`meta` of a profile: changes to single properties and to the secondary e-mail addresses."""

    append: dict[str, Any] = field(default_factory=dict)
    unappend: dict[str, Any] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)
    add_emails: list[str] = field(default_factory=list)
    remove_emails: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ProfileWrite:
    """A profile document that was understood. A field that is absent stays as it is; None clears it."""

    id: str | None = None
    exchange_id: str | None = None
    identifiers: dict[str, str | None] = field(default_factory=dict)
    fields: dict[str, str | None] = field(default_factory=dict)
    location: dict[str, Any] | None = field(default_factory=dict)
    properties: dict[str, Any] | None = field(default_factory=dict)
    patches: Patches = field(default_factory=Patches)

    def identifies(self) -> bool:
        """Whether anything here can find or make a profile."""
        return bool(self.id or self.exchange_id or any(self.identifiers.values()))


def read(document: object, form: Form, pointer: str, problems: list[Problem]) -> ProfileWrite:
    """Read one profile resource object at `pointer`; everything wrong with it is added to `problems`."""
    write = ProfileWrite()
    if not is_object(document):
        problems.append(Problem("A profile must be an object.", pointer))
        return write
    members = {"type", "attributes"} | ({"id"} if form.id else set()) | ({"meta"} if form.meta_beside_attributes else set())
    problems += unknown_members(document, members, "profile", pointer)
    if "type" not in document:
        problems.append(missing("type", "request-data", pointer))
    elif document["type"] != "profile":
        problems.append(Problem("Invalid type. The type of this resource must be 'profile'.", f"{pointer}/type"))
    problems += typed(document, "id", pointer, text, "a string")
    write.id = document["id"] if isinstance(document.get("id"), str) else None
    attributes = document.get("attributes", {} if write.id else None)
    if is_object(attributes):
        _read_attributes(attributes, form, f"{pointer}/attributes", write, problems)
    else:
        problems.append(missing("attributes", "profile", pointer))
    if form.meta_beside_attributes:
        _read_meta(document.get("meta"), f"{pointer}/meta", write.patches, problems)
    return write


def _read_attributes(attributes: Document, form: Form, pointer: str, write: ProfileWrite, problems: list[Problem]) -> None:
    identifiers = [name for name in IDENTIFIERS if name != "anonymous_id" or form.anonymous_id]
    known = {*identifiers, *PLAIN_FIELDS, "location", "properties"}
    known |= ({"_kx"} if form.exchange_id else set()) | ({"meta"} if form.meta_in_attributes else set())
    problems += unknown_members(attributes, known, "profile", pointer)
    for name in attributes:
        if name in known and name not in {"location", "properties", "meta"}:
            problems += typed(attributes, name, pointer, text, "a string")
    sent = {name: value for name, value in attributes.items() if value is None or isinstance(value, str)}
    write.identifiers = {name: _stripped(sent[name]) for name in identifiers if name in sent}
    write.fields = {name: sent[name] for name in PLAIN_FIELDS if name in sent}
    write.exchange_id = sent.get("_kx") if form.exchange_id else None
    email, phone = write.identifiers.get("email"), write.identifiers.get("phone_number")
    if email is not None and not is_email(email):
        problems.append(Problem(INVALID_EMAIL, f"{pointer}/email"))
    if phone is not None and not is_phone(phone):
        problems.append(Problem(INVALID_PHONE, f"{pointer}/phone_number"))
    _read_location(attributes, pointer, write, problems)
    problems += typed(attributes, "properties", pointer, is_object, "an object")
    properties = attributes.get("properties", {})
    write.properties = dict(properties) if is_object(properties) else None
    if form.meta_in_attributes:
        _read_meta(attributes.get("meta"), f"{pointer}/meta", write.patches, problems)


def _stripped(value: str | None) -> str | None:
    return value.strip() if value is not None else None


def _read_location(attributes: Document, pointer: str, write: ProfileWrite, problems: list[Problem]) -> None:
    if "location" not in attributes:
        return
    problems += typed(attributes, "location", pointer, is_object, "an object")
    location = attributes["location"]
    write.location = dict(location) if is_object(location) else None
    pointer = f"{pointer}/location"
    problems += unknown_members(write.location or {}, LOCATION_FIELDS, "profile-location", pointer)
    for name in LOCATION_FIELDS:
        is_coordinate = name in {"latitude", "longitude"}
        fits, expected = (_coordinate, "a string or a number") if is_coordinate else (text, "a string")
        problems += typed(write.location or {}, name, pointer, fits, expected)


def _coordinate(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _read_meta(meta: object, pointer: str, patches: Patches, problems: list[Problem]) -> None:
    if meta is None:
        return
    if not is_object(meta):
        problems.append(Problem("'meta' must be an object.", pointer))
        return
    problems += unknown_members(meta, {"patch_properties", "patch_identifiers"}, "profile-meta", pointer)
    for name in ("patch_properties", "patch_identifiers"):
        problems += typed(meta, name, pointer, is_object, "an object")
    properties, identifiers = meta.get("patch_properties"), meta.get("patch_identifiers")
    if is_object(properties):
        _read_property_patches(properties, f"{pointer}/patch_properties", patches, problems)
    if is_object(identifiers):
        where = f"{pointer}/patch_identifiers"
        problems += unknown_members(identifiers, {"append", "unappend"}, "patch-identifiers", where)
        patches.add_emails = _read_emails(identifiers.get("append"), f"{where}/append", problems)
        patches.remove_emails = _read_emails(identifiers.get("unappend"), f"{where}/unappend", problems)


def _read_property_patches(value: Document, pointer: str, patches: Patches, problems: list[Problem]) -> None:
    problems += unknown_members(value, {"append", "unappend", "unset"}, "patch-properties", pointer)
    for name in ("append", "unappend"):
        problems += typed(value, name, pointer, is_object, "an object")
    patches.append = value["append"] if is_object(value.get("append")) else {}
    patches.unappend = value["unappend"] if is_object(value.get("unappend")) else {}
    unset = value.get("unset")
    names = [unset] if isinstance(unset, str) else unset or []
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        patches.unset = names
    else:
        problems.append(Problem("'unset' must be a string or a list of strings.", f"{pointer}/unset"))


def _read_emails(value: object, pointer: str, problems: list[Problem]) -> list[str]:
    """Secondary addresses; e-mail is the only identifier that may be patched."""
    if value is None:
        return []
    if not is_object(value):
        problems.append(Problem("Identifier patches must be an object.", pointer))
        return []
    problems += unknown_members(value, {"email"}, "patch-identifiers", pointer)
    emails = value.get("email", [])
    emails = [emails] if isinstance(emails, str) else emails
    if not (isinstance(emails, list) and all(isinstance(email, str) and is_email(email) for email in emails)):
        problems.append(Problem(INVALID_EMAIL, f"{pointer}/email"))
        return []
    return emails
