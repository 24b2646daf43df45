"""What a change makes of a thing of the catalogue, and what Klaviyo is told of it. No I/O.

Everything that is told carries all that is known, so a later telling makes every earlier one needless.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

import msgspec

from ferrata.catalog.schemas import LONG_AGO, CatalogChange, Kind, Presence, Thing
from ferrata.infra.errors import Problem, Rejected

_THINGS = UUID("0d7c1b1e-59cf-4c0c-8f5f-3a9a2f1f6d20")
_SHOWN = {"price", "image_full_url", "image_thumbnail_url", "images", "custom_metadata", "published"}
ATTRIBUTES: Mapping[Kind, frozenset[str]] = {
    "item": frozenset({"title", "description", "url", *_SHOWN}),
    "variant": frozenset({"title", "description", "url", "sku", "inventory_policy", "inventory_quantity", *_SHOWN}),
    "category": frozenset({"name"}),
}
"""Klaviyo's attributes of each, by its catalogue reference, revision 2026-07-15."""
LONGEST_ID = 255
LONGEST_TITLE = 255
MOST_BYTES = 1_000_000
GONE = "deleted"
"""The content of what is deleted."""
_encode = msgspec.json.Encoder(decimal_format="number").encode


def thing_id(store_id: str, kind: Kind, external_id: str) -> str:
    """The id of this thing in this store: always the same, so that nobody has to look it up first."""
    return str(uuid5(_THINGS, f"{store_id}\0{kind}\0{external_id}"))


def key_of(kind: Kind, external_id: str) -> str:
    """By which delivery keeps the order of one thing, and by which others refer to it."""
    return f"{kind}:{external_id}"


def unheard(store_id: str, kind: Kind, external_id: str, now: datetime) -> Thing:
    """A thing before anything was told about it."""
    return Thing(
        id=thing_id(store_id, kind, external_id),
        store_id=store_id,
        kind=kind,
        external_id=external_id,
        presence=Presence.UNHEARD,
        title=external_id[:LONGEST_TITLE],
        attributes={},
        stamps={},
        item=None,
        categories=None,
        version=None,
        changed_at=LONG_AGO,
        content_hash=None,
        delivery_id=None,
        created_at=now,
        updated_at=now,
    )


def check(changes: Sequence[CatalogChange]) -> None:
    """Raises Rejected with everything that Klaviyo would refuse by its name alone."""
    problems = [problem for index, change in enumerate(changes) for problem in _problems(change, f"changes.{index}")]
    if problems:
        raise Rejected(problems=tuple(problems))


def _problems(change: CatalogChange, path: str) -> list[Problem]:
    found = []
    if not 0 < len(change.external_id.strip()) <= LONGEST_ID:
        found.append(Problem(f"{path}.external_id", f"external_id must have 1 to {LONGEST_ID} characters"))
    for name in change.attributes.keys() - ATTRIBUTES[change.kind]:
        found.append(Problem(f"{path}.attributes.{name}", f"Klaviyo's {change.kind} has no attribute {name}"))
    if change.relationships.item is not None and change.kind != "variant":
        found.append(Problem(f"{path}.relationships.item", "only a variant belongs to an item"))
    if change.relationships.categories is not None and change.kind != "item":
        found.append(Problem(f"{path}.relationships.categories", "only an item has categories"))
    if change.relationships.variants is not None and change.kind != "item":
        found.append(Problem(f"{path}.relationships.variants", "only an item has variants"))
    if len(_encode(change.attributes)) > MOST_BYTES:
        found.append(Problem(f"{path}.attributes", f"attributes must have at most {MOST_BYTES} bytes"))
    return found


def after(thing: Thing, change: CatalogChange, now: datetime) -> Thing | None:
    """The thing after a change; None if the change is older than what is known.

    A version counts for the whole thing. Without one each attribute has its own time, so that the stock, which the shop counts
    apart, and the product do not outdate each other.
    """
    versioned = change.version is not None and thing.version is not None
    if versioned and (change.version or 0) < (thing.version or 0):
        return None
    if change.action == "delete":
        return None if not versioned and change.changed_at < thing.changed_at else _deleted(thing, change, now)
    if thing.presence is Presence.DELETED and (change.action == "patch" or _is_older(thing, change)):
        return None
    wins = change.version is not None
    applied = {name: value for name, value in change.attributes.items() if wins or change.changed_at >= thing.told_at(name)}
    relates = wins or change.changed_at >= thing.told_at("relationships")
    if change.attributes and not applied:
        return None
    attributes = thing.attributes | {name: msgspec.Raw(_encode(value)) for name, value in applied.items()}
    stamps = thing.stamps | dict.fromkeys((*applied, *(["relationships"] if relates else [])), change.changed_at)
    told_categories = change.relationships.categories if relates else None
    return msgspec.structs.replace(
        thing,
        presence=Presence.PRESENT,
        title=_title(attributes, thing.external_id),
        attributes=attributes,
        stamps=stamps,
        item=change.relationships.item or thing.item,
        categories=thing.categories if told_categories is None else told_categories,
        version=thing.version if change.version is None else change.version,
        changed_at=max(thing.changed_at, change.changed_at),
        updated_at=now,
    )


def _is_older(thing: Thing, change: CatalogChange) -> bool:
    """Whether a put is older than the deletion. An equal version is: a shop counts on when it deletes."""
    if change.version is not None and thing.version is not None:
        return change.version <= thing.version
    return change.changed_at < thing.changed_at


def _deleted(thing: Thing, change: CatalogChange, now: datetime) -> Thing:
    version = thing.version if change.version is None else change.version
    at = max(thing.changed_at, change.changed_at)
    return msgspec.structs.replace(thing, presence=Presence.DELETED, version=version, changed_at=at, updated_at=now)


def _title(attributes: Mapping[str, msgspec.Raw], external_id: str) -> str:
    raw = attributes.get("title") or attributes.get("name")
    title = msgspec.json.decode(raw) if raw else None
    return (title if isinstance(title, str) and title else external_id)[:LONGEST_TITLE]


def subject(thing: Thing, present_categories: Sequence[str] | None) -> str:
    """What delivery sends of a thing (``delivery/families/catalog.py``): all that is known."""
    told: dict[str, object] = {"kind": thing.kind, "external_id": thing.external_id}
    if thing.presence is Presence.DELETED:
        told["first"] = "delete"
    else:
        told["first"] = "create" if thing.content_hash in (None, GONE) else "update"
        told["attributes"] = dict(sorted(thing.attributes.items()))
    if thing.item:
        told["item"] = thing.item
    if present_categories is not None:
        told["categories"] = list(present_categories)
    return _encode(told).decode()


def content_hash(thing: Thing, present_categories: Sequence[str] | None) -> str:
    """Equal for two tellings that would leave the same at Klaviyo."""
    if thing.presence is Presence.DELETED:
        return GONE
    same_first = msgspec.structs.replace(thing, content_hash=None)
    return hashlib.sha256(subject(same_first, present_categories).encode()).hexdigest()
