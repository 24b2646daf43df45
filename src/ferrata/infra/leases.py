"""Who may work on something, such as an account or a source: one process at a time, for as long as its lease lives, proven by a
fencing token.

Every take-over raises the fence; whatever a former owner still tries to write carries the old one and is refused. On PostgreSQL
the instants are the database's own, so that the clocks of the machines do not matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    String,
    Table,
    and_,
    bindparam,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from ferrata.infra.columns import Instant, metadata
from ferrata.infra.database.prepared import Prepared
from ferrata.infra.errors import FerrataError, Recovery

TTL_SECONDS = 9.0
RENEW_EVERY_SECONDS = 2.0
STOP_SENDING_AFTER_SECONDS = 7.0
"""Without a renewal for this long an owner sends no more, well before anybody else can take over."""

leases = Table(
    "leases",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("expires_at", Instant, nullable=False),
)


class Fenced(FerrataError):
    """Another process has taken this over; nothing was written."""

    code, status, recovery = "fenced", 409, Recovery.REJECT


@dataclass(frozen=True, slots=True)
class Lease:
    name: str
    owner: str
    fence: int


def _clock(connection: Connection, now: datetime) -> ColumnElement[datetime]:
    return func.clock_timestamp(type_=Instant) if connection.dialect.name == "postgresql" else literal(now, Instant)


def is_held_by_others(connection: Connection, owner: str, now: datetime) -> ColumnElement[bool]:
    """Of a row of ``leases``: whether another process than ``owner`` holds it at this moment."""
    return and_(leases.c.owner != owner, leases.c.expires_at > _clock(connection, now))


def take(connection: Connection, name: str, owner: str, now: datetime, *, exclusive: bool) -> Lease | None:
    """Take the lease if nobody holds it, it has run out, or this process is known to be the only one (``exclusive``)."""
    ttl = timedelta(seconds=TTL_SECONDS)
    clock = _clock(connection, now)
    free = or_(leases.c.expires_at < clock, leases.c.owner == owner, literal(exclusive))
    taken = connection.execute(
        update(leases)
        .where(leases.c.name == name, free)
        .values(owner=owner, fence=leases.c.fence + 1, expires_at=_after(connection, now, ttl))
        .returning(leases.c.fence)
    ).scalar_one_or_none()
    if taken is not None:
        return Lease(name, owner, taken)
    try:
        with connection.begin_nested():
            row = {"name": name, "owner": owner, "fence": 1}
            connection.execute(insert(leases).values(**row, expires_at=_after(connection, now, ttl)))
    except IntegrityError:
        return None
    return Lease(name, owner, 1)


def _after(connection: Connection, now: datetime, ttl: timedelta) -> ColumnElement[datetime]:
    if connection.dialect.name == "postgresql":
        return func.clock_timestamp(type_=Instant) + literal(ttl)
    return literal(now + ttl, Instant)


def renew(connection: Connection, held: Sequence[Lease], now: datetime) -> list[Lease]:
    """Renew these leases; returns those that are somebody else's by now."""
    expires_at = _after(connection, now, timedelta(seconds=TTL_SECONDS))
    return [
        lease
        for lease in held
        if not connection.execute(update(leases).where(*_is(lease)).values(expires_at=expires_at)).rowcount
    ]


def _is(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    return leases.c.name == lease.name, leases.c.fence == lease.fence, leases.c.owner == lease.owner


def release(connection: Connection, lease: Lease, now: datetime) -> None:
    """Free the lease at once, so that another worker need not wait for it to run out."""
    connection.execute(
        update(leases)
        .where(leases.c.name == lease.name, leases.c.fence == lease.fence)
        .values(expires_at=now - timedelta(days=1))
    )


_hold = Prepared(
    select(leases.c.fence)
    .where(leases.c.name == bindparam("lease"), leases.c.fence == bindparam("token"), leases.c.owner == bindparam("holder"))
    .with_for_update(read=True),
    ["lease", "token", "holder"],
)


def hold(connection: Connection, lease: Lease) -> None:
    """Make this transaction's writes depend on the lease: a take-over waits until it has committed.

    Raises:
        Fenced: the lease was taken over.
    """
    if not _hold.rows(connection, lease.name, lease.fence, lease.owner):
        raise Fenced
