"""The history of cleanup runs, in SQL."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from ferrata.infra.paging import Page, make_cursor, read_cursor
from ferrata.kit.ids import first_id_at
from ferrata.retention.models import cleanup_runs
from ferrata.retention.schemas import CleanupRun, Counts, RunState, Trigger

ERROR_CHARACTERS = 500
SILENT_FOR = timedelta(minutes=10)
"""A run that shows no step for so long was killed; one step takes seconds."""


def begin(connection: Connection, run: CleanupRun) -> None:
    values = {name: value for name, value in asdict(run).items() if name not in ("counts", "state")}
    connection.execute(insert(cleanup_runs).values(**values, seen_at=run.started_at))


def progress(connection: Connection, run_id: str, more: Counts, now: datetime) -> None:
    """Add what this very transaction deletes."""
    added = {name: cleanup_runs.c[name] + count for name, count in asdict(more).items() if count}
    connection.execute(update(cleanup_runs).where(cleanup_runs.c.id == run_id).values(seen_at=now, **added))


def finish(connection: Connection, run_id: str, now: datetime, error: str | None) -> None:
    told = error[:ERROR_CHARACTERS] if error else None
    connection.execute(update(cleanup_runs).where(cleanup_runs.c.id == run_id).values(finished_at=now, seen_at=now, error=told))


def find(connection: Connection, run_id: str, now: datetime) -> CleanupRun | None:
    row = connection.execute(select(cleanup_runs).where(cleanup_runs.c.id == run_id)).one_or_none()
    return _run(row, now) if row else None


def newest(connection: Connection, store_id: str | None, cursor: str | None, limit: int, now: datetime) -> Page[CleanupRun]:
    """Newest first; of one store also those that were about every store. Raises Rejected for a cursor that is not ours."""
    query = select(cleanup_runs).order_by(cleanup_runs.c.id.desc()).limit(limit + 1)
    if store_id:
        query = query.where((cleanup_runs.c.store_id == store_id) | cleanup_runs.c.store_id.is_(None))
    if cursor:
        query = query.where(cleanup_runs.c.id < read_cursor(cursor, 1)[0])
    rows = connection.execute(query).all()
    runs = tuple(_run(row, now) for row in rows[:limit])
    return Page(runs, make_cursor(runs[-1].id) if len(rows) > limit else None)


def _run(row: Row[Any], now: datetime) -> CleanupRun:
    return CleanupRun(
        id=row.id,
        store_id=row.store_id,
        trigger=Trigger(row.trigger),
        actor=row.actor,
        retention_days=row.retention_days,
        cutoff_day=row.cutoff_day,
        started_at=row.started_at,
        finished_at=row.finished_at,
        state=_state(row, now),
        error=row.error,
        counts=Counts(row.events, row.profiles, row.attempts, row.batches, row.kept_undelivered),
    )


def _state(row: Row[Any], now: datetime) -> RunState:
    if row.finished_at:
        return RunState.FAILED if row.error else RunState.DONE
    return RunState.RUNNING if now - row.seen_at < SILENT_FOR else RunState.INTERRUPTED


def forget_before(connection: Connection, before: datetime) -> None:
    """Delete the records of runs that began before that instant."""
    connection.execute(delete(cleanup_runs).where(cleanup_runs.c.id < first_id_at(before)))
