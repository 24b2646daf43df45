"""Where events are kept, and Klaviyo's promise that one profile has an event of a metric and unique_id once."""

import sqlite3
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from klaviyo_sandbox import metric_store, profile_store
from klaviyo_sandbox.errors import ApiError, Problem
from klaviyo_sandbox.event_documents import EventWrite
from klaviyo_sandbox.exchange import Call
from klaviyo_sandbox.state import State, schema

schema(
    """
    CREATE TABLE IF NOT EXISTS events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, account_id TEXT NOT NULL, profile_id TEXT NOT NULL,
        metric_id TEXT NOT NULL, unique_id TEXT NOT NULL, timestamp INTEGER NOT NULL, value, value_currency TEXT,
        backfill INTEGER NOT NULL, properties TEXT NOT NULL, visible_at REAL NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS events_once ON events (profile_id, metric_id, unique_id);
    CREATE INDEX IF NOT EXISTS events_by_time ON events (account_id, timestamp, seq);
    CREATE TABLE IF NOT EXISTS valued_metrics (metric_id TEXT PRIMARY KEY);
    """
)

_INSERT = (
    "INSERT INTO events (id, account_id, profile_id, metric_id, unique_id, timestamp, value, value_currency, backfill,"
    " properties, visible_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (profile_id, metric_id, unique_id) DO NOTHING"
)
Fate = Literal["event_stored", "event_duplicate", "event_late_dropped", "event_test_address_dropped"]
EffectRow = tuple[str, str | None, str | None, str | None, str | None, str]


@dataclass(frozen=True, slots=True)
class Addressed:
    """An event with the profile it belongs to and its place in the request."""

    event: EventWrite
    profile_id: str
    pointer: str
    identifiers: dict[str, str | None]


class Recorded(msgspec.Struct):
    """What an effect tells of an event: everything as it was sent, to be compared with what should have been."""

    timestamp: int
    value: int | float | None
    value_currency: str | None
    backfill: bool
    identifiers: dict[str, str | None]
    properties: msgspec.Raw


def keep(call: Call, events: list[Addressed], *, bulk: bool) -> None:
    """Store events that are new for their profile and metric, in order, and record each one's fate.

    Bulk requests follow the switch `dedupe`: `in_request` refuses the request when it repeats a unique_id itself,
    `strict` also when an earlier request has brought it; `silent` (and single events) only drop repetitions.
    """
    mode = call.sandbox.switches.dedupe if bulk else "silent"
    metrics: dict[str, str] = {}
    valued = _Valued(call.state)
    seen: set[tuple[str, str, str]] = set()
    problems: list[Problem] = []
    effects: list[EffectRow] = []
    latest: dict[str, int] = {}
    for addressed in events:
        event, profile_id = addressed.event, addressed.profile_id
        metric_id = metrics.get(event.metric) or metrics.setdefault(event.metric, _metric_id(call, event.metric))
        unique_id = event.unique_id or str(event.timestamp)
        key = (profile_id, metric_id, unique_id)
        event_id = call.sandbox.ids.event()
        value = valued.value_of(event, metric_id)
        is_new = _insert(call, event_id, addressed, metric_id=metric_id, unique_id=unique_id, value=value)
        repeated = key in seen if mode == "in_request" else not is_new
        seen.add(key)
        if repeated and mode != "silent" and event.unique_id is not None:
            problems.append(_repeated(addressed))
        if is_new:
            latest[profile_id] = max(event.timestamp, latest.get(profile_id, 0))
        fate: Fate = "event_stored" if is_new else "event_duplicate"
        effects.append(effect_row(fate, addressed, event_id if is_new else None, profile_id))
    if problems:
        raise ApiError(*problems)
    for profile_id, timestamp in latest.items():
        profile_store.saw_event(call.state, profile_id, timestamp)
    call.sandbox.journal.effects(call, effects)


def effect_row(fate: Fate, addressed: Addressed, event_id: str | None, profile_id: str | None) -> EffectRow:
    """The journal's line about one event."""
    event = addressed.event
    unique_id = event.unique_id or str(event.timestamp)
    recorded = Recorded(
        event.timestamp,
        event.value,
        event.value_currency,
        event.backfill,
        addressed.identifiers,
        msgspec.Raw(event.properties),
    )
    return (fate, event_id, profile_id, event.metric, unique_id, msgspec.json.encode(recorded).decode())


def _metric_id(call: Call, name: str) -> str:
    return metric_store.get_or_create(
        call.state,
        call.sandbox.ids,
        call.account_id,
        name,
        now=call.timestamp,
        visible_at=call.visible_at,
        integration=call.credential.integration,
    )


class _Valued:
    """Which metrics have had values: an event of such a metric that brings none counts as 0, as recorded."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[str, bool] = {}

    def value_of(self, event: EventWrite, metric_id: str) -> int | float | None:
        if event.value is not None:
            if not self._known.get(metric_id):
                self._known[metric_id] = True
                self._state.execute("INSERT OR IGNORE INTO valued_metrics VALUES (?)", (metric_id,))
            return event.value
        if metric_id not in self._known:
            row = self._state.one("SELECT 1 FROM valued_metrics WHERE metric_id = ?", (metric_id,))
            self._known[metric_id] = row is not None
        return 0 if self._known[metric_id] else None


def _insert(
    call: Call, event_id: str, addressed: Addressed, *, metric_id: str, unique_id: str, value: int | float | None
) -> bool:
    event = addressed.event
    row = (
        *(event_id, call.account_id, addressed.profile_id, metric_id, unique_id, event.timestamp),
        *(value, event.value_currency, event.backfill, event.properties.decode(), call.visible_at),
    )
    return call.state.execute(_INSERT, row).rowcount > 0


def _repeated(addressed: Addressed) -> Problem:
    unique_id = addressed.event.unique_id
    detail = f"The unique_id '{unique_id}' is repeated for this profile and metric; no events were processed."
    return Problem(detail, f"{addressed.pointer}/attributes/unique_id")


@profile_store.on_merge
def _move_events(state: State, source_id: str, destination_id: str) -> None:
    """A merged profile's events go along; those that the destination has already are lost."""
    state.execute("UPDATE OR IGNORE events SET profile_id = ? WHERE profile_id = ?", (destination_id, source_id))
    state.execute("DELETE FROM events WHERE profile_id = ?", (source_id,))


def find(state: State, account_id: str, event_id: str, now: float) -> sqlite3.Row | None:
    """A visible event's row."""
    sql = "SELECT * FROM events WHERE id = ? AND account_id = ? AND visible_at <= ?"
    return state.one(sql, (event_id, account_id, now))


def properties_as_read(row: sqlite3.Row) -> dict[str, Any]:
    """`event_properties`: what was sent, and the specials under which Klaviyo shows unique_id, value and currency."""
    properties: dict[str, Any] = msgspec.json.decode(row["properties"])
    if row["value_currency"] is not None:
        properties["$value_currency"] = row["value_currency"]
    properties["$event_id"] = row["unique_id"]
    if row["value"] is not None:
        properties["$value"] = row["value"]
    return properties
