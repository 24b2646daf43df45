"""Which process works off which slot, in SQL: one row for each job and slot, held by a lease until it is finished.

A row that is neither finished nor held any more belongs to a process that died: the slot is then worked off again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
    text,
    update,
)

from ferrata.infra.columns import Instant, metadata

MOST_TRIES = 5
ERROR_CHARACTERS = 500
_LOCK_SPACE = 7_305_812

scheduled_runs = Table(
    "scheduled_runs",
    metadata,
    Column("job", String(64), primary_key=True),
    Column("slot", Instant, primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),  # until then the owner is believed to be alive
    Column("finished_at", Instant),
    Column("error", Text),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One slot of one job, as far as it has come. ``error`` None and ``finished_at`` set: it went well."""

    job: str
    slot: datetime
    owner: str
    tries: int
    started_at: datetime
    finished_at: datetime | None
    error: str | None


class Claim(Enum):
    OURS = "ours"
    SETTLED = "settled"  # worked off, or given up
    BUSY = "busy"  # somebody is at it, or still at an earlier slot of the same job


@dataclass(frozen=True, slots=True)
class Claimant:
    """``exclusive``: this process is the only one there can be, so whatever others hold is left behind."""

    owner: str
    now: datetime
    lease: timedelta
    exclusive: bool


def claim(connection: Connection, job: str, slot: datetime, by: Claimant) -> Claim:
    """Take a slot, if nobody has and no other slot of the job is being worked off."""
    _one_at_a_time(connection, job)
    rows = _locked_rows(connection, job, slot)
    found = next((row for row in rows if row.slot == slot), None)
    if found and found.finished_at:
        return Claim.SETTLED
    if any(_is_held(row, by) for row in rows):
        return Claim.BUSY
    _close_left_behind(connection, job, slot, by.now)
    values = {"owner": by.owner, "started_at": by.now, "expires_at": by.now + by.lease}
    if found is None:
        connection.execute(insert(scheduled_runs).values(job=job, slot=slot, tries=1, **values))
        return Claim.OURS
    if found.tries >= MOST_TRIES:
        finish(connection, job, slot, by.now, f"Given up: {found.tries} processes died over it.")
        return Claim.SETTLED
    connection.execute(update(scheduled_runs).where(*_is(job, slot)).values(tries=found.tries + 1, **values))
    return Claim.OURS


def _one_at_a_time(connection: Connection, job: str) -> None:
    """Two processes that claim different slots of a job at once must see each other. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:space, hashtext(:job))"), {"space": _LOCK_SPACE, "job": job})


def _is(job: str, slot: datetime) -> tuple[ColumnElement[bool], ...]:
    return scheduled_runs.c.job == job, scheduled_runs.c.slot == slot


def _locked_rows(connection: Connection, job: str, slot: datetime) -> Sequence[Row[Any]]:
    """The slot and whatever else of the job is not finished; locked, so that a run which ends now is seen as it ends."""
    columns = (scheduled_runs.c[name] for name in ("slot", "owner", "tries", "expires_at", "finished_at"))
    unfinished = scheduled_runs.c.finished_at.is_(None)
    query = select(*columns).where(scheduled_runs.c.job == job, or_(scheduled_runs.c.slot == slot, unfinished))
    return connection.execute(query.with_for_update()).all()


def _is_held(row: Row[Any], by: Claimant) -> bool:
    alive = row.finished_at is None and row.expires_at > by.now
    return alive and (row.owner == by.owner or not by.exclusive)


def _close_left_behind(connection: Connection, job: str, slot: datetime, now: datetime) -> None:
    connection.execute(
        update(scheduled_runs)
        .where(scheduled_runs.c.job == job, scheduled_runs.c.slot != slot, scheduled_runs.c.finished_at.is_(None))
        .values(finished_at=now, error="Broken off; a later slot makes up for it.")
    )


def renew(connection: Connection, job: str, slot: datetime, by: Claimant) -> bool:
    """Go on holding a slot; False if it is somebody else's by now."""
    mine = (*_is(job, slot), scheduled_runs.c.owner == by.owner, scheduled_runs.c.finished_at.is_(None))
    return connection.execute(update(scheduled_runs).where(*mine).values(expires_at=by.now + by.lease)).rowcount == 1


def let_go(connection: Connection, job: str, slot: datetime, by: Claimant) -> None:
    """Hold a slot no longer although it is not finished, so that the next process starts on it at once."""
    renew(connection, job, slot, replace(by, lease=-timedelta(days=1)))


def finish(connection: Connection, job: str, slot: datetime, now: datetime, error: str | None) -> None:
    cut = error[:ERROR_CHARACTERS] if error else None
    connection.execute(update(scheduled_runs).where(*_is(job, slot)).values(finished_at=now, error=cut))


def forget_before(connection: Connection, job: str, slot: datetime) -> None:
    """Delete the records of slots before that one."""
    connection.execute(
        delete(scheduled_runs).where(
            scheduled_runs.c.job == job, scheduled_runs.c.slot < slot, scheduled_runs.c.finished_at.is_not(None)
        )
    )


def last_runs(connection: Connection, job: str, limit: int) -> list[Run]:
    """Newest first."""
    columns = [scheduled_runs.c[field.name] for field in fields(Run)]
    rows = connection.execute(
        select(*columns).where(scheduled_runs.c.job == job).order_by(scheduled_runs.c.slot.desc()).limit(limit)
    )
    return [Run(*row) for row in rows]
