"""Lists and who is on them."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from klaviyo_sandbox import jsonapi
from klaviyo_sandbox.errors import ApiError, not_found
from klaviyo_sandbox.exchange import Call
from klaviyo_sandbox.ids import full_time, second_time
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.profile_store import on_merge
from klaviyo_sandbox.profile_views import moment
from klaviyo_sandbox.state import State, schema

schema(
    """
    CREATE TABLE IF NOT EXISTS lists (
        id TEXT PRIMARY KEY, account_id TEXT NOT NULL, name TEXT NOT NULL, opt_in_process TEXT NOT NULL,
        created REAL NOT NULL, updated REAL NOT NULL
    );
    CREATE TABLE IF NOT EXISTS list_members (
        list_id TEXT NOT NULL, profile_id TEXT NOT NULL, joined_at REAL NOT NULL, PRIMARY KEY (list_id, profile_id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS members_by_time ON list_members (list_id, joined_at, profile_id);
    CREATE INDEX IF NOT EXISTS members_by_profile ON list_members (profile_id);
    """
)

SINGLE, DOUBLE = "single_opt_in", "double_opt_in"


def find(state: State, account_id: str, list_id: str) -> sqlite3.Row | None:
    """A list's row."""
    return state.one("SELECT * FROM lists WHERE id = ? AND account_id = ?", (list_id, account_id))


def get(call: Call, list_id: str) -> sqlite3.Row:
    """A list's row, or 404 in the recorded words."""
    row = find(call.state, call.account_id, list_id)
    if row is None:
        raise unknown(list_id)
    return row


def unknown(list_id: str) -> ApiError:
    """404 for a list."""
    return not_found(f"A list with id `{list_id}` does not exist.")


def of_profile(state: State, profile_id: str) -> list[sqlite3.Row]:
    """The lists that a profile is on."""
    joined = "SELECT l.* FROM lists l JOIN list_members m ON m.list_id = l.id WHERE m.profile_id = ? ORDER BY l.id"
    return state.all(joined, (profile_id,))


def join(state: State, list_id: str, profile_ids: Sequence[str], at: float) -> list[str]:
    """Put profiles on a list; returns those that were not on it."""
    sql = "INSERT OR IGNORE INTO list_members VALUES (?, ?, ?)"
    return [id_ for id_ in profile_ids if state.execute(sql, (list_id, id_, at)).rowcount]


def leave(state: State, list_id: str, profile_ids: Sequence[str]) -> list[str]:
    """Take profiles off a list; returns those that were on it."""
    sql = "DELETE FROM list_members WHERE list_id = ? AND profile_id = ?"
    return [id_ for id_ in profile_ids if state.execute(sql, (list_id, id_)).rowcount]


def has(state: State, list_id: str, profile_id: str) -> bool:
    """Whether a profile is on a list."""
    found = state.one("SELECT 1 FROM list_members WHERE list_id = ? AND profile_id = ?", (list_id, profile_id))
    return found is not None


@on_merge
def move(state: State, source_id: str, destination_id: str) -> None:
    """Give the memberships of a merged profile to its destination."""
    change = "UPDATE OR IGNORE list_members SET profile_id = ? WHERE profile_id = ?"
    state.execute(change, (destination_id, source_id))
    state.execute("DELETE FROM list_members WHERE profile_id = ?", (source_id,))


def list_resource(
    call: Call,
    row: sqlite3.Row,
    *,
    exact: bool = False,
    changed: bool = False,
    extra: Mapping[str, Any] | None = None,
    linkage: Mapping[str, Any] | None = None,
) -> Resource:
    """A list resource object. `exact` shows microseconds, as after a create; `changed` only of the change (recorded)."""
    show = full_time if exact else second_time
    attributes = {
        "name": row["name"],
        "created": show(moment(row["created"])),
        "updated": (full_time if changed else show)(moment(row["updated"])),
        "opt_in_process": row["opt_in_process"],
    }
    document = jsonapi.resource(call, "list", row["id"], attributes, ("profiles", "tags", "flow-triggers"), linkage=linkage)
    document["attributes"] = {**document["attributes"], **(extra or {})}
    return document
