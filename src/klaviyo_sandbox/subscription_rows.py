"""The rows of bulk subscribe and unsubscribe requests: what each may say, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from klaviyo_sandbox.bodies import Document, is_object, missing, text, typed, unknown_members
from klaviyo_sandbox.consents import SUBSCRIBED, UNSUBSCRIBED
from klaviyo_sandbox.contact_points import INVALID_EMAIL, INVALID_PHONE, is_email, is_phone
from klaviyo_sandbox.errors import Problem

_TO_SUBSCRIBE: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("marketing", "open_tracking"),
    "sms": ("marketing", "transactional"),
    "whatsapp": ("marketing", "transactional"),
    "push": ("marketing",),
}
_TO_UNSUBSCRIBE: Final = {**_TO_SUBSCRIBE, "whatsapp": ("marketing", "transactional", "conversational")}
_BESIDE: Final = {"push": ("tokens", "anonymous_id")}
_ADDRESS: Final = {"email": "email", "sms": "phone_number", "whatsapp": "phone_number"}


@dataclass(frozen=True, slots=True)
class Rules:
    """What depends on the request as a whole. `now` is seconds since 1970."""

    consent: str
    now: float
    historical_import: bool = False

    @property
    def purposes(self) -> Mapping[str, tuple[str, ...]]:
        return _TO_SUBSCRIBE if self.consent == SUBSCRIBED else _TO_UNSUBSCRIBE


@dataclass(slots=True)
class Row:
    """One profile and the channels (`email.marketing`, ...) to change, each with its `consented_at` or None."""

    id: str | None = None
    email: str | None = None
    phone_number: str | None = None
    channels: dict[str, float | None] = field(default_factory=dict)


def read_row(entry: object, rules: Rules, pointer: str, problems: list[Problem]) -> Row:
    """Read one profile of the request; everything wrong with it is added to `problems`."""
    row = Row()
    attributes = entry.get("attributes") if is_object(entry) else None
    if not is_object(entry) or not is_object(attributes):
        problems.append(missing("attributes", "profile", pointer))
        return row
    members = {"type", "attributes"} | ({"id"} if rules.consent == SUBSCRIBED else set())
    problems += unknown_members(entry, members, "profile", pointer)
    if entry.get("type") != "profile":
        problems.append(Problem("Invalid type. The type of this resource must be 'profile'.", f"{pointer}/type"))
    problems += typed(entry, "id", pointer, text, "a string")
    row.id = entry["id"] if isinstance(entry.get("id"), str) else None
    _read_attributes(row, attributes, rules, f"{pointer}/attributes", problems)
    return row


def _read_attributes(row: Row, attributes: Document, rules: Rules, pointer: str, problems: list[Problem]) -> None:
    known = {"email", "phone_number", "subscriptions"}
    known |= {"age_gated_date_of_birth"} if rules.consent == SUBSCRIBED else set()
    problems += unknown_members(attributes, known, "profile", pointer)
    for name in ("email", "phone_number"):
        problems += typed(attributes, name, pointer, text, "a string")
    born = attributes.get("age_gated_date_of_birth")
    if born is not None and not _is_date(born):
        problems.append(Problem("'age_gated_date_of_birth' must be a date.", f"{pointer}/age_gated_date_of_birth"))
    email, phone = attributes.get("email"), attributes.get("phone_number")
    if isinstance(email, str) and email:
        row.email = email.strip()
        problems += [] if is_email(email) else [Problem(INVALID_EMAIL, f"{pointer}/email")]
    if isinstance(phone, str) and phone:
        row.phone_number = phone.strip()
        problems += [] if is_phone(row.phone_number) else [Problem(INVALID_PHONE, f"{pointer}/phone_number")]
    subscriptions = attributes.get("subscriptions")
    if not is_object(subscriptions):
        problems.append(missing("subscriptions", "profile", pointer))
        return
    _read_channels(row, subscriptions, rules, f"{pointer}/subscriptions", problems)
    for channel, address in _ADDRESS.items():
        if subscriptions.get(channel) and not row.id and not getattr(row, address):
            detail = f"'{address}' must not be empty when the {channel} channel is included in 'subscriptions'."
            problems.append(Problem(detail, f"{pointer}/{address}"))


def _read_channels(row: Row, tree: Document, rules: Rules, pointer: str, problems: list[Problem]) -> None:
    problems += unknown_members(tree, rules.purposes, "profile-subscriptions", pointer)
    for channel, purposes in rules.purposes.items():
        branch = tree.get(channel)
        if branch is None:
            continue
        if not is_object(branch):
            problems.append(Problem(f"'{channel}' must be an object.", f"{pointer}/{channel}"))
            continue
        beside = _BESIDE.get(channel, ())
        problems += unknown_members(branch, {*purposes, *beside}, f"{channel}-subscriptions", f"{pointer}/{channel}")
        if channel == "push":
            _check_push(branch, rules, f"{pointer}/push", problems)
        for purpose in purposes:
            if branch.get(purpose) is not None:
                where = f"{pointer}/{channel}/{purpose}"
                row.channels[f"{channel}.{purpose}"] = _read_consent(branch[purpose], purpose, rules, where, problems)
    if not row.channels and not problems:
        problems.append(Problem("At least one channel must be included in 'subscriptions'.", pointer))


def _check_push(branch: Document, rules: Rules, pointer: str, problems: list[Problem]) -> None:
    required = ["marketing"] + (["tokens"] if rules.consent == UNSUBSCRIBED else [])
    problems += [missing(name, "push-subscriptions", pointer) for name in required if branch.get(name) is None]
    tokens = branch.get("tokens") or []
    if not isinstance(tokens, list):
        problems.append(Problem("'tokens' must be a list.", f"{pointer}/tokens"))
        return
    for index, token in enumerate(tokens):
        for name in ("token", "platform", "vendor"):
            if not is_object(token) or not isinstance(token.get(name), str):
                problems.append(missing(name, "push-token", f"{pointer}/tokens/{index}"))


def _read_consent(value: Any, purpose: str, rules: Rules, pointer: str, problems: list[Problem]) -> float | None:
    """The time of consent in seconds since 1970, or None where the request does not say one."""
    if not is_object(value):
        problems.append(Problem(f"'{purpose}' must be an object.", pointer))
        return None
    dated = rules.consent == SUBSCRIBED and purpose != "open_tracking"
    problems += unknown_members(value, {"consent", "consented_at"} if dated else {"consent"}, "consent", pointer)
    if value.get("consent") is None:
        problems.append(missing("consent", "consent", pointer))
    elif value["consent"] != rules.consent:
        problems.append(Problem(f"'consent' must be '{rules.consent}'.", f"{pointer}/consent"))
    if not dated:
        return None
    return _read_consented_at(value.get("consented_at"), rules, f"{pointer}/consented_at", problems)


def _read_consented_at(value: Any, rules: Rules, pointer: str, problems: list[Problem]) -> float | None:
    if value is None:
        if rules.historical_import:
            problems.append(Problem("'consented_at' is required when 'historical_import' is true.", pointer))
        return None
    if not rules.historical_import:
        problems.append(Problem("'consented_at' may only be set when 'historical_import' is true.", pointer))
        return None
    moment = _moment(value)
    if moment is None:
        problems.append(Problem("'consented_at' must be a datetime.", pointer))
    elif moment > rules.now:
        problems.append(Problem("'consented_at' must be in the past.", pointer))
    return moment


def _moment(value: Any) -> float | None:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True
