"""Metrics: 200 per page by id, filtered by integration."""

import sqlite3

from klaviyo_sandbox import jsonapi, metric_store
from klaviyo_sandbox.errors import not_found
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.filter_sql import Column, where
from klaviyo_sandbox.ids import second_time
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.metric_store import API
from klaviyo_sandbox.paging import keyset
from klaviyo_sandbox.profile_views import moment
from klaviyo_sandbox.resources import operation

PAGE = 200
_COLUMNS = {
    "integration.name": Column(f"(CASE integration WHEN '{API}' THEN 'API' ELSE integration END)"),
    # Recorded: metrics show their category, yet filtering by it finds none.
    "integration.category": Column("NULL"),
}


@operation("get_metrics")
def list_metrics(call: Call) -> Answer:
    """All metrics of the account; the size of a page cannot be chosen."""
    asked = jsonapi.includes(call, "flow-triggers")
    condition, values = where(jsonapi.filters(call), _COLUMNS)
    page = keyset(
        call,
        select="SELECT * FROM metrics",
        where=f"account_id = ? AND visible_at <= ? AND {condition}",
        parameters=[call.account_id, call.timestamp, *values],
        order="id",
        identity="id",
        size=PAGE,
    )
    return jsonapi.collection(call, page.each(lambda row: metric_resource(call, row, flows=bool(asked))))


@operation("get_metric")
def get_metric(call: Call) -> Answer:
    """One metric."""
    asked = jsonapi.includes(call, "flow-triggers")
    return jsonapi.single(call, metric_resource(call, visible_metric(call, call.path["id"]), flows=bool(asked)))


def visible_metric(call: Call, metric_id: str) -> sqlite3.Row:
    """A metric that reads may see by now; 404 otherwise."""
    row = metric_store.find(call.state, call.account_id, metric_id)
    if row is None or row["visible_at"] > call.timestamp:
        raise not_found(f"Metric with id {metric_id} does not exist.")
    return row


def metric_resource(call: Call, row: sqlite3.Row, *, flows: bool = False) -> Resource:
    """A metric resource object; `flows` inlines its (never existing) flow triggers."""
    created = second_time(moment(row["created"]))
    attributes = {
        "name": row["name"],
        "created": created,
        "updated": created,
        "integration": metric_store.integration_of(row["integration"]),
    }
    linkage: dict[str, list[str]] | None = {"flow-triggers": []} if flows else None
    return jsonapi.resource(call, "metric", row["id"], attributes, ("flow-triggers",), linkage=linkage)
