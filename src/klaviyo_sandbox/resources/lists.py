"""Lists: create, read, rename, delete; put profiles on them and take them off, without any change of consent."""

from typing import Any

from klaviyo_sandbox import bodies, jsonapi, mailing_lists, profile_store
from klaviyo_sandbox.errors import not_found
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.filter_sql import Column, where
from klaviyo_sandbox.mailing_lists import DOUBLE, SINGLE, list_resource
from klaviyo_sandbox.paging import Page, keyset, page_size
from klaviyo_sandbox.profile_sql import MEMBER_COLUMNS, instant
from klaviyo_sandbox.profile_views import ADDITIONAL, profile_resource
from klaviyo_sandbox.resources import operation

MEMBERS_PER_REQUEST = 1_000
_COLUMNS = {
    "id": Column("id"),
    "name": Column("name"),
    "created": Column("created", instant),
    "updated": Column("updated", instant),
}
_SORTS = {"created": "created", "id": "id", "name": "name", "updated": "updated"}


@operation("get_lists")
def list_lists(call: Call) -> Answer:
    """Ten lists per page, by id unless sorted otherwise (recorded)."""
    asked = jsonapi.includes(call, "tags", "flow-triggers")
    order, descending = jsonapi.sort(call, _SORTS, "id")
    condition, values = where(jsonapi.filters(call), _COLUMNS)
    page = keyset(
        call,
        select="SELECT * FROM lists",
        where=f"account_id = ? AND {condition}",
        parameters=[call.account_id, *values],
        order=order,
        identity="id",
        descending=descending,
        size=page_size(call, 10, 10),
    )
    linkage: dict[str, Any] = {name: [] for name in asked}
    return jsonapi.collection(call, page.each(lambda row: list_resource(call, row, linkage=linkage)))


@operation("create_list")
def create_list(call: Call) -> Answer:
    """201; names need not be unique."""
    data = bodies.data(call, "list")
    attributes = bodies.attributes(data, "list", "/data", required=["name"], optional=["opt_in_process"])
    _check(attributes)
    row = (call.sandbox.ids.short(), call.account_id, attributes["name"], attributes.get("opt_in_process") or SINGLE)
    times = (call.timestamp, call.timestamp)
    call.state.execute("INSERT INTO lists VALUES (?, ?, ?, ?, ?, ?)", (*row, *times))
    call.sandbox.journal.effect(call, "list_created", subject=row[0])
    return jsonapi.single(call, list_resource(call, mailing_lists.get(call, row[0]), exact=True), status=201)


@operation("get_list")
def get_list(call: Call) -> Answer:
    """One list; `profile_count` only when asked for."""
    asked = jsonapi.includes(call, "tags", "flow-triggers")
    additional = jsonapi.additional_fields(call, "list", "profile_count")
    row = mailing_lists.get(call, call.path["id"])
    extra = {"profile_count": _count(call, row["id"])} if additional else {}
    linkage: dict[str, Any] = {name: [] for name in asked}
    return jsonapi.single(call, list_resource(call, row, extra=extra, linkage=linkage))


@operation("update_list")
def update_list(call: Call) -> Answer:
    """Rename, or change the opt-in process."""
    row = mailing_lists.get(call, call.path["id"])
    data = bodies.data(call, "list")
    bodies.same_id(data, row["id"])
    attributes = bodies.attributes(data, "list", "/data", required=[], optional=["name", "opt_in_process"])
    _check(attributes)
    name, process = attributes.get("name") or row["name"], attributes.get("opt_in_process") or row["opt_in_process"]
    change = "UPDATE lists SET name = ?, opt_in_process = ?, updated = ? WHERE id = ?"
    call.state.execute(change, (name, process, call.timestamp, row["id"]))
    return jsonapi.single(call, list_resource(call, mailing_lists.get(call, row["id"]), changed=True))


@operation("delete_list")
def delete_list(call: Call) -> Answer:
    """204; the profiles stay."""
    row = mailing_lists.get(call, call.path["id"])
    call.state.execute("DELETE FROM lists WHERE id = ?", (row["id"],))
    call.state.execute("DELETE FROM list_members WHERE list_id = ?", (row["id"],))
    call.sandbox.journal.effect(call, "list_deleted", subject=row["id"])
    return Answer(204)


@operation("get_profiles_for_list")
def list_members(call: Call) -> Answer:
    """Members with `joined_group_at`, the earliest first unless sorted otherwise."""
    additional = jsonapi.additional_fields(call, "profile", *ADDITIONAL)
    return jsonapi.collection(
        call,
        _members(call).each(
            lambda row: profile_resource(call, profile_store.from_row(row), additional=additional, joined=row["joined_group_at"])
        ),
    )


@operation("get_profile_ids_for_list")
def list_member_ids(call: Call) -> Answer:
    """The same, identifiers only."""
    return jsonapi.collection(call, _members(call).each(lambda row: jsonapi.identifier("profile", row["id"])))


@operation("add_profiles_to_list")
def add_members(call: Call) -> Answer:
    """204; profiles that are members already stay as they are."""
    row, ids = mailing_lists.get(call, call.path["id"]), _profile_ids(call)
    known = profile_store.find_many(call.state, ids)
    absent = [id_ for id_ in ids if id_ not in known or known[id_].account_id != call.account_id]
    if absent:
        raise not_found(f"A profile with id {absent[0]} does not exist.")
    for profile_id in mailing_lists.join(call.state, row["id"], ids, call.timestamp):
        call.sandbox.journal.effect(call, "list_joined", subject=row["id"], profile_id=profile_id)
    return Answer(204)


@operation("remove_profiles_from_list")
def remove_members(call: Call) -> Answer:
    """204, also for profiles that are no members."""
    row = mailing_lists.get(call, call.path["id"])
    for profile_id in mailing_lists.leave(call.state, row["id"], _profile_ids(call)):
        call.sandbox.journal.effect(call, "list_left", subject=row["id"], profile_id=profile_id)
    return Answer(204)


def _check(attributes: bodies.Document) -> None:
    problems = bodies.typed(attributes, "name", "/data/attributes", bodies.text, "a string")
    process = attributes.get("opt_in_process")
    if process not in (None, SINGLE, DOUBLE):
        problems.append(bodies.not_among("opt_in_process", (DOUBLE, SINGLE), "/data/attributes"))
    bodies.refuse(problems)


def _count(call: Call, list_id: str) -> int:
    row = call.state.one("SELECT count(*) AS n FROM list_members WHERE list_id = ?", (list_id,))
    return row["n"] if row else 0


def _profile_ids(call: Call) -> list[str]:
    return bodies.identifiers(bodies.rows(call.document, "", at_most=MEMBERS_PER_REQUEST, what="profile"), "profile", "/data")


def _members(call: Call) -> Page:
    row = mailing_lists.get(call, call.path["id"])
    order, descending = jsonapi.sort(call, {"joined_group_at": "joined_group_at"}, "joined_group_at")
    condition, values = where(jsonapi.filters(call), MEMBER_COLUMNS)
    members = "SELECT p.*, m.joined_at AS joined_group_at FROM list_members m JOIN profiles p ON p.id = m.profile_id"
    return keyset(
        call,
        select=f"SELECT * FROM ({members} WHERE m.list_id = ?)",  # noqa: S608 - constant parts
        where=f"visible_at <= ? AND {condition}",
        parameters=[row["id"], call.timestamp, *values],
        order=order,
        identity="id",
        descending=descending,
        size=page_size(call, 20, 100),
    )
