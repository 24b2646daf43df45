"""Runs through history in SQL: one open run of each, its cursor in the same transaction as what the page made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from ferrata.infra.paging import Page, make_cursor, read_cursor
from ferrata.sources.errors import AlreadyRunning
from ferrata.sources.models import source_backfills as runs
from ferrata.sources.schemas import Counts, Run, RunState

NOTE_CHARACTERS = 1_000
_COLUMNS = [runs.c[name] for name in Run.__struct_fields__]


def run_of(row: Row[Any]) -> Run:
    return Run(**{**row._mapping, "state": RunState(row.state)})


def begin(connection: Connection, run: Run) -> None:
    """Raises AlreadyRunning."""
    try:
        with connection.begin_nested():
            connection.execute(insert(runs).values({**msgspec.structs.asdict(run), "state": run.state.value}))
    except IntegrityError:
        raise AlreadyRunning from None


def find(connection: Connection, id_: str, *, lock: bool = False) -> Run | None:
    query = select(*_COLUMNS).where(runs.c.id == id_)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return run_of(row) if row else None


def due(connection: Connection, now: datetime) -> list[Run]:
    """Runs that are to go on now."""
    query = select(*_COLUMNS).where(runs.c.finished_at.is_(None), runs.c.state == RunState.RUNNING.value)
    return [run_of(row) for row in connection.execute(query.where(or_(runs.c.next_at.is_(None), runs.c.next_at <= now)))]


def page(connection: Connection, store_id: str, kind: str | None, cursor: str | None, limit: int) -> Page[Run]:
    """Newest first. Raises Rejected for a cursor that is not ours."""
    query = select(*_COLUMNS).where(runs.c.store_id == store_id).order_by(runs.c.id.desc()).limit(limit + 1)
    if kind:
        query = query.where(runs.c.kind == kind)
    if cursor:
        query = query.where(runs.c.id < read_cursor(cursor, 1)[0])
    rows = connection.execute(query).all()
    found = tuple(run_of(row) for row in rows[:limit])
    return Page(found, make_cursor(found[-1].id) if len(rows) > limit else None)


def page_done(connection: Connection, run: Run, *, cursor: str | None, made: Counts, total: int | None, now: datetime) -> None:
    """Go on after a page: in the transaction of what it made. Without a cursor it was the last one."""
    ended = cursor is None
    took = max(0, int((now - run.seen_at).total_seconds() * 1000))
    connection.execute(
        update(runs)
        .where(runs.c.id == run.id)
        .values(
            cursor=cursor,
            state=RunState.DONE.value if ended else runs.c.state,
            finished_at=now if ended else None,
            pages=runs.c.pages + 1,
            messages=runs.c.messages + made.kept,
            made=runs.c.made + made.mapped,
            repeated=runs.c.repeated + made.repeated,
            skipped=runs.c.skipped + made.skipped,
            refused=runs.c.refused + made.refused,
            total=total if total is not None else runs.c.total,
            failures=0,
            next_at=None,
            note=None,
            seen_at=now,
            worked_ms=runs.c.worked_ms + took,
        )
    )


def seen(connection: Connection, run: Run, now: datetime, note: str | None = None) -> None:
    """Work begins, or waits: the time until now does not count as work."""
    connection.execute(update(runs).where(runs.c.id == run.id).values(seen_at=now, note=note))


def put_off(connection: Connection, run: Run, note: str, next_at: datetime, now: datetime) -> None:
    """A page could not be read: once more, later."""
    connection.execute(
        update(runs)
        .where(runs.c.id == run.id)
        .values(failures=runs.c.failures + 1, note=note[:NOTE_CHARACTERS], next_at=next_at, seen_at=now)
    )


def move(connection: Connection, run: Run, state: RunState, now: datetime, note: str | None = None) -> None:
    """Pause, resume, cancel, fail. Cancelled and done runs are finished; failed ones can be resumed."""
    finished = now if state in (RunState.CANCELLED, RunState.DONE) else None
    values = {"state": state.value, "finished_at": finished, "note": note, "next_at": None, "failures": 0, "seen_at": now}
    connection.execute(update(runs).where(runs.c.id == run.id).values(values))


def open_runs(connection: Connection, store_id: str) -> Sequence[Run]:
    query = select(*_COLUMNS).where(runs.c.store_id == store_id, runs.c.finished_at.is_(None)).order_by(runs.c.id.desc())
    return [run_of(row) for row in connection.execute(query)]
