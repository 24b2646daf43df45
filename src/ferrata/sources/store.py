"""All the SQL of raw messages: keep each once, find what waits in its order, mark what became of it, list and forget."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, exists, func, or_, select, update

from ferrata.infra.database.prepared import UPSERTS, Prepared
from ferrata.infra.paging import Page, make_cursor, read_cursor
from ferrata.kit.ids import first_id_at
from ferrata.sources.contract import Message, Skipped
from ferrata.sources.errors import Unreadable
from ferrata.sources.models import source_messages as messages
from ferrata.sources.schemas import Backlog, KeptMessage, LineKey, Made, State, Wanted

REASON_CHARACTERS = 2_000
AWAY = "source_away"
"""Why a message waits whose lookups the API of its source did not answer."""
_made = msgspec.json.Decoder(tuple[Made, ...]).decode
_skipped = msgspec.json.Decoder(tuple[Skipped, ...]).decode
_COLUMNS = [column.name for column in messages.c]
_insert = Prepared({name: insert(messages).on_conflict_do_nothing() for name, insert in UPSERTS.items()}, _COLUMNS)
_marks = ("state", "attempts", "next_at", "reason_code", "reason", "version", "mapped_at", "made", "skipped")
_mark = Prepared(
    update(messages)
    .where(messages.c.id == bindparam("of"), messages.c.state == bindparam("was"))
    .values({name: bindparam(name) for name in _marks}),
    ["of", "was", *_marks],
)


def insert(connection: Connection, new: Sequence[KeptMessage]) -> int:
    """Keep messages; how many were new. One that is there under its message id stays as it is."""
    return _insert.many(connection, [_row_of(each) for each in new])


def _row_of(kept: KeptMessage) -> tuple[Any, ...]:
    values = {
        "id": kept.id,
        "store_id": kept.message.store_id,
        "kind": kept.message.kind,
        "message_id": kept.message.message_id,
        "business_key": kept.message.business_key,
        "title": kept.title[:120],
        "received_at": kept.message.received_at,
        "headers": json.dumps(dict(kept.message.headers)),
        "body": kept.message.body,
        "envelope": kept.envelope,
        "history": kept.message.history,
        **_marks_of(kept),
    }
    return tuple(values[name] for name in _COLUMNS)


def _marks_of(kept: KeptMessage) -> dict[str, Any]:
    return {
        "state": kept.state.value,
        "attempts": kept.attempts,
        "next_at": kept.next_at,
        "reason_code": kept.reason_code,
        "reason": kept.reason[:REASON_CHARACTERS] if kept.reason else None,
        "version": kept.version,
        "mapped_at": kept.mapped_at,
        "made": msgspec.json.encode(kept.made).decode() if kept.made else None,
        "skipped": msgspec.json.encode(kept.skipped).decode() if kept.skipped else None,
    }


def mark(connection: Connection, kept: KeptMessage, was: State) -> bool:
    """Write down what has become of a message; False if it is not in the state any more in which it was found."""
    values = _marks_of(kept)
    return _mark.run(connection, kept.id, was.value, *(values[name] for name in _marks)) == 1


def message_of(row: Row[Any]) -> KeptMessage:
    return KeptMessage(
        id=row.id,
        message=Message(
            store_id=row.store_id,
            kind=row.kind,
            message_id=row.message_id,
            business_key=row.business_key,
            received_at=row.received_at,
            body=bytes(row.body),
            headers=json.loads(row.headers),
            history=row.history,
        ),
        title=row.title,
        state=State(row.state),
        envelope=row.envelope,
        attempts=row.attempts,
        next_at=row.next_at,
        reason_code=row.reason_code,
        reason=row.reason,
        version=row.version,
        mapped_at=row.mapped_at,
        made=_made(row.made) if row.made else (),
        skipped=_skipped(row.skipped) if row.skipped else (),
    )


def _is(line: LineKey) -> tuple[ColumnElement[bool], ...]:
    return messages.c.store_id == line.store_id, messages.c.kind == line.kind


def _waits() -> ColumnElement[bool]:
    return messages.c.state == State.WAITING.value


def _held(now: datetime) -> ColumnElement[bool]:
    """Something earlier with the same business key must wait, and this behind it."""
    earlier = messages.alias()
    return exists().where(
        earlier.c.store_id == messages.c.store_id,
        earlier.c.kind == messages.c.kind,
        earlier.c.state == State.WAITING.value,
        earlier.c.business_key == messages.c.business_key,
        earlier.c.id < messages.c.id,
        earlier.c.next_at > now,
    )


def due(connection: Connection, line: LineKey, now: datetime, limit: int) -> list[KeptMessage]:
    """What may be mapped now, in the order of arrival: nothing whose business key has something earlier that must wait."""
    query = (
        select(messages)
        .where(*_is(line), _waits(), or_(messages.c.next_at.is_(None), messages.c.next_at <= now), ~_held(now))
        .order_by(messages.c.id)
        .limit(limit)
    )
    return [message_of(row) for row in connection.execute(query)]


def stuck(connection: Connection, before: datetime, now: datetime) -> list[tuple[LineKey, int, datetime]]:
    """How many live messages of each line should have been mapped long ago, and since when the oldest waits.

    They came before that instant, and either could be mapped now or wait for the API of their source. What waits for another
    message is not stuck.
    """
    late = (_waits(), messages.c.history.is_(False), messages.c.received_at < before)
    query = (
        select(messages.c.store_id, messages.c.kind, func.count(), func.min(messages.c.received_at))
        .where(*late, _could_go(now))
        .group_by(messages.c.store_id, messages.c.kind)
    )
    return [(LineKey(store_id, kind), count, oldest) for store_id, kind, count, oldest in connection.execute(query)]


def _could_go(now: datetime) -> ColumnElement[bool]:
    """It could be mapped now, or waits for the API of its source; not: for another message."""
    due_now = or_(messages.c.next_at.is_(None), messages.c.next_at <= now)
    return or_(messages.c.reason_code == AWAY, due_now & ~_held(now))


def waiting(connection: Connection) -> list[tuple[LineKey, int, datetime]]:
    """How many messages wait in each line, and since when the oldest does."""
    query = select(messages.c.store_id, messages.c.kind, func.count(), func.min(messages.c.received_at)).where(_waits())
    rows = connection.execute(query.group_by(messages.c.store_id, messages.c.kind))
    return [(LineKey(store_id, kind), count, oldest) for store_id, kind, count, oldest in rows]


def lines_with_work(connection: Connection, now: datetime) -> list[LineKey]:
    """Each line that has something to be mapped now."""
    query = select(messages.c.store_id, messages.c.kind).where(
        _waits(), or_(messages.c.next_at.is_(None), messages.c.next_at <= now)
    )
    return [LineKey(row.store_id, row.kind) for row in connection.execute(query.distinct())]


def lock_waiting(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Which of these still wait; ours until the end of the transaction."""
    query = select(messages.c.id).where(messages.c.id.in_(ids), _waits()).order_by(messages.c.id).with_for_update()
    return set(connection.execute(query).scalars())


def find(connection: Connection, line: LineKey, id_: str) -> KeptMessage | None:
    row = connection.execute(select(messages).where(*_is(line), messages.c.id == id_)).one_or_none()
    return message_of(row) if row else None


def page(connection: Connection, wanted: Wanted, cursor: str | None, limit: int) -> Page[KeptMessage]:
    """Newest first. Raises Rejected for a cursor that is not ours."""
    query = select(messages).where(*_wanted(wanted)).order_by(messages.c.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(messages.c.id < read_cursor(cursor, 1)[0])
    rows = connection.execute(query).all()
    found = tuple(message_of(row) for row in rows[:limit])
    return Page(found, make_cursor(found[-1].id) if len(rows) > limit else None)


def batch(connection: Connection, wanted: Wanted, after_id: str, limit: int) -> list[KeptMessage]:
    """Oldest first, after an id."""
    query = select(messages).where(*_wanted(wanted), messages.c.id > after_id).order_by(messages.c.id).limit(limit)
    return [message_of(row) for row in connection.execute(query)]


def count(connection: Connection, wanted: Wanted) -> int:
    return connection.execute(select(func.count()).where(*_wanted(wanted))).scalar_one()


def _unproven() -> ColumnElement[bool]:
    """Kept apart because nobody knows who sent it; what was believed and could not be opened is not."""
    return messages.c.envelope.is_(True) & (messages.c.reason_code != Unreadable.code)


def count_refused(connection: Connection, line: LineKey) -> int:
    """Refused messages that the source itself has sent."""
    refused = (*_is(line), messages.c.state == State.REFUSED.value, ~_unproven())
    return connection.execute(select(func.count()).where(*refused)).scalar_one()


def count_unproven(connection: Connection, line: LineKey, since: datetime) -> int:
    """Deliveries of after that instant which prove nothing."""
    refused = (*_is(line), messages.c.state == State.REFUSED.value, _unproven(), messages.c.id >= first_id_at(since))
    return connection.execute(select(func.count()).where(*refused, messages.c.received_at > since)).scalar_one()


def last_proven_at(connection: Connection, line: LineKey) -> datetime | None:
    """When the newest live message came that the source itself has sent."""
    live = (*_is(line), messages.c.history.is_(False), messages.c.envelope.is_(False))
    query = select(messages.c.received_at).where(*live).order_by(messages.c.id.desc()).limit(1)
    return connection.execute(query).scalar_one_or_none()


def unanswered(connection: Connection, before: datetime) -> dict[LineKey, tuple[datetime, str]]:
    """The lines of which a message from before that instant still waits for the API of its source; since when, and why."""
    asked = (_waits(), messages.c.reason_code == AWAY, messages.c.attempts > 1, messages.c.received_at <= before)
    of = (messages.c.store_id, messages.c.kind)
    query = select(*of, func.min(messages.c.received_at), func.max(messages.c.reason)).where(*asked).group_by(*of)
    return {LineKey(row[0], row[1]): (row[2], row[3] or "") for row in connection.execute(query)}


def count_to_replay(connection: Connection, wanted: Wanted, limit: int) -> int:
    """How many of these would wait again; deliveries kept apart unopened only where they are named."""
    which = [*_wanted(wanted), messages.c.state != State.WAITING.value]
    if not wanted.ids:
        which.append(messages.c.envelope.is_(False))
    return min(limit, connection.execute(select(func.count()).where(*which)).scalar_one())


def _wanted(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    yield messages.c.store_id == wanted.store_id
    if wanted.kind:
        yield messages.c.kind == wanted.kind
    if wanted.states:
        yield messages.c.state.in_([state.value for state in wanted.states])
    if wanted.since:
        yield messages.c.id >= first_id_at(wanted.since)
    if wanted.until:
        yield messages.c.id < first_id_at(wanted.until)
    if wanted.ids:
        yield messages.c.id.in_(wanted.ids)


def wait_again(connection: Connection, wanted: Wanted, limit: int) -> int:
    """Let finished or refused messages be mapped again, the oldest first; how many there were."""
    some = select(messages.c.id).where(*_wanted(wanted), messages.c.state != State.WAITING.value, messages.c.envelope.is_(False))
    values = {"state": State.WAITING.value, "attempts": 0, "next_at": None, "reason_code": None, "reason": None}
    ids = some.order_by(messages.c.id).limit(limit)
    return connection.execute(update(messages).where(messages.c.id.in_(ids)).values(values)).rowcount


def release(connection: Connection, line: LineKey) -> int:
    """Let those go that were not tried because the API of their source was away; how many there were."""
    untried = (messages.c.reason_code == AWAY, messages.c.attempts == 0, messages.c.next_at.is_not(None))
    return connection.execute(update(messages).where(*_is(line), _waits(), *untried).values(next_at=None)).rowcount


def bodies_after(connection: Connection, store_id: str, after_id: str, limit: int) -> list[tuple[str, str, bytes]]:
    """Id, business key and body of a store's messages of all sources, oldest first, after an id."""
    columns = (messages.c.id, messages.c.business_key, messages.c.body)
    query = select(*columns).where(messages.c.store_id == store_id, messages.c.id > after_id).order_by(messages.c.id).limit(limit)
    return [(id_, key, bytes(body)) for id_, key, body in connection.execute(query)]


def erase(connection: Connection, store_id: str, ids: Sequence[str]) -> int:
    """Delete messages for good, whatever has become of them."""
    return connection.execute(delete(messages).where(messages.c.store_id == store_id, messages.c.id.in_(ids))).rowcount


def discard(connection: Connection, line: LineKey, ids: Sequence[str]) -> int:
    """Delete refused messages for good."""
    refused = (messages.c.state == State.REFUSED.value, messages.c.id.in_(ids))
    return connection.execute(delete(messages).where(*_is(line), *refused)).rowcount


def adopt(connection: Connection, kind: str, ids: Sequence[str], store_id: str) -> int:
    """Give deliveries that named a store which is not there to one that is; how many there were."""
    nobodys = (messages.c.store_id == "", messages.c.kind == kind, messages.c.id.in_(ids))
    return connection.execute(update(messages).where(*nobodys).values(store_id=store_id)).rowcount


def drop_oldest_strays(connection: Connection, line: LineKey, keep: int) -> int:
    """Of deliveries kept apart unopened, delete all but the newest ``keep``."""
    strays = (*_is(line), messages.c.state == State.REFUSED.value, messages.c.envelope.is_(True))
    bound = connection.execute(
        select(messages.c.id).where(*strays).order_by(messages.c.id.desc()).offset(keep).limit(1)
    ).scalar_one_or_none()
    if bound is None:
        return 0
    return connection.execute(delete(messages).where(*strays, messages.c.id <= bound)).rowcount


def forget_before(connection: Connection, before: datetime, limit: int) -> int:
    """Delete messages of before that instant that were mapped or skipped; refused and waiting ones stay."""
    finished = messages.c.state.in_([State.MAPPED.value, State.SKIPPED.value])
    old = select(messages.c.id).where(messages.c.id < first_id_at(before), finished).limit(limit)
    return connection.execute(delete(messages).where(messages.c.id.in_(old))).rowcount


def backlog(connection: Connection, line: LineKey, now: datetime) -> Backlog:
    """What waits in a line, and why."""
    waits = (*_is(line), _waits())
    whole = select(func.count()).where(*waits)
    count = connection.execute(whole).scalar_one()
    if not count:
        return Backlog()
    query = select(func.count(), func.min(messages.c.received_at)).where(*waits, _could_go(now))
    could_go, oldest = connection.execute(query).one()
    why = select(messages.c.reason).where(*waits, messages.c.reason.is_not(None)).order_by(messages.c.id).limit(1)
    first = connection.execute(why.where(_could_go(now))).scalar_one_or_none() if could_go else None
    return Backlog(count, count - could_go, oldest, first or connection.execute(why).scalar_one_or_none())


def last_at(connection: Connection, line: LineKey) -> datetime | None:
    """When the newest message came."""
    query = select(messages.c.received_at).where(*_is(line)).order_by(messages.c.id.desc()).limit(1)
    return connection.execute(query).scalar_one_or_none()
