"""Conditions that people should know of: open or over, one row for each however many processes notice it.

Any room may say so in its own transaction; it needs to know nothing about who is told, and how. The room ``alerts`` looks here,
tells people once that a condition began and once that it is over, and shows both.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Boolean, Column, Connection, Index, Integer, Row, String, Table, Text, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.infra.columns import Id, Instant, metadata
from ferrata.kit.ids import new_id

Severity = Literal["warning", "critical"]
SUMMARY_CHARACTERS, DETAIL_CHARACTERS = 500, 4_000

incidents = Table(
    "incidents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("store_id", String(32), nullable=False, server_default=""),  # "": the whole installation
    Column("subject", String(160), nullable=False, server_default=""),  # what in the store: a lane's family, a source
    Column("severity", String(8), nullable=False),
    Column("summary", String(SUMMARY_CHARACTERS), nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("ending", Text),  # what is said when it is over
    Column("opened_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("closed_at", Instant),  # null: it goes on
    Column("told_opening", Boolean, nullable=False, server_default="0"),
    Column("told_ending", Boolean, nullable=False, server_default="0"),
    Column("changes", Integer, nullable=False, server_default="0"),
    Index(
        "uq_incidents_open",
        "kind",
        "store_id",
        "subject",
        unique=True,
        sqlite_where=Column("closed_at").is_(None),
        postgresql_where=Column("closed_at").is_(None),
    ),
    Index("ix_incidents_opened_at", "opened_at"),
)
_COLUMNS = [column for column in incidents.c if column.name not in ("told_opening", "told_ending", "changes")]


@dataclass(frozen=True, slots=True)
class Condition:
    """What can go wrong, named so that it is recognised when it is noticed again. ``kind`` reads ``room.thing``."""

    kind: str
    store_id: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """A condition from its beginning to its end. ``closed_at`` None: it goes on."""

    id: str
    kind: str
    store_id: str
    subject: str
    severity: Severity
    summary: str
    detail: str
    ending: str | None
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None

    @property
    def condition(self) -> Condition:
        return Condition(self.kind, self.store_id, self.subject)


def raise_alert(
    connection: Connection,
    condition: Condition,
    summary: str,
    *,
    now: datetime,
    detail: str = "",
    severity: Severity = "warning",
) -> bool:
    """Say that this condition holds; True if it is new. Saying it again changes the words and tells nobody anew."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    words = {"summary": summary[:SUMMARY_CHARACTERS], "detail": detail[:DETAIL_CHARACTERS], "severity": severity}
    named = {"kind": condition.kind, "store_id": condition.store_id, "subject": condition.subject[:160]}
    made = insert(incidents).values(id=new_id(now), **named, **words, opened_at=now, changed_at=now)
    first = made.on_conflict_do_nothing(
        index_elements=["kind", "store_id", "subject"], index_where=incidents.c.closed_at.is_(None)
    ).returning(incidents.c.id)
    if connection.execute(first).first():
        return True
    other = (incidents.c.summary != words["summary"]) | (incidents.c.detail != words["detail"])
    connection.execute(
        update(incidents).where(*_open(condition), other).values(**words, changed_at=now, changes=incidents.c.changes + 1)
    )
    return False


def clear_alert(connection: Connection, condition: Condition, *, now: datetime, ending: str = "") -> bool:
    """Say that this condition holds no longer; True if it did until now."""
    done = update(incidents).where(*_open(condition)).values(closed_at=now, changed_at=now, ending=ending[:DETAIL_CHARACTERS])
    return connection.execute(done).rowcount > 0


def open_incidents(connection: Connection, kind: str | None = None) -> list[Incident]:
    """The conditions that hold, the longest first."""
    query = select(*_COLUMNS).where(incidents.c.closed_at.is_(None)).order_by(incidents.c.opened_at, incidents.c.id)
    rows = connection.execute(query.where(incidents.c.kind == kind) if kind else query)
    return [incident_of(row) for row in rows]


def opened_since(connection: Connection, condition: Condition, since: datetime) -> bool:
    """Whether this condition began after then, be it over or not."""
    same = (getattr(incidents.c, name) == getattr(condition, name)[:160] for name in ("kind", "store_id", "subject"))
    return connection.execute(select(incidents.c.id).where(*same, incidents.c.opened_at > since).limit(1)).first() is not None


def incident_of(row: Row[Any]) -> Incident:
    return Incident(**{column.name: getattr(row, column.name) for column in _COLUMNS})


def _open(condition: Condition) -> tuple[Any, ...]:
    return (
        incidents.c.kind == condition.kind,
        incidents.c.store_id == condition.store_id,
        incidents.c.subject == condition.subject[:160],
        incidents.c.closed_at.is_(None),
    )


def untold(connection: Connection) -> list[tuple[Incident, bool]]:
    """Incidents of which something is still to be said, and whether their beginning was said."""
    begun = incidents.c.told_opening.is_(False)
    over = incidents.c.told_ending.is_(False) & incidents.c.closed_at.is_not(None)
    rows = connection.execute(select(incidents).where(begun | over).order_by(incidents.c.id).limit(500))
    return [(incident_of(row), row.told_opening) for row in rows]


def mark_told(connection: Connection, incident_id: str, *, opening: bool = False, ending: bool = False) -> bool:
    """Say that it was said; False if somebody else has said so before."""
    conditions = [incidents.c.id == incident_id]
    values: dict[str, bool] = {}
    if opening:
        conditions.append(incidents.c.told_opening.is_(False))
        values["told_opening"] = True
    if ending:
        conditions.append(incidents.c.told_ending.is_(False))
        values["told_ending"] = True
    return connection.execute(update(incidents).where(*conditions).values(**values)).rowcount == 1


def past_incidents(connection: Connection, store_id: str | None, before_id: str | None, limit: int) -> list[Incident]:
    """Those that are over, the last begun first; of one store, or of all and of the installation."""
    query = select(*_COLUMNS).where(incidents.c.closed_at.is_not(None))
    if store_id is not None:
        query = query.where(incidents.c.store_id == store_id)
    if before_id:
        query = query.where(incidents.c.id < before_id)
    return [incident_of(row) for row in connection.execute(query.order_by(incidents.c.id.desc()).limit(limit))]


def forget_incidents(connection: Connection, before: datetime) -> int:
    """Delete those that were over before then."""
    return connection.execute(delete(incidents).where(incidents.c.closed_at < before)).rowcount
