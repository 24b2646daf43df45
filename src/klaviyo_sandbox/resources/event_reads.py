"""Reading events: the list with filter, sort and cursors, one event, its metric and its profile."""

import re
import sqlite3
from datetime import UTC, datetime

from klaviyo_sandbox import event_store, jsonapi, metric_store, profile_store
from klaviyo_sandbox.errors import invalid, not_found
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.filter_sql import Column, where
from klaviyo_sandbox.filters import Scalar
from klaviyo_sandbox.ids import event_uuid, second_time
from klaviyo_sandbox.jsonapi import Resource, identifier
from klaviyo_sandbox.paging import keyset, page_size
from klaviyo_sandbox.profile_views import ADDITIONAL, profile_resource
from klaviyo_sandbox.resources import operation
from klaviyo_sandbox.resources.metrics import metric_resource

DEFAULT_PAGE, LARGEST_PAGE = 200, 1_000
_EVENT_ID = re.compile(r"[0-9A-Za-z]{11}")
_SORTS = {"datetime": "timestamp", "timestamp": "timestamp"}


def _seconds(value: Scalar) -> Scalar:
    return value.timestamp() if isinstance(value, datetime) else value


_COLUMNS = {
    "metric_id": Column("metric_id"),
    "profile_id": Column("profile_id"),
    "profile": Column("profile_id"),
    "metric": Column("metric_id"),
    "datetime": Column("timestamp", _seconds),
    "timestamp": Column("timestamp"),
}


@operation("get_events")
def list_events(call: Call) -> Answer:
    """Newest first unless sorted otherwise; Klaviyo does not document the order without `sort`."""
    asked = jsonapi.includes(call, "attributions", "metric", "profile")
    order, descending = jsonapi.sort(call, _SORTS, "-datetime")
    condition, values = where(jsonapi.filters(call), _COLUMNS)
    page = keyset(
        call,
        select="SELECT * FROM events",
        where=f"account_id = ? AND visible_at <= ? AND {condition}",
        parameters=[call.account_id, call.timestamp, *values],
        order=order,
        identity="seq",
        descending=descending,
        size=page_size(call, DEFAULT_PAGE, LARGEST_PAGE),
    )
    rows = list(page.rows)
    shown = page.each(lambda row: event_resource(call, row))
    return jsonapi.collection(call, shown, included=_included(call, rows, asked) if asked else None)


@operation("get_event")
def get_event(call: Call) -> Answer:
    """One event."""
    asked = jsonapi.includes(call, "attributions", "metric", "profile")
    row = _event(call)
    return jsonapi.single(call, event_resource(call, row), included=_included(call, [row], asked) if asked else None)


@operation("get_metric_for_event")
def get_metric_for_event(call: Call) -> Answer:
    """The event's metric."""
    return jsonapi.single(call, _metrics(call, [_event(call)])[0])


@operation("get_metric_id_for_event")
def get_metric_id_for_event(call: Call) -> Answer:
    """Identifier of the event's metric."""
    return jsonapi.single(call, identifier("metric", _event(call)["metric_id"]))


@operation("get_profile_for_event")
def get_profile_for_event(call: Call) -> Answer:
    """The event's profile."""
    additional = jsonapi.additional_fields(call, "profile", *ADDITIONAL)
    profile = profile_store.find(call.state, call.account_id, _event(call)["profile_id"])
    return jsonapi.single(call, profile_resource(call, profile, additional=additional) if profile else None)


@operation("get_profile_id_for_event")
def get_profile_id_for_event(call: Call) -> Answer:
    """Identifier of the event's profile."""
    return jsonapi.single(call, identifier("profile", _event(call)["profile_id"]))


def event_resource(call: Call, row: sqlite3.Row) -> Resource:
    """An event as reads show it.

    Nothing in a sandbox is attributed to a message, and events without attribution have no such relationship (recorded).
    """
    attributes = {
        "timestamp": row["timestamp"],
        "datetime": second_time(datetime.fromtimestamp(row["timestamp"], UTC)),
        "event_properties": event_store.properties_as_read(row),
        "uuid": event_uuid(row["timestamp"], row["seq"]),
    }
    linkage = {
        "profile": identifier("profile", row["profile_id"]),
        "metric": identifier("metric", row["metric_id"]),
    }
    return jsonapi.resource(call, "event", row["id"], attributes, ("profile", "metric"), linkage=linkage)


def _event(call: Call) -> sqlite3.Row:
    """The event of the path. A malformed id is 400 here, not 404, as recorded."""
    event_id = call.path["id"]
    if _EVENT_ID.fullmatch(event_id) is None:
        raise invalid(f"Invalid Event ID: '{event_id}'", "/data/id")
    row = event_store.find(call.state, call.account_id, event_id, call.timestamp)
    if row is None:
        raise not_found(f"An event with id {event_id} does not exist.")
    return row


def _included(call: Call, rows: list[sqlite3.Row], asked: set[str]) -> list[Resource]:
    metrics = _metrics(call, rows) if "metric" in asked else []
    return metrics + (_profiles(call, rows) if "profile" in asked else [])


def _metrics(call: Call, rows: list[sqlite3.Row]) -> list[Resource]:
    found = (metric_store.find(call.state, call.account_id, id_) for id_ in dict.fromkeys(r["metric_id"] for r in rows))
    return [metric_resource(call, metric) for metric in found if metric]


def _profiles(call: Call, rows: list[sqlite3.Row]) -> list[Resource]:
    profiles = profile_store.find_many(call.state, list(dict.fromkeys(row["profile_id"] for row in rows)))
    return [profile_resource(call, profile) for profile in profiles.values()]
