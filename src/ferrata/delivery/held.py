"""Deliveries that were held back when they were accepted: counted, looked at, and let go. Whoever holds them gives the reason.

Such a delivery is frozen like any other, in the state ``held``. Its reason's pointer names what it is a kind of, by which it is
found again: of an event, its metric.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, literal_column, select, update

from ferrata.delivery import signals
from ferrata.delivery.models import deliveries
from ferrata.delivery.schemas import Family, LaneKey, State
from ferrata.kit.ids import first_id_at

STEP = 2_000


@dataclass(frozen=True, slots=True)
class HeldFilter:
    """Which: all given conditions hold. ``since`` is inclusive, ``until`` exclusive; both are times of acceptance."""

    store_id: str
    kind: str | None = None
    codes: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Those of one kind that are held for one reason."""

    kind: str
    code: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class HeldExample:
    """One of them, with the texts that would be sent."""

    id: str
    kind: str
    code: str
    sentence: str
    person: str
    accepted_at: datetime
    subject_json: str
    profile_json: str


def groups(connection: Connection, store_id: str) -> list[HeldGroup]:
    columns = (deliveries.c.reason_pointer, deliveries.c.reason_code)
    query = select(*columns, func.count(), func.min(deliveries.c.accepted_at), func.max(deliveries.c.accepted_at))
    rows = connection.execute(query.where(*_matching(HeldFilter(store_id))).group_by(*columns).order_by(*columns))
    return [HeldGroup(row[0] or "", row[1] or "", row[2], row[3], row[4]) for row in rows]


def count(connection: Connection, filter_: HeldFilter) -> int:
    return connection.execute(select(func.count()).where(*_matching(filter_))).scalar_one()


def newest(connection: Connection, filter_: HeldFilter, limit: int) -> list[HeldExample]:
    query = select(
        deliveries.c.id,
        deliveries.c.reason_pointer,
        deliveries.c.reason_code,
        deliveries.c.reason_detail,
        deliveries.c.person,
        deliveries.c.accepted_at,
        deliveries.c.subject_json,
        deliveries.c.profile_json,
    )
    rows = connection.execute(query.where(*_matching(filter_)).order_by(deliveries.c.id.desc()).limit(limit))
    return [HeldExample(*row) for row in rows]


def release(connection: Connection, filter_: HeldFilter, limit: int = STEP) -> int:
    """Let up to ``limit`` of them go, the oldest first; returns how many."""
    query = select(deliveries.c.id, deliveries.c.family).where(*_matching(filter_)).order_by(deliveries.c.id).limit(limit)
    rows = connection.execute(query).all()
    _set_waiting(connection, [row.id for row in rows])
    signals.announce(connection, {LaneKey(filter_.store_id, Family(row.family)) for row in rows})
    return len(rows)


def _set_waiting(connection: Connection, ids: Sequence[str]) -> None:
    if ids:
        free = {"reason_code": None, "reason_pointer": None, "reason_detail": None}
        mine = (deliveries.c.id.in_(ids), deliveries.c.state == State.HELD.value)
        connection.execute(update(deliveries).where(*mine).values(state=State.WAITING.value, **free))


def _matching(filter_: HeldFilter) -> list[ColumnElement[bool]]:
    # The state stands in the text, not in a parameter, so that the planner may use the partial index.
    found = [deliveries.c.store_id == filter_.store_id, deliveries.c.state == literal_column(f"'{State.HELD.value}'")]
    if filter_.kind is not None:
        found.append(deliveries.c.reason_pointer == filter_.kind)
    if filter_.codes:
        found.append(deliveries.c.reason_code.in_(filter_.codes))
    if filter_.since:
        found.append(deliveries.c.id >= first_id_at(filter_.since))
    if filter_.until:
        found.append(deliveries.c.id < first_id_at(filter_.until))
    return found
