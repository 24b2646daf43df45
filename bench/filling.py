"""Puts events into a database as accepting them would have, by the million and without a server, as rows of the product's own.

One event is read and frozen by Ferrata's own code; the others are copies of it with other numbers. Not for measuring.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from sqlalchemy import make_url

from bench.orders import CUSTOMERS, order
from ferrata.audit.schemas import SYSTEM
from ferrata.delivery.schemas import State
from ferrata.entry.wiring import build
from ferrata.events.freezing import freeze
from ferrata.events.models import events
from ferrata.events.validation import read_event
from ferrata.infra.settings import Settings

AT_ONCE = 20_000
BATCH = 1_000
_MARK, _CUSTOMER = "@number@", "customernumber"
_DELIVERY = ("id", "store_id", "family", "priority", "person", "unique_id", "subject_json", "profile_json", "size", "state",
             "accepted_at", "alone", "batch_id", "position", "attempts", "finished_at")  # fmt: skip
_EVENT = ("store_id", "id", "event_id", "metric", "email", *[column.name for column in list(events.c)[5:]])
_BATCH = ("id", "store_id", "family", "item_count", "body_sha256", "state", "uncertain", "created_at", "finished_at")
_ATTEMPT = ("id", "store_id", "family", "quota_id", "operation", "batch_id", "item_count", "worker", "started_at", "duration_ms",
            "outcome", "status", "decision")  # fmt: skip


def settings_of(home: Path) -> Settings:
    return Settings(_env_file=home / ".env")  # type: ignore[call-arg]  # pydantic fills every field from the file


def found(home: Path, *, key: str | None = None) -> str:
    """Make the schema and the first store of an installation, connected with ``key``; the store's id."""

    async def make() -> str:
        wiring = build(settings_of(home))
        try:
            await wiring.start()
            [store] = await wiring.connections.stores()
            if key:
                await wiring.connections.set_private_key(store.id, key, actor=SYSTEM, test=False)
            return store.id
        finally:
            await wiring.close()

    return asyncio.run(make())


def found_stores(home: Path, stores: Sequence[str], key: Callable[[int], str]) -> None:
    """Make stores in an installation that has not started yet, each connected with a key of its own: ``key`` of its number."""

    async def make() -> None:
        wiring = build(settings_of(home))
        try:
            await wiring.start()
            for number, store in enumerate(stores):
                await wiring.connections.registry.create(store, store, actor=SYSTEM)
                await wiring.connections.set_private_key(store, key(number), actor=SYSTEM, test=False)
        finally:
            await wiring.close()

    asyncio.run(make())


def fill_one_each(home: Path, stores: Sequence[str]) -> None:
    """One waiting event in each of these stores, which need not be known otherwise."""
    with _Sqlite(Path(make_url(settings_of(home).database()).database or "")) as to:
        rows = (next(_rows(store, number, 1, state=State.WAITING, note="", history=False)) for number, store in enumerate(stores))
        to.put("deliveries", _DELIVERY, (delivery for _, delivery in rows))


def fill(home: Path, store_id: str, first: int, count: int, *, state: State, note: str = "x" * 200, history: bool = True) -> None:
    """Keep orders ``first`` to ``first + count`` of a store: all waiting to be delivered, or all delivered long ago."""
    url = make_url(settings_of(home).database())
    kept: _Sqlite | _Postgres = _Sqlite(Path(url.database or "")) if url.get_backend_name() == "sqlite" else _Postgres(home)
    with kept as to:
        rows = _rows(store_id, first, count, state=state, note=note, history=history)
        while some := list(islice(rows, AT_ONCE)):
            to.put("events", _EVENT, [event for event, _ in some])
            to.put("deliveries", _DELIVERY, [delivery for _, delivery in some])
            if state is State.DELIVERED:
                _put_books(to, store_id, [delivery for _, delivery in some])


def _rows(
    store_id: str, first: int, count: int, *, state: State, note: str, history: bool
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """(event, delivery). What is delivered was so long ago; its batch is that of its thousand."""
    waits = state is State.WAITING
    start = datetime.now(UTC) - (timedelta(minutes=10) if waits else timedelta(days=2))
    thousands = -(-count // BATCH)
    step = timedelta(seconds=(300 if waits else 86_400) / thousands)
    given = order("fill", 0) | {"eventId": f"fill-{_MARK}", "email": f"{_CUSTOMER}@shop.example", "backfill": history}
    given["eventAttributes"] |= {"Note": note}
    frozen = freeze(read_event(json.dumps(given).encode(), start), store_id, _MARK, "api", start, decide=lambda *_: None)
    delivery = frozen.delivery
    if delivery is None:
        raise RuntimeError("The event of the bench names nobody.")
    subject, profile = delivery.subject_json.split(_MARK), delivery.profile_json.split(_CUSTOMER)
    size = len(delivery.subject_json) + len(delivery.profile_json)
    for thousand in range(thousands):
        at = start + thousand * step
        event = msgspec.structs.asdict(frozen.event) | {"occurred_at": at}
        batch_id = id_at(at, 0)
        before = tuple(event[name] for name in _EVENT[3:4])
        after = tuple(event[name] for name in _EVENT[5:])
        tail = (size, state.value, at, not waits, None if waits else batch_id)
        end = (0 if waits else 1, None if waits else at)
        for number in range(first + thousand * BATCH, first + min(count, (thousand + 1) * BATCH)):
            id_, customer, event_id = id_at(at, number + 1), f"customer{number % CUSTOMERS}", f"fill-{number:08d}"
            email = f"{customer}@shop.example"
            yield (
                (store_id, id_, event_id, *before, email, *after),
                (id_, store_id, "events", int(history), f"email:{email}", event_id, event_id[5:].join(subject),
                 customer.join(profile), *tail, None if waits else number % BATCH, *end),
            )  # fmt: skip


def id_at(at: datetime, number: int) -> str:
    """As ``kit.ids.new_id`` writes it, but for any moment: those sort by moment and then by ``number``."""
    text = f"{int(at.timestamp() * 1000):012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-{number:012x}"


def _put_books(to: "_Sqlite | _Postgres", store_id: str, delivered: Sequence[tuple[Any, ...]]) -> None:
    """The batches in which they went, and one attempt for each."""
    at, place = _DELIVERY.index("accepted_at"), _DELIVERY.index("batch_id")
    sent = {row[place]: row[at] for row in delivered}
    to.put(
        "batches",
        _BATCH,
        [(id_, store_id, "events", BATCH, "0" * 64, "delivered", False, when, when) for id_, when in sent.items()],
    )
    operation = "POST /api/event-bulk-create-jobs"
    to.put("attempts", _ATTEMPT, [
        (id_, store_id, "events", "bench", operation, id_, BATCH, "bench", when, 50, "accepted", 202, "delivered")
        for id_, when in sent.items()
    ])  # fmt: skip


class _Sqlite:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)

    def __enter__(self) -> "_Sqlite":
        for pragma in ("synchronous=OFF", "cache_size=-400000", "wal_autocheckpoint=20000"):
            self._connection.execute(f"PRAGMA {pragma}")
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def put(self, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.execute("BEGIN")
        marks = ", ".join("?" * len(columns))
        instants = [place for place, name in enumerate(columns) if name.endswith("_at")]
        written = (_with_text(row, instants) for row in rows)
        self._connection.executemany(f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})", written)
        self._connection.execute("COMMIT")


def _with_text(row: tuple[Any, ...], instants: Sequence[int]) -> list[Any]:
    values = list(row)
    for place in instants:
        values[place] = values[place] and _text(values[place])
    return values


@lru_cache(10_000)
def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


class _Postgres:
    def __init__(self, home: Path) -> None:
        url = make_url(settings_of(home).database()).set(drivername="postgresql")
        self._connection = psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def __enter__(self) -> "_Postgres":
        self._connection.execute("SET synchronous_commit = off")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(psycopg.Error):
            self._connection.execute("ANALYZE")
        self._connection.close()

    def put(self, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
