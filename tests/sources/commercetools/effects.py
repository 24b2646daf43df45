"""What requests to Klaviyo come to, however they are sent: the events, profiles and catalogue that are there afterwards."""

import json
from collections.abc import Iterable
from typing import Any

from ferrata.sources.commercetools.reading import instant
from ferrata.sources.contract import CatalogChange, Mapped, ProfileChange, TrackedEvent

Effects = dict[str, dict[str, Any]]
_PREFIX = "$custom:::$default:::"


def of_requests(requests: Iterable[dict[str, Any]]) -> Effects:
    """Of the recorded requests that write."""
    effects: Effects = {}
    for request in requests:
        kind = request["path"].removeprefix("/api/").partition("/")[0]
        data = (request["body"] or {}).get("data", {})
        attributes, last = data.get("attributes", {}), request["path"].rpartition("/")[2]
        if request["method"] == "DELETE":
            effects[f"delete {kind} {_id(last)}"] = {}
        elif kind == "events":
            name, fields = _event(attributes)
            effects[name] = fields
        elif kind == "profiles":
            effects[f"profile {attributes.get('external_id')}"] = _known(attributes)
        else:
            own = attributes.get("external_id") or _id(last)
            related = data.get("relationships", {}).get("categories", {}).get("data", [])
            fields = _known(attributes) | ({"categories": [_id(each["id"]) for each in related]} if related else {})
            effects[f"{kind} {own}"] = {name: value for name, value in fields.items() if name not in _FIXED}
    return effects


_FIXED = ("external_id", "integration_type", "catalog_type")


def of_mapped(mapped: Iterable[Mapped]) -> Effects:
    effects: Effects = {}
    for one in mapped:
        effects |= {f"event {event.metric} {event.unique_id}": _tracked(event) for event in one.events}
        effects |= {f"profile {change.person.external_id}": _changed(change) for change in one.profiles}
        for change in one.catalog:
            name, fields = _catalogued(change)
            effects[name] = fields
    return effects


def differences(theirs: Effects, ours: Effects) -> dict[str, tuple[Any, Any]]:
    """By path: what the plugin's requests come to, and ours."""
    return {path: pair for path, pair in _compared("", theirs, ours).items() if pair[0] != pair[1]}


def _compared(path: str, theirs: Any, ours: Any) -> dict[str, tuple[Any, Any]]:
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        return {path: (theirs, ours)}
    found: dict[str, tuple[Any, Any]] = {}
    for name in theirs.keys() | ours.keys():
        found |= _compared(f"{path}/{name}", theirs.get(name), ours.get(name))
    return found


def _event(attributes: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    metric = attributes["metric"]["data"]["attributes"]["name"]
    fields = {
        "value": attributes["value"],
        "time": instant(attributes["time"]),
        "profile": attributes["profile"]["data"]["attributes"],
        "properties": attributes["properties"],
    }
    return f"event {metric} {attributes['unique_id']}", fields


def _tracked(event: TrackedEvent) -> dict[str, Any]:
    person = {"email": event.person.email, "external_id": event.person.external_id, **event.profile}
    return {
        "value": None if event.value is None else float(event.value),
        "currency": event.currency,
        "time": event.occurred_at,
        "profile": {name: value for name, value in person.items() if value},
        "properties": dict(event.properties),
    }


def _changed(change: ProfileChange) -> dict[str, Any]:
    person = {"email": change.person.email, "phone_number": change.person.phone, "external_id": change.person.external_id}
    return {name: value for name, value in (person | dict(change.attributes)).items() if value}


def _catalogued(change: CatalogChange) -> tuple[str, dict[str, Any]]:
    kind = {"item": "catalog-items", "variant": "catalog-variants", "category": "catalog-categories"}[change.kind]
    if change.action == "delete":
        return f"delete {kind} {change.external_id}", {}
    categories = list(change.relationships.categories or ())
    return f"{kind} {change.external_id}", _known(dict(change.attributes)) | ({"categories": categories} if categories else {})


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    """Texts that hold JSON as what they hold."""
    metadata = attributes.get("custom_metadata")
    if metadata is None:
        return attributes
    return attributes | {"custom_metadata": {name: json.loads(text) for name, text in metadata.items()}}


def _id(text: str) -> str:
    return text.removeprefix(_PREFIX)
