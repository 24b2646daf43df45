"""Bulk jobs of the catalogue: checked as a whole at once, carried out later row by row, asked about by job id."""

import sqlite3
from collections.abc import Callable
from typing import Any, Final

import msgspec

from klaviyo_sandbox import bodies, catalog_things, deferred, jsonapi
from klaviyo_sandbox.catalog_things import KINDS, Kind
from klaviyo_sandbox.catalog_views import thing_resource
from klaviyo_sandbox.deferred import Turn
from klaviyo_sandbox.errors import ApiError, Problem, invalid, not_found
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.filter_sql import Column, where
from klaviyo_sandbox.ids import full_time
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.paging import keyset
from klaviyo_sandbox.profile_views import moment
from klaviyo_sandbox.resources import operation
from klaviyo_sandbox.state import schema

ROWS_PER_JOB: Final = 100
JOBS_IN_PROGRESS: Final = 500
JOBS_PER_PAGE: Final = 100
KEPT_SECONDS: Final = 7 * 86_400

schema(
    """
    CREATE TABLE IF NOT EXISTS catalog_jobs (
        id TEXT PRIMARY KEY, account_id TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL, total INTEGER NOT NULL,
        done INTEGER NOT NULL, failed INTEGER NOT NULL, created REAL NOT NULL, completed REAL, errors TEXT NOT NULL,
        things TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS catalog_jobs_by_time ON catalog_jobs (account_id, type, created, id);
    """
)


def _type(kind: Kind, act: str) -> str:
    return f"{kind.type}-bulk-{act}-job"


def _start(kind: Kind, act: str) -> Callable[[Call], Answer]:
    def start(call: Call) -> Answer:
        type_ = _type(kind, act)
        data = bodies.data(call, type_)
        attributes = bodies.attributes(data, type_, "/data", required=[kind.many], optional=[])
        place = f"/data/attributes/{kind.many}"
        rows = bodies.rows(attributes[kind.many], place, at_most=ROWS_PER_JOB, what=kind.name)
        bodies.refuse(problem for index, row in enumerate(rows) for problem in _check(row, kind, act, f"{place}/data/{index}"))
        running = "SELECT count(*) AS n FROM catalog_jobs WHERE account_id = ? AND type = ? AND completed IS NULL"
        found = call.state.one(running, (call.account_id, type_))
        if found and found["n"] >= JOBS_IN_PROGRESS:
            raise invalid(f"The maximum number of jobs in progress is {JOBS_IN_PROGRESS}.", "/data")
        job_id = call.sandbox.ids.ulid(call.timestamp)
        values = (job_id, call.account_id, type_, "processing", len(rows), 0, 0, call.timestamp, None, "[]", "[]")
        call.state.execute("INSERT INTO catalog_jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        shown = _resource(call, kind, act, _job(call, kind, act, job_id))
        deferred.schedule(call, "catalog_job", {"job": job_id, "kind": kind.name, "act": act, "rows": rows})
        return jsonapi.single(call, shown, status=202)

    return start


def _check(row: Any, kind: Kind, act: str, pointer: str) -> list[Problem]:
    if not bodies.is_object(row) or row.get("type") != kind.type:
        return [Problem(f"Invalid type. The type of this resource must be '{kind.type}'.", f"{pointer}/type")]
    if act != "create" and not bodies.text(row.get("id")):
        return [bodies.missing("id", kind.type, pointer)]
    return [] if act == "delete" else catalog_things.check(row, kind, pointer, new=act == "create")


@deferred.work("catalog_job")
def _carry_out(turn: Turn, payload: dict[str, Any]) -> None:
    kind = next(each for each in KINDS if each.name == payload["kind"])
    errors: list[dict[str, Any]] = []
    things: list[str] = []
    for index, row in enumerate(payload["rows"]):
        pointer = f"/data/attributes/{kind.many}/data/{index}"
        try:
            things.append(_carry_out_row(turn, kind, payload["act"], row, pointer))
        except ApiError as error:
            problem = error.problems[0]
            told = {"code": problem.code, "title": problem.title, "detail": problem.detail, "source": {"pointer": pointer}}
            errors.append({"id": turn.ids.error(), **told})
    change = (
        "UPDATE catalog_jobs SET status = 'complete', done = ?, failed = ?, completed = ?, errors = ?, things = ? WHERE id = ?"
    )
    written = (msgspec.json.encode(errors).decode(), msgspec.json.encode(things).decode())
    turn.state.execute(change, (len(things), len(errors), turn.timestamp, *written, payload["job"]))


def _carry_out_row(turn: Turn, kind: Kind, act: str, row: bodies.Document, pointer: str) -> str:
    if act == "create":
        return str(catalog_things.create(turn, kind, row, pointer)["id"])
    if act == "update":
        return str(catalog_things.change(turn, kind, row["id"], row, pointer)["id"])
    catalog_things.delete(turn, kind, row["id"])
    return str(row["id"])


def _job(call: Call, kind: Kind, act: str, job_id: str) -> sqlite3.Row:
    recent = "SELECT * FROM catalog_jobs WHERE id = ? AND account_id = ? AND type = ? AND created > ?"
    row = call.state.one(recent, (job_id, call.account_id, _type(kind, act), call.timestamp - KEPT_SECONDS))
    if row is None:
        raise not_found("Invalid job id")
    return row


def _get(kind: Kind, act: str) -> Callable[[Call], Answer]:
    def get_job(call: Call) -> Answer:
        asked = jsonapi.includes(call, *(() if act == "delete" else (kind.many,)))
        row = _job(call, kind, act, call.path["job_id"])
        return jsonapi.single(call, _resource(call, kind, act, row), included=_things(call, kind, row) if asked else None)

    return get_job


def _list(kind: Kind, act: str) -> Callable[[Call], Answer]:
    def list_jobs(call: Call) -> Answer:
        condition, values = where(jsonapi.filters(call), {"status": Column("status")})
        page = keyset(
            call,
            select="SELECT * FROM catalog_jobs",
            where=f"account_id = ? AND type = ? AND created > ? AND {condition}",
            parameters=[call.account_id, _type(kind, act), call.timestamp - KEPT_SECONDS, *values],
            order="created",
            identity="id",
            size=JOBS_PER_PAGE,
        )
        return jsonapi.collection(call, page.each(lambda row: _resource(call, kind, act, row)))

    return list_jobs


def _resource(call: Call, kind: Kind, act: str, row: sqlite3.Row) -> Resource:
    attributes: dict[str, Any] = {
        "status": row["status"],
        "created_at": full_time(moment(row["created"])),
        "total_count": row["total"],
        "completed_count": row["done"],
        "failed_count": row["failed"],
        "completed_at": None if row["completed"] is None else full_time(moment(row["completed"])),
        "errors": msgspec.json.decode(row["errors"]),
        "expires_at": full_time(moment(row["created"] + KEPT_SECONDS)),
    }
    return jsonapi.resource(call, _type(kind, act), row["id"], attributes, (kind.many,))


def _things(call: Call, kind: Kind, row: sqlite3.Row) -> list[Resource]:
    found = (catalog_things.find(call.state, call.account_id, kind, id_) for id_ in msgspec.json.decode(row["things"]))
    return [thing_resource(call, kind, each) for each in found if each is not None]


def _noun(kind: Kind) -> str:
    return "catalog_items" if kind.name == "item" else kind.many


for _kind in KINDS:
    for _act in ("create", "update", "delete"):
        operation(f"bulk_{_act}_catalog_{_kind.many}")(_start(_kind, _act))
        operation(f"get_bulk_{_act}_{_noun(_kind)}_jobs")(_list(_kind, _act))
        operation(f"get_bulk_{_act}_{_noun(_kind)}_job")(_get(_kind, _act))
