"""Who a call is about, and what it tells about them. No I/O."""

from collections.abc import Mapping
from typing import Any

from ferrata.kit.contacts import normal_email
from ferrata.sources.contract import REMEMBERED, LookedUp, Lookup, PersonRef

_STANDARD = {
    "firstName": "first_name",
    "first_name": "first_name",
    "lastName": "last_name",
    "last_name": "last_name",
    "title": "title",
    "avatar": "image",
}
_ADDRESS = {
    "street": "address1",
    "city": "city",
    "state": "region",
    "region": "region",
    "postalCode": "zip",
    "postal_code": "zip",
    "zip": "zip",
    "country": "country",
}
_IDENTIFIERS = frozenset({"email", "phone", "id"})


def thing(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def text(value: object) -> str | None:
    """A text that says something, or a number as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def traits_of(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the call says about the person: of its own, and in its context."""
    return {**thing(thing(call.get("context")).get("traits")), **thing(call.get("traits"))}


def lookups(call: Mapping[str, Any], looked_up: LookedUp) -> list[Lookup]:
    """What earlier calls told: whose an anonymous id is, and which address a user has."""
    wanted = []
    user, anonymous = text(call.get("userId")), text(call.get("anonymousId"))
    if not user and anonymous:
        alias = Lookup(REMEMBERED, f"user_of:{anonymous}")
        wanted.append(alias)
        user = looked_up.get(alias)
    if user and not email_in(call):
        wanted.append(Lookup(REMEMBERED, f"email_of:{user}"))
    return wanted


def email_in(call: Mapping[str, Any]) -> str | None:
    """The address that the call itself names, wherever senders put it."""
    user = text(call.get("userId"))
    places = (traits_of(call).get("email"), thing(call.get("properties")).get("email"), user if user and "@" in user else None)
    return next((found for found in map(text, places) if found and normal_email(found)), None)


def person_of(call: Mapping[str, Any], looked_up: LookedUp) -> PersonRef:
    """By what the call says, and by what earlier calls said of the same user."""
    user, anonymous = text(call.get("userId")), text(call.get("anonymousId"))
    if not user and anonymous:
        user = looked_up.get(Lookup(REMEMBERED, f"user_of:{anonymous}"))
    email = email_in(call) or (looked_up.get(Lookup(REMEMBERED, f"email_of:{user}")) if user else None)
    is_address = bool(user and email and normal_email(user) == normal_email(email))
    return PersonRef(email, text(traits_of(call).get("phone")), None if is_address else user)


def attributes_of(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Traits as attributes of a profile: Klaviyo's own where it has them, the others as custom properties."""
    found: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    for name, value in traits.items():
        if name in _STANDARD:
            found[_STANDARD[name]] = value if value is None else text(value)
        elif name == "address" and isinstance(value, dict):
            location = {_ADDRESS[part]: text(each) for part, each in value.items() if part in _ADDRESS and text(each)}
            if location:
                found["location"] = location
        elif name == "company" and isinstance(value, dict):
            found["organization"] = text(value.get("name"))
        elif name not in _IDENTIFIERS:
            custom[name] = value
    if isinstance(custom.get("name"), str) and "first_name" not in found and "last_name" not in found:
        first, _, last = custom.pop("name").strip().partition(" ")
        found |= {name: each for name, each in (("first_name", first), ("last_name", last.strip())) if each}
    return found | ({"properties": custom} if custom else {})
