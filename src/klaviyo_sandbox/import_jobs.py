"""Where bulk profile imports are kept, and how a job looks in answers.

A job is `queued`, then `processing` from half of the visibility delay on, then `complete`; it is forgotten after a week.
"""

import base64
import sqlite3
from typing import Any, Final

import msgspec

from klaviyo_sandbox import jsonapi
from klaviyo_sandbox.errors import not_found
from klaviyo_sandbox.exchange import Call
from klaviyo_sandbox.ids import full_time, second_time
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.profile_store import on_merge
from klaviyo_sandbox.profile_views import moment
from klaviyo_sandbox.state import State, schema

TYPE: Final = "profile-bulk-import-job"
KEPT_SECONDS: Final = 7 * 86_400

schema(
    """
    CREATE TABLE IF NOT EXISTS import_jobs (
        id TEXT PRIMARY KEY, account_id TEXT NOT NULL, list_ids TEXT NOT NULL, total INTEGER NOT NULL,
        done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
        created REAL NOT NULL, starts_at REAL NOT NULL, completed REAL
    );
    CREATE TABLE IF NOT EXISTS import_job_profiles (
        job_id TEXT NOT NULL, profile_id TEXT NOT NULL, PRIMARY KEY (job_id, profile_id)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS import_errors (
        id TEXT PRIMARY KEY, job_id TEXT NOT NULL, position INTEGER NOT NULL, code TEXT NOT NULL, title TEXT NOT NULL,
        detail TEXT NOT NULL, pointer TEXT NOT NULL, payload TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS import_errors_by_job ON import_errors (job_id, position);
    """
)

JOBS_WITH_STATUS: Final = (
    "SELECT * FROM (SELECT *, CASE WHEN completed IS NOT NULL THEN 'complete' WHEN starts_at <= ? THEN 'processing'"
    " ELSE 'queued' END AS status FROM import_jobs)"
)


def add(call: Call, list_ids: list[str], total: int) -> sqlite3.Row:
    """Note a job down as queued; its id is base64 of the parts that recorded ids have."""
    parts = f"{call.account_id}_maintenance.{call.sandbox.ids.short()}.{int(call.timestamp)}.{call.sandbox.ids.short()}"
    job_id = base64.urlsafe_b64encode(parts.encode()).decode().rstrip("=")
    starts_at = (call.timestamp + call.visible_at) / 2
    call.state.execute(
        "INSERT INTO import_jobs (id, account_id, list_ids, total, created, starts_at) VALUES (?, ?, ?, ?, ?, ?)",
        (job_id, call.account_id, msgspec.json.encode(list_ids).decode(), total, call.timestamp, starts_at),
    )
    return get(call, job_id)


def get(call: Call, job_id: str) -> sqlite3.Row:
    """A job of the last seven days; 404 otherwise."""
    where = "id = ? AND account_id = ? AND created > ?"
    values = (call.timestamp, job_id, call.account_id, call.timestamp - KEPT_SECONDS)
    row = call.state.one(f"{JOBS_WITH_STATUS} WHERE {where}", values)
    if row is None:
        raise not_found("Invalid job id")
    return row


def list_ids(row: sqlite3.Row) -> list[str]:
    """The lists that the job adds its profiles to."""
    return msgspec.json.decode(row["list_ids"], type=list[str])


def job_resource(call: Call, row: sqlite3.Row, *, first_answer: bool = False) -> Resource:
    """A job resource object. The answer to its creation says queued and is cut to the second (recorded)."""
    show = second_time if first_answer else full_time
    status = "queued" if first_answer else row["status"]
    attributes: dict[str, Any] = {
        "status": status,
        "created_at": show(moment(row["created"])),
        "total_count": row["total"],
        "completed_count": row["done"],
        "failed_count": row["failed"],
        "completed_at": None if row["completed"] is None else full_time(moment(row["completed"])),
        "expires_at": show(moment(row["created"] + KEPT_SECONDS)),
        "started_at": None if status == "queued" else full_time(moment(row["starts_at"])),
    }
    linkage = {"lists": [jsonapi.identifier("list", list_id) for list_id in list_ids(row)]}
    relations = ("lists", "profiles", "import-errors")
    document = jsonapi.resource(call, TYPE, row["id"], attributes, relations, linkage=linkage)
    del document["relationships"]["import-errors"]["links"]["self"]  # recorded: that endpoint does not exist
    return document


@on_merge
def move(state: State, source_id: str, destination_id: str) -> None:
    """Let jobs point at the profile that remains of a merge."""
    change = "UPDATE OR REPLACE import_job_profiles SET profile_id = ? WHERE profile_id = ?"
    state.execute(change, (destination_id, source_id))
