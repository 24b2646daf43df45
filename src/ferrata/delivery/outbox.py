"""The outbox in SQL: put in, look what waits, claim, freeze, and find again after a crash."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Row,
    Select,
    func,
    literal,
    literal_column,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.delivery import signals, statements
from ferrata.delivery.families import FAMILIES, Part
from ferrata.delivery.models import batches, deliveries
from ferrata.delivery.request import Item, Job, Request, asking, bulk, fingerprint, single
from ferrata.delivery.schemas import Deliver, Family, LaneKey, State, Superseded
from ferrata.delivery.statements import in_state
from ferrata.kit.ids import first_id_at

LIVE, HISTORY = 0, 1


class Waiting(msgspec.Struct, frozen=True):
    """A waiting delivery, without its texts."""

    id: str
    priority: int
    person: str
    size: int
    alone: bool
    after: str | None = None  # JSON list of persons


def put(connection: Connection, items: Sequence[Deliver]) -> None:
    free = [item for item in items if item.held is None]
    statements.PUT.many(connection, [_row(item) for item in free])
    held = [(item, item.held) for item in items if item.held]
    statements.PUT_HELD.many(connection, [(*_row(item), why.code, why.kind, why.sentence) for item, why in held])
    signals.announce(connection, (LaneKey(item.store_id, item.family) for item in free))


def _row(item: Deliver) -> tuple[object, ...]:
    return (
        item.id,
        item.store_id,
        item.family.value,
        HISTORY if item.history else LIVE,
        item.person,
        item.unique_id,
        item.subject_json,
        item.profile_json,
        _bytes(item.subject_json) + _bytes(item.profile_json),
        item.accepted_at,
        json.dumps(item.after) if item.after else None,
    )


def put_since(connection: Connection, store_id: str, first_id: str) -> list[Deliver]:
    """What waits of a store with this id or a later one, in the order in which it was put."""
    names = ("id", "store_id", "family", "person", "unique_id", "subject_json", "profile_json", "accepted_at")
    query = select(*(deliveries.c[name] for name in names)).where(
        deliveries.c.store_id == store_id, deliveries.c.id >= first_id, in_state(State.WAITING)
    )
    rows = connection.execute(query.order_by(deliveries.c.id)).all()
    return [Deliver(**{**row._mapping, "family": Family(row.family)}, history=False) for row in rows]


def _bytes(text_: str) -> int:
    return len(text_) if text_.isascii() else len(text_.encode())


def _in_state(key: LaneKey, state: State) -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.store_id == key.store_id, deliveries.c.family == key.family.value, in_state(state)


def of_batch(key: LaneKey, batch_id: str) -> tuple[ColumnElement[bool], ...]:
    """What of a batch is not settled yet: by lane and state it is searched for in the index of what is under way."""
    return *_in_state(key, State.SENDING), deliveries.c.batch_id == batch_id


def waiting(connection: Connection, key: LaneKey, limit: int) -> list[Waiting]:
    """What waits, live first, then in the order of acceptance."""
    return [Waiting(*row) for row in statements.WAITING.rows(connection, key.store_id, key.family.value, limit)]


def unsent(connection: Connection, key: LaneKey, persons: set[str]) -> set[str]:
    """Those of these persons (or things) of whom something waits in this lane."""
    if not persons:
        return set()
    query = select(deliveries.c.person).where(*_in_state(key, State.WAITING), deliveries.c.person.in_(sorted(persons)))
    # Said once more as a literal, so that the partial index of everything but events serves.
    return set(connection.execute(query.where(deliveries.c.family != literal_column("'events'")).distinct()).scalars())


def claim_alone(connection: Connection, key: LaneKey, ids: Sequence[str]) -> list[Request]:
    """Claim waiting deliveries for single sends. From here on they are never put into a new batch."""
    statements.CLAIM_ALONE.run(connection, ids)
    return [single(FAMILIES[key.family], item) for item in _items(connection, ids)]


def freeze(
    connection: Connection, key: LaneKey, ids: Sequence[str], batch_id: str, now: datetime, *, parent: Request | None = None
) -> Request:
    """Make a batch of these deliveries, in this order: its bytes never change from here on.

    Once more under the same ``batch_id``, because nobody heard of the commit, it changes nothing.
    """
    items = tuple(_items(connection, ids))
    uncertain, refusals = (parent.uncertain, parent.refusals + 1) if parent else (False, 0)
    request = bulk(FAMILIES[key.family], items, batch_id, uncertain=uncertain, refusals=refusals)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(
        dialect.insert(batches)
        .values(
            id=batch_id,
            store_id=key.store_id,
            family=key.family.value,
            item_count=len(items),
            body_sha256=fingerprint(request.body),
            state="open",
            parent_id=parent.batch_id if parent else None,
            uncertain=uncertain,
            refusals=refusals,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    statements.PUT_INTO_BATCH.run(connection, [item.id for item in items], batch_id)
    return request


def _items(connection: Connection, ids: Sequence[str]) -> list[Item]:
    rows = statements.TEXTS.rows(connection, ids)
    found = {
        id_: Item(id_, person, priority == LIVE, accepted_at, Part(subject_json, profile_json, form), turns)
        for id_, person, priority, accepted_at, subject_json, profile_json, form, turns in rows
    }
    return [found[id_] for id_ in ids if id_ in found]


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What an earlier owner of a lane had claimed: to be sent again as it was. Instants are those before which not to try."""

    requests: list[tuple[Request, datetime | None]]
    changed_batches: list[str]  # whose bytes can no longer be made: their items go on alone


def left_behind(connection: Connection, key: LaneKey) -> LeftBehind:
    requests: list[tuple[Request, datetime | None]] = []
    changed: list[str] = []
    claimed = select(deliveries.c.id, deliveries.c.attempts, deliveries.c.next_at).where(*_in_state(key, State.SENDING))
    alone = connection.execute(claimed.where(deliveries.c.batch_id.is_(None)).order_by(deliveries.c.id)).all()
    items = {item.id: item for item in _items(connection, [row.id for row in alone])}
    for row in alone:
        request = single(FAMILIES[key.family], items[row.id], failures=row.attempts, uncertain=True)
        requests.append((request, row.next_at))
    for batch in connection.execute(_open_batches(key)).all():
        request = _frozen(connection, key, batch, uncertain=True)
        if fingerprint(request.body) == batch.body_sha256:
            if batch.job_id:  # Klaviyo has taken it already
                request = asking(FAMILIES[key.family], request, Job(batch.job_id))
            requests.append((request, batch.next_at))
        else:
            changed.append(batch.id)
    return LeftBehind(requests, changed)


def open_parts(connection: Connection, key: LaneKey, parent: Request) -> list[Request]:
    """The batches into which ``parent`` has been divided already."""
    if not parent.is_bulk:
        return []
    parts = _open_batches(key).where(batches.c.parent_id == parent.batch_id)
    return [_frozen(connection, key, batch, uncertain=batch.uncertain) for batch in connection.execute(parts).all()]


def _frozen(connection: Connection, key: LaneKey, batch: Row[Any], *, uncertain: bool) -> Request:
    query = select(deliveries.c.id).where(*of_batch(key, batch.id)).order_by(deliveries.c.position)
    ids = connection.execute(query).scalars().all()
    items = tuple(_items(connection, ids))
    return bulk(FAMILIES[key.family], items, batch.id, uncertain=uncertain, failures=batch.failures, refusals=batch.refusals)


def _open_batches(key: LaneKey) -> Select[Any]:
    return (
        select(
            batches.c.id,
            batches.c.body_sha256,
            batches.c.uncertain,
            batches.c.failures,
            batches.c.refusals,
            batches.c.next_at,
            batches.c.job_id,
        )
        .where(
            batches.c.store_id == key.store_id,
            batches.c.family == key.family.value,
            batches.c.state == literal_column("'open'"),
        )
        .order_by(batches.c.id)
    )


def set_free(connection: Connection, key: LaneKey, batch_id: str, now: datetime) -> None:
    """Give up a batch whose items are to be sent alone."""
    connection.execute(update(deliveries).where(*of_batch(key, batch_id)).values(state=State.WAITING.value))
    connection.execute(update(batches).where(batches.c.id == batch_id).values(state="divided", finished_at=now))


def supersede(connection: Connection, id_: str, by: str, now: datetime, *, whole: bool) -> Superseded | None:
    """Mark a delivery as one that a newer one takes the place of. What is under way stays so, and goes first."""
    one = deliveries.c.id == id_
    columns = (deliveries.c.state, deliveries.c.priority, deliveries.c.subject_json, deliveries.c.profile_json)
    row = connection.execute(select(*columns).where(one).with_for_update()).one_or_none()
    if row is None:
        return None
    was = State(row.state)
    values: dict[str, Any] = {"superseded_by": by}
    if was is State.WAITING or (was is State.DEAD and whole):
        values |= {"state": State.SUPERSEDED.value, "finished_at": now}
    connection.execute(update(deliveries).where(one).values(**values))
    is_history = row.priority == HISTORY
    return Superseded(State(values.get("state", was)), was, is_history, row.subject_json, row.profile_json)


def hasten(connection: Connection, ids: Sequence[str]) -> None:
    waiting_ones = (deliveries.c.id.in_(ids), deliveries.c.state == State.WAITING.value, deliveries.c.priority == HISTORY)
    connection.execute(update(deliveries).where(*waiting_ones).values(priority=LIVE))


def newest_from(connection: Connection, now: datetime) -> str | None:
    """The newest of what waits or is on its way with an identifier of later than now; there is none unless a clock was wrong."""
    unfinished = (State.WAITING.value, State.SENDING.value)
    query = select(func.max(deliveries.c.id)).where(deliveries.c.id >= first_id_at(now), deliveries.c.state.in_(unfinished))
    newest: str | None = connection.execute(query).scalar_one()
    return newest


def lanes_with_work(connection: Connection) -> list[LaneKey]:
    """Every lane that has something waiting or left behind; costs as much as there are such lanes, however many rows wait."""
    rows = (row for state in (State.WAITING, State.SENDING) for row in connection.execute(_lanes_with(state)))
    return sorted({LaneKey(store_id, Family(family)) for store_id, family in rows})


def _lanes_with(state: State) -> Select[Any]:
    """(store, family) of each lane with a delivery in that state: of every store that has one, each family is looked for."""
    hop, is_in = _hop(state), in_state(state)
    families = union_all(*(select(literal(family.value).label("name")) for family in Family)).subquery()
    there: Select[Any] = select(literal_column("1")).where(
        deliveries.c.store_id == hop.c.id, deliveries.c.family == families.c.name, is_in
    )
    return select(hop.c.id, families.c.name).join_from(hop, families, true()).where(hop.c.id.is_not(None), there.exists())


def stores_with(connection: Connection, state: State) -> list[str]:
    """Each store with a delivery in that state."""
    hop = _hop(state)
    return list(connection.execute(select(hop.c.id).where(hop.c.id.is_not(None))).scalars())


def _hop(state: State) -> CTE:
    """The stores with a delivery in that state, by hopping over its partial index: what costs is how many stores, not rows."""
    is_in = in_state(state)
    hop = select(func.min(deliveries.c.store_id).label("id")).where(is_in).cte("hop", recursive=True)
    following = select(func.min(deliveries.c.store_id)).where(is_in, deliveries.c.store_id > hop.c.id).scalar_subquery()
    return hop.union_all(select(following).where(hop.c.id.is_not(None)))
