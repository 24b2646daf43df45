"""How things of the catalogue look in answers, and how they are listed."""

import sqlite3
from typing import Any

import msgspec

from klaviyo_sandbox import jsonapi
from klaviyo_sandbox.catalog_things import CATEGORY, ITEM, VARIANT, Kind
from klaviyo_sandbox.exchange import Call
from klaviyo_sandbox.filter_sql import Column, where
from klaviyo_sandbox.ids import full_time
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.paging import Page, keyset, page_size
from klaviyo_sandbox.profile_views import moment

_MEMBERSHIP = "(SELECT 1 FROM catalog_members m WHERE m.account_id = catalog_things.account_id"
_COLUMNS = {
    "ids": Column("id"),
    "title": Column("title"),
    "name": Column("title"),
    "sku": Column("sku"),
    "published": Column("published", bool),
}


def thing_resource(call: Call, kind: Kind, row: sqlite3.Row, *, variants: list[Resource] | None = None) -> Resource:
    """One resource object. A category shows no `created`, as its schema has none."""
    shown: dict[str, Any] = {"external_id": row["external_id"], **msgspec.json.decode(row["attributes"])}
    if kind is not CATEGORY:
        shown["created"] = full_time(moment(row["created"]))
    shown["updated"] = full_time(moment(row["updated"]))
    linkage: dict[str, Any] = {}
    if kind is VARIANT and row["item"]:
        linkage["item"] = jsonapi.identifier(ITEM.type, row["item"])
    if variants is not None:
        linkage["variants"] = [jsonapi.identifier(VARIANT.type, each["id"]) for each in variants]
    path = f"catalog-{kind.many}"
    return jsonapi.resource(call, kind.type, row["id"], shown, kind.relations, linkage=linkage, collection=path)


def variants_of(call: Call, item_id: str) -> list[Resource]:
    """The variants of an item as resources."""
    rows = call.state.all(
        "SELECT * FROM catalog_things WHERE account_id = ? AND item = ? ORDER BY id", (call.account_id, item_id)
    )
    return [thing_resource(call, VARIANT, row) for row in rows]


def page_of(call: Call, kind: Kind, condition: str = "1", parameters: tuple[Any, ...] = ()) -> Page:
    """A page of rows of a kind that fulfil the request's filter and `condition`."""
    order, descending = jsonapi.sort(call, {"created": "created"}, "created")
    related, values = _related(call)
    filters = [each for each in jsonapi.filters(call) if each.field not in ("category.id", "item.id")]
    filtered, more = where(filters, _COLUMNS)
    return keyset(
        call,
        select="SELECT * FROM catalog_things",
        where=f"account_id = ? AND kind = ? AND {condition} AND {related} AND {filtered}",
        parameters=[call.account_id, kind.name, *parameters, *values, *more],
        order=order,
        identity="id",
        descending=descending,
        size=page_size(call, 100, 100),
    )


def _related(call: Call) -> tuple[str, list[Any]]:
    """The conditions that ask about another thing."""
    clauses, values = ["1"], []
    for each in jsonapi.filters(call):
        if each.field == "category.id":
            clauses.append(in_category())
        elif each.field == "item.id":
            clauses.append(f"(item = ? OR EXISTS {_MEMBERSHIP} AND m.category = catalog_things.id AND m.item = ?))")
            values.append(each.value)
        else:
            continue
        values.append(each.value)
    return " AND ".join(clauses), values


def in_category() -> str:
    """That an item is in the category given as parameter."""
    return f"EXISTS {_MEMBERSHIP} AND m.item = catalog_things.id AND m.category = ?)"


def has_item() -> str:
    """That a category has the item given as parameter."""
    return f"EXISTS {_MEMBERSHIP} AND m.category = catalog_things.id AND m.item = ?)"
