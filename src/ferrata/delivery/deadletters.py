"""Dead letters in SQL: by reason, one by one, back into the outbox, or given up."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal_column, select, update

from ferrata.delivery import books
from ferrata.delivery.families import FAMILIES
from ferrata.delivery.models import deliveries
from ferrata.delivery.schemas import Change, DeadGroup, DeadLetter, Deliver, Family, Filter, LaneKey, State
from ferrata.infra.paging import Page, make_cursor, read_cursor

EXAMPLES = 5
_BACK = {
    "state": State.WAITING.value, "alone": True, "finished_at": None, "next_at": None, "form": "", "turns": 0,
    "reason_code": "replayed", "reason_pointer": None,
}  # fmt: skip

_COLUMNS = (
    deliveries.c.family, deliveries.c.subject_json, deliveries.c.id, deliveries.c.person, deliveries.c.unique_id,
    deliveries.c.accepted_at, deliveries.c.finished_at, deliveries.c.attempts, deliveries.c.reason_code,
    deliveries.c.reason_pointer, deliveries.c.reason_detail,
)  # fmt: skip


def _matching(filter_: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        deliveries.c.store_id == filter_.store_id,
        deliveries.c.state == literal_column("'dead'"),
    ]
    if filter_.ids:
        conditions.append(deliveries.c.id.in_(filter_.ids))
    if filter_.reason_code:
        conditions.append(deliveries.c.reason_code == filter_.reason_code)
    if filter_.pointer:
        conditions.append(deliveries.c.reason_pointer == filter_.pointer)
    if filter_.since:
        conditions.append(deliveries.c.finished_at >= filter_.since)
    if filter_.until:
        conditions.append(deliveries.c.finished_at < filter_.until)
    return conditions


def page(connection: Connection, filter_: Filter, cursor: str | None, limit: int) -> Page[DeadLetter]:
    """Newest first. Raises ``Rejected`` for a cursor that is not ours."""
    query = select(*_COLUMNS).where(*_matching(filter_))
    if cursor:
        (before,) = read_cursor(cursor, 1)
        query = query.where(deliveries.c.id < before)
    rows = connection.execute(query.order_by(deliveries.c.id.desc()).limit(limit + 1)).all()
    letters = tuple(_letter(*row) for row in rows[:limit])
    return Page(letters, make_cursor(letters[-1].id) if len(rows) > limit else None)


def _letter(family: str, subject_json: str, id_: str, *others: Any) -> DeadLetter:
    return DeadLetter(id_, Family(family), FAMILIES[Family(family)].title(subject_json), *others)


def groups(connection: Connection, store_id: str) -> list[DeadGroup]:
    """By reason, the most frequent first."""
    count = func.count().label("letters")
    rows = connection.execute(
        select(
            deliveries.c.reason_code,
            deliveries.c.reason_pointer,
            func.max(deliveries.c.reason_detail),
            count,
            func.min(deliveries.c.finished_at),
            func.max(deliveries.c.finished_at),
        )
        .where(*_matching(Filter(store_id)))
        .group_by(deliveries.c.reason_code, deliveries.c.reason_pointer)
        .order_by(count.desc())
    )
    return [DeadGroup(*row) for row in rows]


def count(connection: Connection, filter_: Filter, *, to_replay: bool = False) -> Change:
    """What a replay or discard of these would touch."""
    which = [*_matching(filter_), *([deliveries.c.superseded_by.is_(None)] if to_replay else [])]
    total = connection.execute(select(func.count()).where(*which)).scalar_one()
    return Change(True, total, page(connection, filter_, None, EXAMPLES).rows)


def replay(connection: Connection, filter_: Filter) -> tuple[int, set[LaneKey]]:
    """Put them back into the outbox, unchanged and with the same ``unique_id``; each will be sent alone.

    Those stay of which something newer was accepted since: they would overwrite it.
    """
    which = (*_matching(filter_), deliveries.c.superseded_by.is_(None))
    families = connection.execute(select(deliveries.c.family).where(*which).distinct()).scalars().all()
    replayed = connection.execute(
        update(deliveries).where(*which).values({**_BACK, "reason_detail": "Replayed from the dead letters."})
    ).rowcount
    return replayed, {LaneKey(filter_.store_id, Family(family)) for family in families}


def renew(connection: Connection, id_: str, item: Deliver) -> bool:
    """Put one back with another content, under its own ``unique_id``: what Klaviyo refused it never had. False if it is none."""
    which = (*_matching(Filter(item.store_id, ids=(id_,))), deliveries.c.superseded_by.is_(None))
    content = {"person": item.person, "subject_json": item.subject_json, "profile_json": item.profile_json}
    size = len(item.subject_json.encode()) + len(item.profile_json.encode())
    values = {**content, "size": size, **_BACK, "reason_detail": "Mapped again after it was refused."}
    return connection.execute(update(deliveries).where(*which).values(values)).rowcount == 1


def discard(connection: Connection, filter_: Filter, worker: str, now: datetime) -> int:
    """Give them up for good. They stay in the books, with the reason why they died."""
    discarded = connection.execute(
        update(deliveries).where(*_matching(filter_)).values(state=State.DISCARDED.value, finished_at=now)
    ).rowcount
    books.add(connection, filter_.store_id, worker, now, {"discarded": discarded})
    return discarded
