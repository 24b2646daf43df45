"""Suppression jobs: suppress or unsuppress e-mail addresses, or everybody on a list.

Recorded: the first answer says `processing` with zero counts and a `completed_at` all the same. Unsuppressing lifts
only what suppressing by hand has set.
"""

import sqlite3
from typing import Any, Final

from klaviyo_sandbox import bodies, consents, deferred, jsonapi, mailing_lists, profile_store
from klaviyo_sandbox.contact_points import INVALID_EMAIL, is_email
from klaviyo_sandbox.deferred import Turn
from klaviyo_sandbox.errors import Problem, invalid, not_found
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.filter_sql import Column, where
from klaviyo_sandbox.identity import upsert_profile
from klaviyo_sandbox.ids import full_time
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.paging import keyset
from klaviyo_sandbox.profile_documents import ProfileWrite
from klaviyo_sandbox.profile_views import moment
from klaviyo_sandbox.resources import operation
from klaviyo_sandbox.state import schema

SUPPRESS: Final = "profile-suppression-bulk-create-job"
UNSUPPRESS: Final = "profile-suppression-bulk-delete-job"
ADDRESSES_PER_REQUEST: Final = 100
PAGE: Final = 100
BY_HAND: Final = "USER_SUPPRESSED"

schema(
    """
    CREATE TABLE IF NOT EXISTS suppression_jobs (
        id TEXT PRIMARY KEY, account_id TEXT NOT NULL, type TEXT NOT NULL, list_id TEXT, created REAL NOT NULL,
        completed REAL, total INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0
    );
    """
)
_COLUMNS = {
    "status": Column("(CASE WHEN completed IS NULL THEN 'processing' ELSE 'complete' END)"),
    "list_id": Column("list_id"),
    # The sandbox keeps no segments, so no job was ever about one.
    "segment_id": Column("NULL"),
}


@operation("bulk_suppress_profiles")
def suppress(call: Call) -> Answer:
    """202 with the job. An address that is not known yet becomes a suppressed profile."""
    return _start(call, SUPPRESS)


@operation("bulk_unsuppress_profiles")
def unsuppress(call: Call) -> Answer:
    """202 with the job."""
    return _start(call, UNSUPPRESS)


@operation("get_bulk_suppress_profiles_jobs")
def list_suppress_jobs(call: Call) -> Answer:
    """Jobs that suppress."""
    return _list(call, SUPPRESS)


@operation("get_bulk_unsuppress_profiles_jobs")
def list_unsuppress_jobs(call: Call) -> Answer:
    """Jobs that unsuppress."""
    return _list(call, UNSUPPRESS)


@operation("get_bulk_suppress_profiles_job")
def get_suppress_job(call: Call) -> Answer:
    """One job that suppresses."""
    return jsonapi.single(call, _job(call, _find(call, SUPPRESS)))


@operation("get_bulk_unsuppress_profiles_job")
def get_unsuppress_job(call: Call) -> Answer:
    """One job that unsuppresses."""
    return jsonapi.single(call, _job(call, _find(call, UNSUPPRESS)))


def _start(call: Call, type_: str) -> Answer:
    data = bodies.data(call, type_, members=["attributes", "relationships"])
    emails, list_id = _targets(call, data)
    job_id = call.sandbox.ids.ulid(call.timestamp)
    members = "SELECT profile_id FROM list_members WHERE list_id = ?"
    profile_ids = [row["profile_id"] for row in call.state.all(members, (list_id,))] if list_id else []
    call.state.execute(
        "INSERT INTO suppression_jobs (id, account_id, type, list_id, created, total) VALUES (?, ?, ?, ?, ?, ?)",
        (job_id, call.account_id, type_, list_id, call.timestamp, len(emails) + len(profile_ids)),
    )
    shown = _first_answer(call, type_, job_id)
    deferred.schedule(call, "suppression", {"job": job_id, "type": type_, "emails": emails, "profiles": profile_ids})
    return jsonapi.single(call, shown, status=202)


def _targets(call: Call, data: bodies.Document) -> tuple[list[str], str | None]:
    """Addresses, or the id of a list; exactly one kind of target is allowed."""
    attributes = data.get("attributes") or {}
    given = [bodies.is_object(attributes) and attributes.get("profiles") is not None]
    lists, segments = bodies.linked(data, "list", "list"), bodies.linked(data, "segment", "segment")
    if sum([*given, bool(lists), bool(segments)]) != 1:
        raise invalid("Exactly one of profiles, list or segment must be given.", "/data")
    if segments:
        raise not_found(f"A segment with id `{segments[0]}` does not exist.")
    if lists:
        return [], str(mailing_lists.get(call, lists[0])["id"])
    bodies.refuse(bodies.unknown_members(attributes, {"profiles"}, data["type"], "/data/attributes"))
    pointer = "/data/attributes/profiles"
    rows = bodies.rows(attributes["profiles"], pointer, at_most=ADDRESSES_PER_REQUEST, what="profile")
    problems: list[Problem] = []
    emails = [_email(row, f"{pointer}/data/{index}", problems) for index, row in enumerate(rows)]
    bodies.refuse(problems)
    return emails, None


def _email(row: Any, pointer: str, problems: list[Problem]) -> str:
    attributes = row.get("attributes") if bodies.is_object(row) and row.get("type") == "profile" else None
    email = attributes.get("email") if bodies.is_object(attributes) else None
    if not isinstance(email, str) or not is_email(email):
        problems.append(Problem(INVALID_EMAIL, f"{pointer}/attributes/email"))
        return ""
    return email


@deferred.work("suppression")
def _run(turn: Turn, payload: dict[str, Any]) -> None:
    suppressing = payload["type"] == SUPPRESS
    ids = [*payload["profiles"], *(_profile_id(turn, email, create=suppressing) for email in payload["emails"])]
    changed = 0
    for profile_id in filter(None, ids):
        if suppressing:
            hit = consents.suppress(turn.state, profile_id, BY_HAND, turn.timestamp)
        else:
            hit = consents.lift(turn.state, profile_id, [BY_HAND])
        if hit:
            changed += 1
            turn.journal.effect(turn, "suppressed" if suppressing else "unsuppressed", profile_id=profile_id)
    turn.state.execute(
        "UPDATE suppression_jobs SET completed = ?, done = ?, skipped = total - ? WHERE id = ?",
        (turn.timestamp, changed, changed, payload["job"]),
    )


def _profile_id(turn: Turn, email: str, *, create: bool) -> str | None:
    if not create:
        return profile_store.owner_of(turn.state, turn.account_id, "email", email)
    write = ProfileWrite(identifiers={"email": email.strip()})
    return upsert_profile(turn.state, turn.ids, turn.account_id, write, turn.timestamp).profile.id


def _list(call: Call, type_: str) -> Answer:
    order, descending = jsonapi.sort(call, {"created": "created"}, "-created")
    condition, values = where(jsonapi.filters(call), _COLUMNS)
    page = keyset(
        call,
        select="SELECT * FROM suppression_jobs",
        where=f"account_id = ? AND type = ? AND {condition}",
        parameters=[call.account_id, type_, *values],
        order=order,
        identity="id",
        descending=descending,
        size=PAGE,
    )
    return jsonapi.collection(call, page.each(lambda row: _job(call, row)))


def _find(call: Call, type_: str) -> sqlite3.Row:
    job_id = call.path["job_id"]
    where_ = "id = ? AND account_id = ? AND type = ?"
    row = call.state.one(f"SELECT * FROM suppression_jobs WHERE {where_}", (job_id, call.account_id, type_))  # noqa: S608 - constant parts
    if row is None:
        kind = "suppression" if type_ == SUPPRESS else "unsuppression"
        raise not_found(f"A bulk profile {kind} job with the id '{job_id}' does not exist.")
    return row


def _job(call: Call, row: sqlite3.Row) -> Resource:
    attributes = {
        "status": "processing" if row["completed"] is None else "complete",
        "created_at": full_time(moment(row["created"])),
        "total_count": row["total"],
        "completed_count": row["done"],
        "completed_at": full_time(moment(row["completed"])) if row["completed"] is not None else None,
        "skipped_count": row["skipped"],
    }
    linkage = {"lists": [jsonapi.identifier("list", row["list_id"])]} if row["list_id"] else None
    return jsonapi.resource(call, row["type"], row["id"], attributes, ("lists", "segments"), linkage=linkage)


def _first_answer(call: Call, type_: str, job_id: str) -> Resource:
    now = full_time(call.now)
    counts = {"total_count": 0, "completed_count": 0, "completed_at": now, "skipped_count": 0}
    return jsonapi.resource(call, type_, job_id, {"status": "processing", "created_at": now, **counts}, ("lists", "segments"))
