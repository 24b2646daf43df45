"""Bulk profile imports: checked as a whole at once, carried out later, asked about by job id.

A malformed row refuses the whole request with one error per row. A row that fails only when it is carried out (its
identifiers belong to two profiles, its id is unknown, a `poison` fault hits it) becomes an import error of the job.
"""

import sqlite3
from typing import Any, Final

import msgspec

from klaviyo_sandbox import bodies, deferred, import_jobs, jsonapi, mailing_lists, profile_documents, profile_store
from klaviyo_sandbox.deferred import Turn
from klaviyo_sandbox.errors import ApiError, Problem, invalid
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.filter_sql import Column, where
from klaviyo_sandbox.identity import upsert_profile
from klaviyo_sandbox.import_jobs import JOBS_WITH_STATUS, KEPT_SECONDS, job_resource
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.paging import Page, keyset, page_size
from klaviyo_sandbox.profile_documents import IMPORT, MAX_PROFILE_BYTES, NO_IDENTIFIER
from klaviyo_sandbox.profile_views import ADDITIONAL, profile_resource
from klaviyo_sandbox.resources import operation

ROWS_PER_REQUEST: Final = 10_000
_ROWS: Final = "/data/attributes/profiles/data"


@operation("bulk_import_profiles")
def start_import(call: Call) -> Answer:
    """202 with the job, still queued."""
    data = bodies.data(call, import_jobs.TYPE, members=["attributes", "relationships"])
    attributes = bodies.attributes(data, import_jobs.TYPE, "/data", required=["profiles"], optional=[])
    pointer = "/data/attributes/profiles"
    rows = bodies.rows(attributes["profiles"], pointer, at_most=ROWS_PER_REQUEST, what="profile")
    problems: list[Problem] = []
    for index, row in enumerate(rows):
        problems += _check(row, f"{_ROWS}/{index}")
    bodies.refuse(problems)
    list_ids = bodies.linked(data, "lists", "list")
    for list_id in list_ids:
        if mailing_lists.find(call.state, call.account_id, list_id) is None:
            raise invalid(f"List ID {list_id} does not exist.", "/data")
    job = import_jobs.add(call, list_ids, len(rows))
    shown = job_resource(call, job, first_answer=True)
    doomed = [index for index, row in enumerate(rows) if _is_poisonous(call, row)]
    deferred.schedule(call, "profile_import", {"job": job["id"], "rows": rows, "lists": list_ids, "doomed": doomed})
    return jsonapi.single(call, shown, status=202)


@operation("get_bulk_import_profiles_jobs")
def list_jobs(call: Call) -> Answer:
    """Jobs of the last seven days."""
    order, descending = jsonapi.sort(call, {"created_at": "created"}, "created_at")
    condition, values = where(jsonapi.filters(call), {"status": Column("status")})
    page = keyset(
        call,
        select=JOBS_WITH_STATUS,
        where=f"account_id = ? AND created > ? AND {condition}",
        parameters=[call.timestamp, call.account_id, call.timestamp - KEPT_SECONDS, *values],
        order=order,
        identity="id",
        descending=descending,
        size=page_size(call, 20, 100),
    )
    return jsonapi.collection(call, page.each(lambda row: job_resource(call, row)))


@operation("get_bulk_import_profiles_job")
def get_job(call: Call) -> Answer:
    """One job."""
    asked = jsonapi.includes(call, "lists")
    job = import_jobs.get(call, call.path["job_id"])
    return jsonapi.single(call, job_resource(call, job), included=_lists(call, job) if asked else None)


@operation("get_list_for_bulk_import_profiles_job")
def lists_of_job(call: Call) -> Answer:
    """The lists that the job adds to."""
    return jsonapi.collection(call, _lists(call, import_jobs.get(call, call.path["id"])))


@operation("get_list_ids_for_bulk_import_profiles_job")
def list_ids_of_job(call: Call) -> Answer:
    """The same, identifiers only."""
    ids = import_jobs.list_ids(import_jobs.get(call, call.path["id"]))
    return jsonapi.collection(call, [jsonapi.identifier("list", list_id) for list_id in ids])


@operation("get_profiles_for_bulk_import_profiles_job")
def profiles_of_job(call: Call) -> Answer:
    """The profiles that the job created or updated."""
    additional = jsonapi.additional_fields(call, "profile", *ADDITIONAL)
    page = _profiles(call)
    return jsonapi.collection(
        call, page.each(lambda row: profile_resource(call, profile_store.from_row(row), additional=additional))
    )


@operation("get_profile_ids_for_bulk_import_profiles_job")
def profile_ids_of_job(call: Call) -> Answer:
    """The same, identifiers only."""
    return jsonapi.collection(call, _profiles(call).each(lambda row: jsonapi.identifier("profile", row["id"])))


@operation("get_errors_for_bulk_import_profiles_job")
def errors_of_job(call: Call) -> Answer:
    """One import error per row that failed, in the order of the rows."""
    page = keyset(
        call,
        select="SELECT * FROM import_errors",
        where="job_id = ?",
        parameters=[import_jobs.get(call, call.path["id"])["id"]],
        order="position",
        identity="id",
        size=page_size(call, 20, 100),
    )
    return jsonapi.collection(call, page.each(_error))


@deferred.work("profile_import")
def _import(turn: Turn, payload: dict[str, Any]) -> None:
    doomed, imported, failed = set(payload["doomed"]), [], 0
    for index, row in enumerate(payload["rows"]):
        problem = Problem("Invalid input.") if index in doomed else None
        try:
            profile_id = _import_row(turn, row) if problem is None else None
        except ApiError as error:
            problem, profile_id = error.problems[0], None
        if problem is not None:
            failed += 1
            _note_failure(turn, payload["job"], index, row, problem)
        elif profile_id is not None:
            imported.append(profile_id)
    turn.state.execute_many(
        "INSERT OR IGNORE INTO import_job_profiles VALUES (?, ?)", [(payload["job"], id_) for id_ in imported]
    )
    for list_id in payload["lists"]:
        mailing_lists.join(turn.state, list_id, imported, turn.timestamp)
    change = "UPDATE import_jobs SET completed = ?, done = ?, failed = ? WHERE id = ?"
    turn.state.execute(change, (turn.timestamp, len(imported), failed, payload["job"]))


def _import_row(turn: Turn, row: bodies.Document) -> str:
    write = profile_documents.read(row, IMPORT, "", [])
    upserted = upsert_profile(turn.state, turn.ids, turn.account_id, write, turn.timestamp)
    if upserted.changed:
        kind = "profile_created" if upserted.created else "profile_updated"
        turn.journal.effect(turn, kind, subject="import", profile_id=upserted.profile.id)
    return upserted.profile.id


def _note_failure(turn: Turn, job_id: str, index: int, row: Any, problem: Problem) -> None:
    values = (turn.ids.error(), job_id, index, problem.code, problem.title, problem.detail)
    payload = msgspec.json.encode(row).decode()
    turn.state.execute(
        "INSERT INTO import_errors VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*values, f"{_ROWS}/{index}/attributes", payload)
    )
    turn.journal.effect(turn, "import_row_failed", subject=job_id, payload={"row": index, "detail": problem.detail})


def _check(row: Any, pointer: str) -> list[Problem]:
    problems: list[Problem] = []
    write = profile_documents.read(row, IMPORT, pointer, problems)
    if not problems and not write.identifies():
        problems.append(Problem(NO_IDENTIFIER, f"{pointer}/attributes"))
    if len(msgspec.json.encode(row)) > MAX_PROFILE_BYTES:
        problems.append(Problem(f"The profile is larger than the maximum of {MAX_PROFILE_BYTES} bytes.", pointer))
    return problems


def _is_poisonous(call: Call, row: bodies.Document) -> bool:
    attributes = row.get("attributes") or {}
    properties = msgspec.json.encode(attributes.get("properties"))
    return any(poison.hits(attributes.get("email"), None, properties) for poison in call.plan.poisons)


def _lists(call: Call, job: sqlite3.Row) -> list[Resource]:
    found = (mailing_lists.find(call.state, call.account_id, list_id) for list_id in import_jobs.list_ids(job))
    return [mailing_lists.list_resource(call, row) for row in found if row is not None]


def _profiles(call: Call) -> Page:
    job = import_jobs.get(call, call.path["id"])
    members = "SELECT p.* FROM import_job_profiles j JOIN profiles p ON p.id = j.profile_id WHERE j.job_id = ?"
    return keyset(
        call,
        select=f"SELECT * FROM ({members})",  # noqa: S608 - constant parts
        where="1",
        parameters=[job["id"]],
        order="id",
        identity="id",
        size=page_size(call, 20, 100),
    )


def _error(row: sqlite3.Row) -> Resource:
    return {
        "type": "import-error",
        "id": row["id"],
        "attributes": {
            "code": row["code"],
            "title": row["title"],
            "detail": row["detail"],
            "source": {"pointer": row["pointer"]},
            "original_payload": msgspec.json.decode(row["payload"]),
        },
    }
