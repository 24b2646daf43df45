"""All SQL of this room."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.alerts.models import alert_channels, alert_notices, alert_tries
from ferrata.alerts.schemas import Channel, Notice, Saying, State, Way

NOTICE_COLUMNS = [alert_notices.c[name] for name in Notice.__dataclass_fields__]


def channels(connection: Connection) -> list[Channel]:
    return [channel_of(row) for row in connection.execute(select(alert_channels).order_by(alert_channels.c.id))]


def channel_row(connection: Connection, channel_id: str) -> Row[Any] | None:
    return connection.execute(select(alert_channels).where(alert_channels.c.id == channel_id)).first()


def channel_rows(connection: Connection) -> Sequence[Row[Any]]:
    return connection.execute(select(alert_channels)).all()


def channel_count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(alert_channels)).scalar_one()


def add_channel(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(insert(alert_channels).values(**values))


def change_channel(connection: Connection, channel_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(update(alert_channels).where(alert_channels.c.id == channel_id).values(**values))


def remove_channel(connection: Connection, channel_id: str) -> bool:
    return connection.execute(delete(alert_channels).where(alert_channels.c.id == channel_id)).rowcount == 1


def add_notice(connection: Connection, values: Mapping[str, Any]) -> None:
    """Once for each incident, channel and saying, whoever asks."""
    made = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(made(alert_notices).values(**values).on_conflict_do_nothing())


def told_of(connection: Connection, incident_id: str) -> set[str]:
    """The channels that were told that this incident began."""
    rows = connection.execute(
        select(alert_notices.c.channel_id).where(
            alert_notices.c.incident_id == incident_id, alert_notices.c.saying == Saying.OPENED.value
        )
    )
    return set(rows.scalars())


def due(connection: Connection, now: datetime, limit: int) -> list[str]:
    """Of mail to one channel the first alone: what is due beside it goes with it."""
    query = select(alert_notices.c.id, alert_notices.c.channel_id, alert_channels.c.way).join(alert_channels)
    rows = connection.execute(query.where(*_due(now)).order_by(alert_notices.c.next_at, alert_notices.c.id).limit(limit))
    found: dict[str, str] = {}
    for row in rows:
        found.setdefault(row.channel_id if row.way == Way.EMAIL.value else row.id, row.id)
    return list(found.values())


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    free = or_(alert_notices.c.claimed_until.is_(None), alert_notices.c.claimed_until < now)
    return alert_notices.c.state == State.WAITING.value, alert_notices.c.next_at <= now, free


def claim_beside(connection: Connection, lead: Row[Any], now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Take what else is due to the same channel, with the same claim; no tests, which whoever asks for them waits for."""
    others = (alert_notices.c.channel_id == lead.channel_id, alert_notices.c.incident_id.is_not(None))
    ids = select(alert_notices.c.id).where(*others, *_due(now)).order_by(alert_notices.c.id).limit(limit)
    taken = update(alert_notices).where(alert_notices.c.id.in_(ids)).values(claim=lead.claim, claimed_until=lead.claimed_until)
    return connection.execute(taken.returning(*alert_notices.c)).all()


def last_told(connection: Connection, channel_id: str) -> datetime | None:
    """When this channel was last told of an alert."""
    told = (alert_notices.c.channel_id == channel_id, alert_notices.c.incident_id.is_not(None))
    query = select(func.max(alert_notices.c.settled_at)).where(*told, alert_notices.c.state == State.SENT.value)
    last: datetime | None = connection.execute(query).scalar_one()
    return last


def put_off(connection: Connection, notice_id: str, until: datetime) -> None:
    change = update(alert_notices).where(alert_notices.c.id == notice_id)
    connection.execute(change.values(next_at=until, claim=None, claimed_until=None))


def claim(connection: Connection, notice_id: str, by: str, now: datetime, until: datetime) -> Row[Any] | None:
    """Take one message to send it: None if somebody else has, or it is settled."""
    free = or_(alert_notices.c.claimed_until.is_(None), alert_notices.c.claimed_until < now)
    taken = (
        update(alert_notices)
        .where(alert_notices.c.id == notice_id, alert_notices.c.state == State.WAITING.value, free)
        .values(claim=by, claimed_until=until)
        .returning(*alert_notices.c)
    )
    return connection.execute(taken).first()


def settle(connection: Connection, notice_id: str, by: str, values: Mapping[str, Any], attempt: Mapping[str, Any]) -> None:
    """Write down what an attempt came to; somebody who has lost the claim writes down the attempt alone."""
    mine = (alert_notices.c.id == notice_id, alert_notices.c.claim == by)
    connection.execute(update(alert_notices).where(*mine).values(**values, claim=None, claimed_until=None))
    connection.execute(insert(alert_tries).values(**attempt, notice_id=notice_id))


def notices(connection: Connection, channel_id: str, before_id: str | None, limit: int) -> list[Notice]:
    query = select(*NOTICE_COLUMNS).where(alert_notices.c.channel_id == channel_id)
    if before_id:
        query = query.where(alert_notices.c.id < before_id)
    return [notice_of(row) for row in connection.execute(query.order_by(alert_notices.c.id.desc()).limit(limit))]


def notice(connection: Connection, notice_id: str) -> Notice | None:
    row = connection.execute(select(*NOTICE_COLUMNS).where(alert_notices.c.id == notice_id)).first()
    return notice_of(row) if row else None


def forget_before(connection: Connection, before: datetime) -> int:
    old = (alert_notices.c.created_at < before, alert_notices.c.state != State.WAITING.value)
    return connection.execute(delete(alert_notices).where(*old)).rowcount


def channel_of(row: Row[Any]) -> Channel:
    return Channel(
        id=row.id,
        store_id=row.store_id,
        way=Way(row.way),
        name=row.name,
        hint=row.hint,
        kinds=tuple(row.kinds.split()),
        created_at=row.created_at,
        created_by=row.created_by,
        former_until=row.former_until,
    )


def notice_of(row: Row[Any]) -> Notice:
    values = {name: getattr(row, name) for name in Notice.__dataclass_fields__}
    return Notice(**{**values, "saying": Saying(row.saying), "state": State(row.state)})
