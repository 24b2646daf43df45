"""What may be seen of delivery, in SQL: states, stories, lanes, books."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, or_, select, true

from ferrata.delivery.account import EVERY_OPERATION
from ferrata.delivery.families import FAMILIES
from ferrata.delivery.models import attempts, deliveries, delivery_minutes, lanes, quotas
from ferrata.delivery.outbox import HISTORY, LIVE
from ferrata.delivery.schemas import Attempt, Delivery, Family, Lane, LaneKey, Minute, State, Story, Totals
from ferrata.infra.leases import leases
from ferrata.kit.ids import time_of

ATTEMPTS_SHOWN = 500

_DELIVERY = (
    deliveries.c.id, deliveries.c.store_id, deliveries.c.state, deliveries.c.attempts, deliveries.c.accepted_at,
    deliveries.c.finished_at, deliveries.c.next_at, deliveries.c.reason_code, deliveries.c.reason_pointer,
    deliveries.c.reason_detail, deliveries.c.batch_id, deliveries.c.earlier_batches, deliveries.c.form,
    deliveries.c.superseded_by, deliveries.c.family, deliveries.c.person,
)  # fmt: skip


def states(connection: Connection, ids: Iterable[str]) -> dict[str, Delivery]:
    rows = connection.execute(select(*_DELIVERY).where(deliveries.c.id.in_(list(ids))))
    return {row.id: _delivery(row) for row in rows}


def _delivery(row: Any) -> Delivery:
    batch_ids = [*(row.earlier_batches or "").split(), *([row.batch_id] if row.batch_id else [])]
    return Delivery(
        id=row.id,
        store_id=row.store_id,
        state=State(row.state),
        attempts=row.attempts,
        accepted_at=row.accepted_at,
        finished_at=row.finished_at,
        next_at=row.next_at,
        reason_code=row.reason_code,
        reason_pointer=row.reason_pointer,
        reason_detail=row.reason_detail,
        batch_ids=tuple(batch_ids),
        family=Family(row.family),
        person=row.person,
        form=row.form,
        superseded_by=row.superseded_by,
    )


def of_thing(connection: Connection, store_id: str, family: Family, person: str, limit: int) -> list[Delivery]:
    """Deliveries of one person's changes, or of one thing's, newest first; not of events, which are found by themselves."""
    mine = (deliveries.c.store_id == store_id, deliveries.c.person == person, deliveries.c.family == family.value)
    # Said once more as a literal, so that the partial index serves.
    query = select(*_DELIVERY).where(*mine, deliveries.c.family != literal_column("'events'"))
    return [_delivery(row) for row in connection.execute(query.order_by(deliveries.c.id.desc()).limit(limit))]


def story(connection: Connection, id_: str) -> Story | None:
    row = connection.execute(select(*_DELIVERY).where(deliveries.c.id == id_)).one_or_none()
    if row is None:
        return None
    delivery = _delivery(row)
    texts = connection.execute(select(deliveries.c.subject_json, deliveries.c.profile_json).where(deliveries.c.id == id_)).one()
    return Story(delivery, texts.subject_json, texts.profile_json, tuple(attempts_of(connection, delivery)))


def texts(connection: Connection, ids: Iterable[str]) -> dict[str, tuple[Family, str, str]]:
    """The family and the frozen texts of deliveries."""
    columns = (deliveries.c.id, deliveries.c.family, deliveries.c.subject_json, deliveries.c.profile_json)
    rows = connection.execute(select(*columns).where(deliveries.c.id.in_(list(ids))))
    return {row.id: (Family(row.family), row.subject_json, row.profile_json) for row in rows}


_ATTEMPT = (
    attempts.c.id, attempts.c.operation, attempts.c.batch_id, attempts.c.item_count, attempts.c.worker, attempts.c.started_at,
    attempts.c.duration_ms, attempts.c.outcome, attempts.c.status, attempts.c.request_id, attempts.c.answer_excerpt,
    attempts.c.rate_state, attempts.c.decision,
)  # fmt: skip


def attempts_of(connection: Connection, delivery: Delivery) -> list[Attempt]:
    """Every request in which it was sent, oldest first."""
    mine = or_(attempts.c.delivery_id == delivery.id, attempts.c.batch_id.in_(delivery.batch_ids))
    rows = connection.execute(select(*_ATTEMPT).where(mine).order_by(attempts.c.id).limit(ATTEMPTS_SHOWN))
    return [Attempt(**row) for row in rows.mappings()]


def ids_in_state(connection: Connection, store_id: str, state: State, before_id: str | None, limit: int) -> list[str]:
    """Newest first."""
    query = select(deliveries.c.id).where(deliveries.c.store_id == store_id, _is(state))
    if before_id:
        query = query.where(deliveries.c.id < before_id)
    return list(connection.execute(query.order_by(deliveries.c.id.desc()).limit(limit)).scalars())


def _is(state: State) -> ColumnElement[bool]:
    # A literal, not a parameter, so that the partial index serves.
    return deliveries.c.state == literal_column(f"'{state.value}'")


def waiting_total(connection: Connection, at_most: int) -> int:
    """How many wait in all stores; counting stops at ``at_most``."""
    some = select(literal_column("1")).where(_is(State.WAITING)).limit(at_most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def is_calm(connection: Connection, key: LaneKey, at_most: int, now: datetime, *, history: bool) -> bool:
    """Whether a new delivery of this lane, live or of ``history``, can expect its first attempt at once."""
    lane = connection.execute(
        select(lanes.c.parked_code, lanes.c.quota_id).where(lanes.c.store_id == key.store_id, lanes.c.family == key.family.value)
    ).one_or_none()
    if lane and lane.parked_code:
        return False
    if (
        lane
        and connection.execute(
            select(quotas.c.quota_id).where(
                quotas.c.quota_id == lane.quota_id,
                quotas.c.operation.in_((EVERY_OPERATION, FAMILIES[key.family].single_operation)),
                quotas.c.blocked_until > now,
            )
        ).first()
    ):
        return False
    before_it = (LIVE, HISTORY) if history else (LIVE,)
    here = (
        deliveries.c.store_id == key.store_id,
        deliveries.c.family == key.family.value,
        deliveries.c.priority.in_(before_it),
    )
    some = select(literal_column("1")).where(*here, _is(State.WAITING)).limit(at_most + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() <= at_most


def lane_rows(connection: Connection, store_ids: Sequence[str], now: datetime) -> list[Lane]:
    """One lane per store and family, as far as the database knows it; who sends adds its windows."""
    loads = _loads(connection, deliveries.c.store_id.in_(store_ids))
    found = _lanes(connection, loads, lanes.c.store_id.in_(store_ids), now)
    empty = {(lane.store_id, lane.family): lane for lane in found}
    every = [
        empty.get((store_id, family)) or (_lane(LaneKey(store_id, family), _Load(), None, {}, {}) if _always(family) else None)
        for store_id in store_ids
        for family in Family
    ]
    return [lane for lane in every if lane]


def busy_lane_rows(connection: Connection, now: datetime) -> list[Lane]:
    """Of all stores, the lanes in which something waits, is being sent, or is parked: costs nothing for those at rest."""
    return _lanes(connection, _loads(connection, true()), lanes.c.parked_code.is_not(None), now)


def _always(family: Family) -> bool:
    """Every store has events; the other lanes appear with the first that goes there."""
    return family is Family.EVENTS


@dataclass
class _Load:
    """What one lane has to do. ``waiting`` by priority."""

    waiting: dict[int, int] = field(default_factory=dict)
    oldest_at: datetime | None = None
    sending: int = 0


def _loads(connection: Connection, of_stores: ColumnElement[bool]) -> dict[LaneKey, _Load]:
    found: dict[LaneKey, _Load] = {}
    lane = (deliveries.c.store_id, deliveries.c.family)
    waiting = select(*lane, deliveries.c.priority, func.count(), func.min(deliveries.c.id)).where(of_stores, _is(State.WAITING))
    for store_id, family, priority, count, first_id in connection.execute(waiting.group_by(*lane, deliveries.c.priority)):
        load = found.setdefault(LaneKey(store_id, Family(family)), _Load())
        load.waiting[priority] = count
        accepted_at = time_of(first_id)  # ids sort by acceptance
        load.oldest_at = min(load.oldest_at or accepted_at, accepted_at)
    sending = select(*lane, func.count()).where(of_stores, _is(State.SENDING)).group_by(*lane)
    for store_id, family, count in connection.execute(sending):
        found.setdefault(LaneKey(store_id, Family(family)), _Load()).sending = count
    return found


def _lanes(connection: Connection, loads: dict[LaneKey, _Load], others: ColumnElement[bool], now: datetime) -> list[Lane]:
    """The lanes that have something to do, and ``others`` besides, in order."""
    busy = sorted({key.store_id for key in loads})
    rows = connection.execute(select(lanes).where(or_(others, lanes.c.store_id.in_(busy)))).all()
    known = {LaneKey(row.store_id, Family(row.family)): row for row in rows}
    quota_ids = {row.quota_id for row in known.values() if row.quota_id}
    owned = select(leases.c.name, leases.c.owner).where(leases.c.name.in_(quota_ids), leases.c.expires_at > now)
    owners = dict(connection.execute(owned).all())
    paused = select(quotas).where(quotas.c.quota_id.in_(quota_ids), quotas.c.blocked_until > now)
    pauses = {(row.quota_id, row.operation): row for row in connection.execute(paused)}
    keys = sorted(loads.keys() | known.keys(), key=lambda key: (key.store_id, list(Family).index(key.family)))
    return [_lane(key, loads.get(key) or _Load(), known.get(key), owners, pauses) for key in keys]


def _lane(key: LaneKey, load: _Load, row: Any, owners: Mapping[str, str], pauses: Mapping[tuple[str, str], Any]) -> Lane:
    quota_id = row.quota_id if row else ""
    pause = pauses.get((quota_id, EVERY_OPERATION)) or _operation_pause(pauses, quota_id, key)
    return Lane(
        store_id=key.store_id,
        family=key.family,
        waiting=sum(load.waiting.values()),
        waiting_live=load.waiting.get(LIVE, 0),
        sending=load.sending,
        oldest_at=load.oldest_at,
        owner=owners.get(quota_id),
        parked_code=row.parked_code if row else None,
        parked_detail=row.parked_detail if row else None,
        parked_at=row.parked_at if row else None,
        probe_at=row.probe_at if row else None,
        paused_until=pause.blocked_until if pause else None,
        paused_reason=pause.reason if pause else None,
        last_success_at=row.last_success_at if row else None,
    )


def _operation_pause(pauses: Mapping[tuple[str, str], Any], quota_id: str, key: LaneKey) -> Any:
    family = FAMILIES[key.family]
    return pauses.get((quota_id, family.bulk_operation or family.single_operation))


def totals(connection: Connection, store_id: str) -> Totals:
    """The books. What is finished is counted as it happens (``delivery_minutes``), the rest by looking."""
    mine = deliveries.c.store_id == store_id
    by_state = {
        state.value: connection.execute(select(func.count()).where(mine, _is(state))).scalar_one()
        for state in (State.WAITING, State.SENDING, State.DEAD, State.HELD)
    }
    finished = connection.execute(
        select(
            func.coalesce(func.sum(delivery_minutes.c.delivered), 0), func.coalesce(func.sum(delivery_minutes.c.discarded), 0)
        ).where(delivery_minutes.c.store_id == store_id)
    ).one()
    return Totals(**by_state, delivered=finished[0], discarded=finished[1])


def minutes(connection: Connection, store_id: str, since: datetime) -> list[Minute]:
    sums = [func.sum(delivery_minutes.c[name]).label(name) for name in ("delivered", "dead", "requests", "throttled", "failed")]
    rows = connection.execute(
        select(delivery_minutes.c.minute.label("at"), *sums)
        .where(and_(delivery_minutes.c.store_id == store_id, delivery_minutes.c.minute >= since))
        .group_by(delivery_minutes.c.minute)
        .order_by(delivery_minutes.c.minute)
    )
    return [Minute(row.at, row.delivered, row.dead, row.requests, row.throttled, row.failed) for row in rows]


def dead_since(connection: Connection, store_id: str, since: datetime | None) -> int:
    query = select(func.count()).where(deliveries.c.store_id == store_id, _is(State.DEAD))
    return connection.execute(query.where(deliveries.c.finished_at >= since) if since else query).scalar_one()
