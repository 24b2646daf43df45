"""Which of Klaviyo's scopes each thing that Ferrata does needs, and which of them a credential has.

``FEATURES`` is the one list: the wizard, the page of a connection, what OAuth asks for, the doctor and the docs go by it.
Klaviyo tells nobody the scopes of a key, so each is found out by one cheap request. The right to write shows with an empty body:
the answer is 403 without it and 400 with it, and nothing is done.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ferrata.connections.schemas import Held
from ferrata.klaviyo import Kind, Klaviyo, KlaviyoError

_ONE = {"page[size]": "1"}
_EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class Feature:
    """``indispensable``: without it nothing is delivered."""

    name: str
    words: str
    scopes: tuple[str, ...]
    indispensable: bool = False


@dataclass(frozen=True, slots=True)
class _Question:
    operation: str
    query: Mapping[str, str] | None = None
    body: bytes | None = None


FEATURES = (
    Feature("events", "Deliver events", ("events:write",), indispensable=True),
    Feature("profiles", "Keep profiles up to date", ("profiles:write",), indispensable=True),
    Feature("account", "Show the account and check the key", ("accounts:read",)),
    Feature("metrics", "Choose the conversion metric", ("metrics:read",)),
    Feature("reading", "Answer questions from Klaviyo's data", ("events:read", "profiles:read")),
    Feature("bulk", "Change many profiles at once", ("lists:read", "lists:write")),
    Feature("catalog", "Keep the catalog", ("catalogs:read", "catalogs:write")),
)
QUESTIONS = {
    "events:write": _Question("POST /api/events", body=_EMPTY),
    "profiles:write": _Question("POST /api/profile-import", body=_EMPTY),
    "accounts:read": _Question("GET /api/accounts"),
    "metrics:read": _Question("GET /api/metrics"),
    "events:read": _Question("GET /api/events", _ONE),
    "profiles:read": _Question("GET /api/profiles", _ONE),
    "lists:read": _Question("GET /api/lists"),
    "lists:write": _Question("POST /api/lists", body=_EMPTY),
    "catalogs:read": _Question("GET /api/catalog-items"),
    "catalogs:write": _Question("POST /api/catalog-items", body=_EMPTY),
}
ALL_SCOPES = tuple(dict.fromkeys(scope for feature in FEATURES for scope in feature.scopes))
INDISPENSABLE = frozenset(scope for feature in FEATURES if feature.indispensable for scope in feature.scopes)
Scopes = Mapping[str, Held]


async def find_scopes(client: Klaviyo, known: Mapping[str, Held] | None = None) -> dict[str, Held]:
    """Each scope that Ferrata uses; those in ``known`` are not asked for again. Never raises for what Klaviyo answers."""
    known = known or {}
    asked = [scope for scope in ALL_SCOPES if known.get(scope, Held.UNKNOWN) is Held.UNKNOWN]
    found = await asyncio.gather(*(_held(client, QUESTIONS[scope]) for scope in asked))
    return {scope: (dict(zip(asked, found, strict=True)) | dict(known)).get(scope, Held.UNKNOWN) for scope in ALL_SCOPES}


async def _held(client: Klaviyo, question: _Question) -> Held:
    try:
        if question.body is not None:
            return _held_by((await client.send(question.operation, question.body)).kind)
        await client.read(question.operation, query=question.query)
    except KlaviyoError as error:
        return _held_by(error.outcome.kind)
    return Held.PRESENT


def _held_by(kind: Kind) -> Held:
    if kind is Kind.SCOPE:
        return Held.MISSING
    return Held.PRESENT if kind in (Kind.ACCEPTED, Kind.REJECTED) else Held.UNKNOWN


def missing(scopes: Scopes) -> list[str]:
    return [scope for scope in ALL_SCOPES if scopes.get(scope) is Held.MISSING]


def what_is_missing(scopes: Scopes) -> str | None:
    """In words for people: which scopes, and what does not work without them; None if nothing is known to be missing."""
    lacking = set(missing(scopes))
    if not lacking:
        return None
    without = [feature for feature in FEATURES if lacking & set(feature.scopes)]
    told = "; ".join(f"{feature.words} ({', '.join(s for s in feature.scopes if s in lacking)})" for feature in without)
    return f"Scopes are missing. Not possible: {told}."
