"""What a change from outside of events tells about a person, and what of it is news. No I/O."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ferrata.commerce.tracked import ProfileChange
from ferrata.infra.errors import Problem, Rejected
from ferrata.kit.contacts import normal_email, normal_phone
from ferrata.profiles.attributes import COORDINATES, LOCATION_TEXTS, object_text
from ferrata.profiles.schemas import Profile, ProfileAttributes, read_attributes

PROFILE_BYTES = 100_000  # Klaviyo's reference, Bulk Import Profiles
LONGEST_EXTERNAL_ID = 255
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Told(msgspec.Struct, frozen=True):
    """A change in our own spelling. ``identifiers`` have Klaviyo's names, the strongest first."""

    person: str
    identifiers: Mapping[str, str]
    attributes: ProfileAttributes
    changed_at: datetime
    unique_id: str
    left_out: tuple[str, ...] = ()


class News(msgspec.Struct, frozen=True):
    """What is to be told to Klaviyo: ``latest`` over whatever waits, ``gaps`` (of older changes) under it."""

    identifiers: Mapping[str, str]
    latest: ProfileAttributes = ProfileAttributes()
    gaps: ProfileAttributes = ProfileAttributes()
    left_out: tuple[str, ...] = ()
    unique_id: str = ""


def read_change(change: ProfileChange) -> Told:
    """What cannot be used is left out and named; only without anybody to tell it of, there is nothing to do.

    Raises:
        Rejected: it names nobody, or is larger than Klaviyo takes.
    """
    given = {name: value for name, value in change.attributes.items() if name != "location" or value is not None}
    read = read_attributes(_encode(given), "attributes")
    left_out = [problem.message for problem in read.problems] + read.notes
    email = _identifier("email", change.person.email, normal_email, left_out) or read.email
    phone = _identifier("phone", change.person.phone, normal_phone, left_out) or read.phone
    external_id = _identifier("external_id", change.person.external_id, _external_id, left_out) or read.external_id
    found = (("email", "email", email), ("phone", "phone_number", phone), ("external", "external_id", external_id))
    identifiers = {name: value for _, name, value in found if value}
    if not identifiers:
        raise Rejected("This change names nobody.", problems=(Problem("person", "; ".join(left_out) or "names nobody"),))
    person = next(f"{kind}:{value}" for kind, _, value in found if value)
    attributes = _with_clearing(read.attributes, change.attributes, identifiers)
    size = len(attributes.to_json().encode())
    if size > PROFILE_BYTES:
        raise Rejected(problems=(Problem("attributes", f"attributes have {size} bytes; Klaviyo takes {PROFILE_BYTES}"),))
    return Told(person, identifiers, attributes, change.changed_at, change.unique_id[:255], tuple(left_out))


def _identifier(name: str, text: str | None, normal: Any, left_out: list[str]) -> str | None:
    found: str | None = normal(text) if text else None
    if text and found is None:
        left_out.append(f"{name} was left out: Klaviyo would not take it")
    return found


def _external_id(text: str) -> str | None:
    return text if len(text.strip()) > 0 and len(text) <= LONGEST_EXTERNAL_ID else None


def _with_clearing(attributes: ProfileAttributes, given: Mapping[str, Any], identifiers: Mapping[str, str]) -> ProfileAttributes:
    """A whole location, and identifiers beside the strongest, can be cleared as well."""
    standard, location = dict(attributes.standard), dict(attributes.location)
    for name in ("phone_number", "external_id"):
        if name in given and given[name] is None and name not in identifiers:
            standard[name] = "null"
    if "location" in given and given["location"] is None:
        location = dict.fromkeys(sorted(LOCATION_TEXTS | COORDINATES), "null")
    return ProfileAttributes(standard, location, attributes.properties)


def after_change(profile: Profile, told: Told, now: datetime) -> tuple[Profile, News] | None:
    """The profile after one change, and what is new of it; None if nothing is. An older change only fills gaps."""
    if told.unique_id == profile.change_id:
        return None
    is_news = profile.changed_at is None or told.changed_at >= profile.changed_at
    if not is_news:
        missing = _missing(told.attributes, profile.attributes)
        if not missing.members():
            return None
        filled = msgspec.structs.replace(profile, attributes=missing.merged_with(profile.attributes), updated_at=now)
        return filled, News(told.identifiers, gaps=missing, left_out=told.left_out, unique_id=told.unique_id)
    changed = msgspec.structs.replace(
        profile,
        email=told.identifiers.get("email") or profile.email,
        phone=told.identifiers.get("phone_number") or profile.phone,
        external_id=told.identifiers.get("external_id") or profile.external_id,
        attributes=profile.attributes.merged_with(told.attributes),
        change_id=told.unique_id,
        changed_at=told.changed_at,
        updated_at=now,
    )
    return changed, News(told.identifiers, latest=told.attributes, left_out=told.left_out, unique_id=told.unique_id)


def _missing(told: ProfileAttributes, known: ProfileAttributes) -> ProfileAttributes:
    """What of ``told`` nobody has told before."""
    return ProfileAttributes(
        {name: value for name, value in told.standard.items() if name not in known.standard},
        {name: value for name, value in told.location.items() if name not in known.location},
        {name: value for name, value in told.properties.items() if name not in known.properties},
    )


def together(earlier: News, later: News) -> News:
    """Two pieces of news of one person as one."""
    return News(
        {**earlier.identifiers, **later.identifiers},
        earlier.latest.merged_with(later.latest),
        later.gaps.merged_with(earlier.gaps),
        (*earlier.left_out, *later.left_out),
        later.unique_id or earlier.unique_id,
    )


def texts(news: News, waits: tuple[str, str] | None) -> tuple[str, str]:
    """The frozen texts of a delivery that tells this news and all that a waiting one, whose texts these are, would have told."""
    before, identifiers, left_out = ProfileAttributes(), dict(news.identifiers), list(news.left_out)
    if waits:
        before = ProfileAttributes.from_json(waits[0])
        waiting = msgspec.json.decode(waits[1])
        identifiers = {**waiting["identifiers"], **identifiers}
        left_out = [*waiting.get("left_out", ()), *left_out]
    attributes = news.gaps.merged_with(before).merged_with(news.latest)
    in_order = [name for name in ("email", "phone_number", "external_id") if name in identifiers]
    who: dict[str, Any] = {"identifiers": {name: identifiers[name] for name in in_order}}
    if left_out:
        who["left_out"] = list(dict.fromkeys(left_out))
    return object_text(attributes.members()), _encode(who).decode()
