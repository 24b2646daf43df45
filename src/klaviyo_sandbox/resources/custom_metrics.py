"""Custom metrics: named definitions over metrics. They count and sum nothing here; they can be kept and read."""

import sqlite3
from typing import Any

import msgspec

from klaviyo_sandbox import bodies, jsonapi, metric_store
from klaviyo_sandbox.custom_metric_definitions import check_definition
from klaviyo_sandbox.errors import invalid, not_found
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.ids import full_time, second_time
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.profile_views import moment
from klaviyo_sandbox.resources import operation
from klaviyo_sandbox.resources.metrics import metric_resource
from klaviyo_sandbox.state import schema

schema(
    """
    CREATE TABLE IF NOT EXISTS custom_metrics (
        id TEXT PRIMARY KEY, account_id TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL,
        created REAL NOT NULL, updated REAL NOT NULL, UNIQUE (account_id, name)
    );
    """
)


@operation("get_custom_metrics")
def list_custom_metrics(call: Call) -> Answer:
    """All of them; there are no pages."""
    asked = jsonapi.includes(call, "metrics")
    rows = call.state.all("SELECT * FROM custom_metrics WHERE account_id = ? ORDER BY id", (call.account_id,))
    included = [metric for row in rows for metric in _metrics(call, row)] if asked else None
    answer = jsonapi.collection(call, [_resource(call, row) for row in rows], included=included)
    answer.document["links"] = {"self": answer.document["links"]["self"]}
    return answer


@operation("create_custom_metric")
def create(call: Call) -> Answer:
    """201, or 400 when the name is taken."""
    data = bodies.data(call, "custom-metric")
    attributes = bodies.attributes(data, "custom-metric", "/data", required=["name", "definition"], optional=[])
    _check(call, attributes, own_id=None)
    row = (call.sandbox.ids.ulid(call.timestamp), call.account_id, attributes["name"], _encoded(attributes["definition"]))
    call.state.execute("INSERT INTO custom_metrics VALUES (?, ?, ?, ?, ?, ?)", (*row, call.timestamp, call.timestamp))
    return jsonapi.single(call, _resource(call, _find(call, row[0]), exact=True), status=201)


@operation("get_custom_metric")
def get(call: Call) -> Answer:
    """One custom metric."""
    asked = jsonapi.includes(call, "metrics")
    row = _find(call, call.path["id"])
    return jsonapi.single(call, _resource(call, row), included=_metrics(call, row) if asked else None)


@operation("update_custom_metric")
def update(call: Call) -> Answer:
    """200 with the changed custom metric."""
    row = _find(call, call.path["id"])
    data = bodies.data(call, "custom-metric")
    bodies.same_id(data, row["id"])
    attributes = bodies.attributes(data, "custom-metric", "/data", required=[], optional=["name", "definition"])
    _check(call, attributes, own_id=row["id"])
    name = attributes.get("name") or row["name"]
    definition = _encoded(attributes["definition"]) if attributes.get("definition") else row["definition"]
    change = "UPDATE custom_metrics SET name = ?, definition = ?, updated = ? WHERE id = ?"
    call.state.execute(change, (name, definition, call.timestamp, row["id"]))
    return jsonapi.single(call, _resource(call, _find(call, row["id"])))


@operation("delete_custom_metric")
def delete(call: Call) -> Answer:
    """204."""
    call.state.execute("DELETE FROM custom_metrics WHERE id = ?", (_find(call, call.path["id"])["id"],))
    return Answer(204)


@operation("get_metrics_for_custom_metric")
def metrics_of(call: Call) -> Answer:
    """The metrics that the definition names."""
    return jsonapi.collection(call, _metrics(call, _find(call, call.path["id"])))


@operation("get_metric_ids_for_custom_metric")
def metric_ids_of(call: Call) -> Answer:
    """The same, identifiers only."""
    row = _find(call, call.path["id"])
    return jsonapi.collection(call, [jsonapi.identifier("metric", id_) for id_ in _metric_ids(row)])


def _check(call: Call, attributes: bodies.Document, *, own_id: str | None) -> None:
    bodies.refuse(bodies.typed(attributes, "name", "/data/attributes", bodies.text, "a string"))
    if attributes.get("name"):
        taken = "SELECT id FROM custom_metrics WHERE account_id = ? AND name = ?"
        owner = call.state.one(taken, (call.account_id, attributes["name"]))
        if owner is not None and owner["id"] != own_id:
            raise invalid("A custom metric with this name already exists.", "/data/attributes/name")
    if attributes.get("definition") is not None:
        bodies.refuse(check_definition(attributes["definition"], "/data/attributes/definition"))
        for index, group in enumerate(attributes["definition"]["metric_groups"]):
            if metric_store.find(call.state, call.account_id, group["metric_id"]) is None:
                where = f"/data/attributes/definition/metric_groups/{index}/metric_id"
                raise invalid(f"A metric with id {group['metric_id']} does not exist.", where)


def _find(call: Call, id_: str) -> sqlite3.Row:
    row = call.state.one("SELECT * FROM custom_metrics WHERE id = ? AND account_id = ?", (id_, call.account_id))
    if row is None:
        raise not_found(f"Custom metric with id `{id_}` does not exist.")
    return row


def _encoded(definition: Any) -> str:
    return msgspec.json.encode(definition).decode()


def _metric_ids(row: sqlite3.Row) -> list[str]:
    groups = msgspec.json.decode(row["definition"])["metric_groups"]
    return list(dict.fromkeys(group["metric_id"] for group in groups))


def _metrics(call: Call, row: sqlite3.Row) -> list[Resource]:
    found = (metric_store.find(call.state, call.account_id, metric_id) for metric_id in _metric_ids(row))
    return [metric_resource(call, metric) for metric in found if metric is not None]


def _resource(call: Call, row: sqlite3.Row, *, exact: bool = False) -> Resource:
    show = full_time if exact else second_time
    attributes = {
        "name": row["name"],
        "created": show(moment(row["created"])),
        "updated": show(moment(row["updated"])),
        "definition": msgspec.json.decode(row["definition"]),
    }
    linkage = {"metrics": [jsonapi.identifier("metric", id_) for id_ in _metric_ids(row)]}
    return jsonapi.resource(call, "custom-metric", row["id"], attributes, ("metrics",), linkage=linkage)
