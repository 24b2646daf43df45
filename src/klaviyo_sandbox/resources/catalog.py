"""The catalogue: items, variants and categories, each with the same five operations, and what belongs to what."""

import sqlite3
from collections.abc import Callable

from klaviyo_sandbox import bodies, catalog_things, jsonapi
from klaviyo_sandbox.catalog_things import CATEGORY, ITEM, KINDS, VARIANT, Kind
from klaviyo_sandbox.catalog_views import has_item, in_category, page_of, thing_resource, variants_of
from klaviyo_sandbox.errors import ApiError, Problem
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.resources import operation

LINKS_PER_REQUEST = 1_000


def _included(call: Call, kind: Kind) -> bool:
    return bool(jsonapi.includes(call, *(("variants",) if kind is ITEM else ())))


def _shown(call: Call, kind: Kind, *, included: list[Resource] | None) -> Callable[[sqlite3.Row], Resource]:
    def show(row: sqlite3.Row) -> Resource:
        if included is None:
            return thing_resource(call, kind, row)
        variants = variants_of(call, row["id"])
        included.extend(variants)
        return thing_resource(call, kind, row, variants=variants)

    return show


def _list(kind: Kind) -> Callable[[Call], Answer]:
    def list_things(call: Call) -> Answer:
        included: list[Resource] | None = [] if _included(call, kind) else None
        page = page_of(call, kind).each(_shown(call, kind, included=included))
        return jsonapi.collection(call, page, included=included)

    return list_things


def _get(kind: Kind) -> Callable[[Call], Answer]:
    def get_thing(call: Call) -> Answer:
        included: list[Resource] | None = [] if _included(call, kind) else None
        row = catalog_things.get(call, kind, call.path["id"])
        return jsonapi.single(call, _shown(call, kind, included=included)(row), included=included)

    return get_thing


def _create(kind: Kind) -> Callable[[Call], Answer]:
    def create_thing(call: Call) -> Answer:
        data = bodies.data(call, kind.type, members=["attributes", "relationships"])
        bodies.refuse(catalog_things.check(data, kind, "/data", new=True))
        return jsonapi.single(call, thing_resource(call, kind, catalog_things.create(call, kind, data)), status=201)

    return create_thing


def _update(kind: Kind) -> Callable[[Call], Answer]:
    def update_thing(call: Call) -> Answer:
        data = bodies.data(call, kind.type, members=["attributes", "relationships"])
        bodies.same_id(data, call.path["id"])
        bodies.refuse(catalog_things.check(data, kind, "/data", new=False))
        row = catalog_things.change(call, kind, call.path["id"], data)
        return jsonapi.single(call, thing_resource(call, kind, row))

    return update_thing


def _delete(kind: Kind) -> Callable[[Call], Answer]:
    def delete_thing(call: Call) -> Answer:
        catalog_things.delete(call, kind, call.path["id"])
        return Answer(204)

    return delete_thing


for _kind in KINDS:
    operation(f"get_catalog_{_kind.many}")(_list(_kind))
    operation(f"get_catalog_{_kind.name}")(_get(_kind))
    operation(f"create_catalog_{_kind.name}")(_create(_kind))
    operation(f"update_catalog_{_kind.name}")(_update(_kind))
    operation(f"delete_catalog_{_kind.name}")(_delete(_kind))


def _related(owner: Kind, kind: Kind, condition: str, *, ids_only: bool) -> Callable[[Call], Answer]:
    def list_related(call: Call) -> Answer:
        row = catalog_things.get(call, owner, call.path["id"])
        included: list[Resource] | None = None
        if not ids_only and _included(call, kind):
            included = []
        page = page_of(call, kind, condition, (row["id"],))
        shown = _shown(call, kind, included=included)
        told = page.each(lambda each: jsonapi.identifier(kind.type, each["id"])) if ids_only else page.each(shown)
        return jsonapi.collection(call, told, included=included)

    return list_related


for _owner, _kind, _condition in ((CATEGORY, ITEM, in_category()), (ITEM, VARIANT, "item = ?"), (ITEM, CATEGORY, has_item())):
    operation(f"get_{_kind.many}_for_catalog_{_owner.name}")(_related(_owner, _kind, _condition, ids_only=False))
    operation(f"get_{_kind.name}_ids_for_catalog_{_owner.name}")(_related(_owner, _kind, _condition, ids_only=True))


def _asked(call: Call, owner: Kind, other: Kind) -> tuple[str, list[str]]:
    row = catalog_things.get(call, owner, call.path["id"])
    entries = bodies.rows(call.document, "", at_most=LINKS_PER_REQUEST, what=other.name)
    return row["id"], bodies.identifiers(entries, other.type, "/data")


def _add(owner: Kind, other: Kind) -> Callable[[Call], Answer]:
    def add(call: Call) -> Answer:
        id_, ids = _asked(call, owner, other)
        catalog_things.require(call, other, ids, "/data")
        if catalog_things.add_members(call, owner, id_, ids) < len(set(ids)):
            problem = Problem("The relationship already exists.", "/data", status=409, code="duplicate", title="Conflict.")
            raise ApiError(problem)
        return Answer(204)

    return add


def _replace(owner: Kind, other: Kind) -> Callable[[Call], Answer]:
    def replace(call: Call) -> Answer:
        row = catalog_things.get(call, owner, call.path["id"])
        ids = bodies.identifiers(call.document.get("data"), other.type, "/data")
        catalog_things.set_members(call, owner, row["id"], catalog_things.require(call, other, ids, "/data"))
        return Answer(204)

    return replace


def _remove(owner: Kind, other: Kind) -> Callable[[Call], Answer]:
    def remove(call: Call) -> Answer:
        id_, ids = _asked(call, owner, other)
        catalog_things.remove_members(call, owner, id_, ids)
        return Answer(204)

    return remove


for _owner, _other in ((ITEM, CATEGORY), (CATEGORY, ITEM)):
    operation(f"add_{_other.many}_to_catalog_{_owner.name}")(_add(_owner, _other))
    operation(f"update_{_other.many}_for_catalog_{_owner.name}")(_replace(_owner, _other))
    operation(f"remove_{_other.many}_from_catalog_{_owner.name}")(_remove(_owner, _other))
