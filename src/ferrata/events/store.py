"""All the SQL of accepting events. What is asked about them afterwards is in ``queries.py``."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Insert, Row, bindparam, func, select, update

from ferrata.events.models import event_minutes, events
from ferrata.events.schemas import Event
from ferrata.events.settling import Key
from ferrata.infra.database.prepared import UPSERTS, Prepared, one_of
from ferrata.profiles.errors import Overtaken

COLUMNS = tuple(events.c[name] for name in Event.__struct_fields__)
_LOOKED_UP_AT_ONCE = 500
_insert_events = Prepared(
    {name: insert(events).on_conflict_do_nothing() for name, insert in UPSERTS.items()}, [column.name for column in events.c]
)
_find_by_event_ids = Prepared(
    select(*COLUMNS).where(events.c.store_id == bindparam("of"), one_of(events.c.event_id, "event_ids")), ["of", "event_ids"]
)


def _counting(insert: Any) -> Insert:
    statement = insert(event_minutes)
    counting: Insert = statement.on_conflict_do_update(
        index_elements=[event_minutes.c.store_id, event_minutes.c.minute, event_minutes.c.worker],
        set_={"accepted": event_minutes.c.accepted + statement.excluded.accepted},
    )
    return counting


_count_minute = Prepared(
    {name: _counting(insert) for name, insert in UPSERTS.items()}, ["store_id", "minute", "worker", "accepted"]
)


def event_of(row: Row[Any]) -> Event:
    return Event(**row._mapping)


def find_by_event_ids(connection: Connection, keys: Iterable[Key]) -> dict[Key, Event]:
    """What is kept under these stores' event ids."""
    found: dict[Key, Event] = {}
    by_store: dict[str, list[str]] = {}
    for store_id, event_id in keys:
        by_store.setdefault(store_id, []).append(event_id)
    for store_id, event_ids in by_store.items():
        for values in _find_by_event_ids.rows(connection, store_id, event_ids):
            event = Event(**dict(zip(Event.__struct_fields__, values, strict=True)))
            found[(store_id, event.event_id or "")] = event
    return found


def insert_events(connection: Connection, new: Sequence[Event]) -> bool:
    """Keep new events; False if every one of them is there already, from this same unit of work run before.

    Raises:
        Overtaken: one of the event ids has been taken since it was looked up; nothing may be kept of this transaction.
    """
    # In one order everywhere, so that two units that share event ids wait for each other and never in a ring.
    ordered = sorted(new, key=lambda event: (event.store_id, event.event_id or ""))
    kept = _insert_events.many(connection, [_row_of(event) for event in ordered])
    if kept == len(new):
        return True
    if kept == 0 and _all_present(connection, new):
        return False  # the connection broke after the commit, and the unit ran again
    raise Overtaken


def replace_event(connection: Connection, id_: str, by: Event) -> None:
    """Give an event the content of another; its ids, and when it was accepted, stay."""
    content = {name: value for name, value in msgspec.structs.asdict(by).items() if name not in ("id", "store_id", "event_id")}
    connection.execute(update(events).where(events.c.store_id == by.store_id, events.c.id == id_).values(content))


def _row_of(event: Event) -> tuple[Any, ...]:
    return event.store_id, event.id, *msgspec.structs.astuple(event)[2:]


def _all_present(connection: Connection, new: Sequence[Event]) -> bool:
    present = 0
    for some in pieces(new, _LOOKED_UP_AT_ONCE):
        store_ids, ids = {event.store_id for event in some}, [event.id for event in some]
        query = select(func.count()).where(events.c.store_id.in_(store_ids), events.c.id.in_(ids))
        present += connection.execute(query).scalar_one()
    return present == len(new)


def count_minute(connection: Connection, worker: str, minute: datetime, accepted: dict[str, int]) -> None:
    """Add what was accepted, by store, to this worker's counters of the minute."""
    _count_minute.many(connection, [(store_id, minute, worker, count) for store_id, count in sorted(accepted.items())])


def pieces(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
