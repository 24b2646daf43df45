"""Items, variants and categories of the one catalogue that the API may write, and which items a category has.

Ids are `$custom:::$default:::<external id>`. There is no upsert: to create what is there is 409, to change what is not there 404.
How Klaviyo words these is not published; the statuses are those that its reference promises for all operations.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from klaviyo_sandbox import bodies
from klaviyo_sandbox.deferred import Turn
from klaviyo_sandbox.errors import ApiError, Problem, not_found
from klaviyo_sandbox.exchange import Call
from klaviyo_sandbox.state import State, schema

schema(
    """
    CREATE TABLE IF NOT EXISTS catalog_things (
        account_id TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, external_id TEXT NOT NULL, attributes TEXT NOT NULL,
        title TEXT, sku TEXT, published INTEGER NOT NULL, item TEXT, created REAL NOT NULL, updated REAL NOT NULL,
        PRIMARY KEY (account_id, kind, id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS catalog_variants_by_item ON catalog_things (account_id, item);
    CREATE TABLE IF NOT EXISTS catalog_members (
        account_id TEXT NOT NULL, category TEXT NOT NULL, item TEXT NOT NULL, PRIMARY KEY (account_id, category, item)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS catalog_members_by_item ON catalog_members (account_id, item);
    """
)

PREFIX: Final = "$custom:::$default:::"
MAX_METADATA_BYTES: Final = 100_000
_PICTURES = ("image_full_url", "image_thumbnail_url", "images", "custom_metadata", "published")


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the three. `type` is its JSON:API type, `many` its name in relationships, `relations` those that it has."""

    name: str
    type: str
    many: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    relations: tuple[str, ...]


ITEM: Final = Kind(
    "item", "catalog-item", "items", ("title", "description", "url"), ("price", *_PICTURES), ("variants",)
)  # fmt: skip
VARIANT: Final = Kind(
    "variant", "catalog-variant", "variants", ("title", "description", "sku", "inventory_quantity", "price", "url"),
    ("inventory_policy", *_PICTURES), ("item",),
)  # fmt: skip
CATEGORY: Final = Kind("category", "catalog-category", "categories", ("name",), (), ("items",))
KINDS: Final = (ITEM, VARIANT, CATEGORY)

Cause = Call | Turn


def find(state: State, account_id: str, kind: Kind, id_: str) -> sqlite3.Row | None:
    """A thing's row."""
    return state.one("SELECT * FROM catalog_things WHERE account_id = ? AND kind = ? AND id = ?", (account_id, kind.name, id_))


def get(cause: Cause, kind: Kind, id_: str) -> sqlite3.Row:
    """A thing's row, or 404."""
    row = find(cause.state, cause.account_id, kind, id_)
    if row is None:
        raise absent(kind, id_)
    return row


def absent(kind: Kind, id_: str, pointer: str = "/data/") -> ApiError:
    """404 for a thing, be it the one addressed or one referred to."""
    return not_found(f"A {kind.type} with id {id_} does not exist.", pointer)


def check(resource: bodies.Document, kind: Kind, pointer: str, *, new: bool) -> list[Problem]:
    """Everything wrong with the shape of a resource, without a look at what is there."""
    attributes = resource.get("attributes")
    place = f"{pointer}/attributes"
    if not bodies.is_object(attributes):
        return [Problem(f"'attributes' is a required field for the resource '{kind.type}'.", place)]
    only_new = ("external_id", "integration_type", "catalog_type") if new else ()
    known = {*kind.required, *kind.optional, *only_new}
    problems = bodies.unknown_members(attributes, known, kind.type, place)
    if new:
        needed = ("external_id", *kind.required)
        problems += [bodies.missing(field, kind.type, place) for field in needed if attributes.get(field) is None]
        if attributes.get("integration_type") not in (None, "$custom"):
            problems.append(bodies.not_among("integration_type", ("$custom",), place))
        if attributes.get("catalog_type") not in (None, "$default"):
            problems.append(bodies.not_among("catalog_type", ("$default",), place))
        if kind is VARIANT and not _linked(resource, "item", pointer):
            problems.append(
                Problem("'item' is a required relationship for the resource 'catalog-variant'.", f"{pointer}/relationships")
            )
    return problems + _mistyped(attributes, place)


def _mistyped(attributes: bodies.Document, place: str) -> list[Problem]:
    problems: list[Problem] = []
    for field in ("external_id", "title", "description", "url", "sku", "name", "image_full_url", "image_thumbnail_url"):
        problems += bodies.typed(attributes, field, place, bodies.text, "a string")
    for field in ("price", "inventory_quantity"):
        problems += bodies.typed(attributes, field, place, _number, "a number")
    problems += bodies.typed(attributes, "published", place, lambda value: isinstance(value, bool), "a boolean")
    problems += bodies.typed(attributes, "images", place, _texts, "a list of strings")
    problems += bodies.typed(attributes, "custom_metadata", place, bodies.is_object, "an object")
    policy = attributes.get("inventory_policy")
    if policy is not None and (isinstance(policy, bool) or policy not in (0, 1, 2)):
        problems.append(bodies.not_among("inventory_policy", ("0", "1", "2"), place))
    if len(msgspec.json.encode(attributes.get("custom_metadata"))) > MAX_METADATA_BYTES:
        problems.append(Problem(f"'custom_metadata' must be at most {MAX_METADATA_BYTES} bytes.", f"{place}/custom_metadata"))
    return problems


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(bodies.text, value))


def _linked(resource: bodies.Document, name: str, pointer: str) -> list[str] | None:
    """Ids of a relationship; None where it is not given."""
    related = resource.get("relationships")
    value = related.get(name) if bodies.is_object(related) else None
    if not bodies.is_object(value):
        return None
    kind = {"item": ITEM, "items": ITEM, "categories": CATEGORY}[name]
    entries = value.get("data")
    place = f"{pointer}/relationships/{name}/data"
    return bodies.identifiers(entries if isinstance(entries, list) else [entries], kind.type, place)


def create(cause: Cause, kind: Kind, resource: bodies.Document, pointer: str = "/data") -> sqlite3.Row:
    """Make a thing whose shape has been checked: 409 if it is there, 404 if what it refers to is not."""
    attributes = dict(resource["attributes"])
    id_ = f"{PREFIX}{attributes['external_id']}"
    if find(cause.state, cause.account_id, kind, id_):
        detail = f"A {kind.type} with id {id_} already exists."
        raise ApiError(Problem(detail, f"{pointer}/attributes/external_id", status=409, code="duplicate", title="Conflict."))
    item = next(iter(_linked(resource, "item", pointer) or ()), None) if kind is VARIANT else None
    if item is not None and find(cause.state, cause.account_id, ITEM, item) is None:
        raise absent(ITEM, item, f"{pointer}/relationships/item/data")
    kept = {name: attributes.get(name) for name in (*kind.required, *kind.optional)}
    kept |= {"published": attributes.get("published", True)} if "published" in kept else {}
    kept |= {"inventory_policy": attributes.get("inventory_policy") or 0} if kind is VARIANT else {}
    _insert(cause, kind, id_, kept, item)
    _relate(cause, kind, id_, resource, pointer)
    _tell(cause, f"catalog_{kind.name}_created", id_, kept)
    return get(cause, kind, id_)


def change(cause: Cause, kind: Kind, id_: str, resource: bodies.Document, pointer: str = "/data") -> sqlite3.Row:
    """Change what is given of a thing whose new shape has been checked; 404 if it is not there."""
    row = get(cause, kind, id_)
    given = {name: value for name, value in resource["attributes"].items() if value is not None or name not in kind.required}
    kept = msgspec.json.decode(row["attributes"]) | given
    place = (cause.account_id, kind.name, id_)
    written = "UPDATE catalog_things SET attributes = ?, title = ?, sku = ?, published = ?, updated = ?"
    cause.state.execute(f"{written} WHERE account_id = ? AND kind = ? AND id = ?", (*_columns(kept), cause.timestamp, *place))
    _relate(cause, kind, id_, resource, pointer)
    _tell(cause, f"catalog_{kind.name}_updated", id_, kept)
    return get(cause, kind, id_)


def delete(cause: Cause, kind: Kind, id_: str) -> None:
    """Take a thing away, with an item its variants; 404 if it is not there."""
    get(cause, kind, id_)
    mine = (cause.account_id, id_)
    cause.state.execute(
        "DELETE FROM catalog_things WHERE account_id = ? AND kind = ? AND id = ?", (cause.account_id, kind.name, id_)
    )
    if kind is ITEM:
        cause.state.execute("DELETE FROM catalog_things WHERE account_id = ? AND item = ?", mine)
    side = "item" if kind is ITEM else "category"
    if kind is not VARIANT:
        cause.state.execute(f"DELETE FROM catalog_members WHERE account_id = ? AND {side} = ?", mine)  # noqa: S608 - a constant
    _tell(cause, f"catalog_{kind.name}_deleted", id_, None)


def _insert(cause: Cause, kind: Kind, id_: str, kept: Mapping[str, Any], item: str | None) -> None:
    external_id = id_.removeprefix(PREFIX)
    place = (cause.account_id, kind.name, id_, external_id)
    times = (cause.timestamp, cause.timestamp)
    values = (*place, *_columns(kept), item, *times)
    cause.state.execute("INSERT INTO catalog_things VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def _columns(kept: Mapping[str, Any]) -> tuple[Any, ...]:
    """Attributes as JSON, and those that can be asked for by themselves."""
    title = kept.get("title") or kept.get("name")
    return msgspec.json.encode(kept).decode(), title, kept.get("sku"), int(kept.get("published", True) is not False)


def _relate(cause: Cause, kind: Kind, id_: str, resource: bodies.Document, pointer: str) -> None:
    if kind is VARIANT:
        return
    other, name = (CATEGORY, "categories") if kind is ITEM else (ITEM, "items")
    ids = _linked(resource, name, pointer)
    if ids is not None:
        set_members(cause, kind, id_, require(cause, other, ids, f"{pointer}/relationships/{name}/data"))


def require(cause: Cause, kind: Kind, ids: list[str], pointer: str) -> list[str]:
    """The ids, if all of them are there; else 404."""
    for id_ in ids:
        if find(cause.state, cause.account_id, kind, id_) is None:
            raise absent(kind, id_, pointer)
    return ids


def set_members(cause: Cause, kind: Kind, id_: str, others: list[str]) -> None:
    """Let the item have exactly these categories, or the category these items."""
    side = "item" if kind is ITEM else "category"
    cause.state.execute(f"DELETE FROM catalog_members WHERE account_id = ? AND {side} = ?", (cause.account_id, id_))  # noqa: S608 - a constant
    add_members(cause, kind, id_, others)


def add_members(cause: Cause, kind: Kind, id_: str, others: list[str]) -> int:
    """Put an item into categories, or items into a category; returns how many were new."""
    pairs = [(other, id_) if kind is ITEM else (id_, other) for other in dict.fromkeys(others)]
    rows = [(cause.account_id, category, item) for category, item in pairs]
    return sum(cause.state.execute("INSERT OR IGNORE INTO catalog_members VALUES (?, ?, ?)", row).rowcount for row in rows)


def remove_members(cause: Cause, kind: Kind, id_: str, others: list[str]) -> None:
    """The reverse; what is no member stays none."""
    for other in others:
        category, item = (other, id_) if kind is ITEM else (id_, other)
        sql = "DELETE FROM catalog_members WHERE account_id = ? AND category = ? AND item = ?"
        cause.state.execute(sql, (cause.account_id, category, item))


def _tell(cause: Cause, kind: str, id_: str, payload: Any) -> None:
    """Tell the journal: `subject` is the thing's id, `payload` what it is from now on."""
    journal = cause.sandbox.journal
    journal.effect(cause, kind, subject=id_, payload=payload)
