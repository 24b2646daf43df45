"""The statements that run for every delivery, prepared once. What they mean is told where they are used."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    update,
)

from ferrata.delivery.models import attempts, deliveries, delivery_minutes, lanes
from ferrata.delivery.schemas import State
from ferrata.infra.database.prepared import UPSERTS, Prepared, in_order, one_of


def in_state(state: State) -> ColumnElement[bool]:
    # The state stands in the text, not in a parameter, so that the planner may use the partial index.
    return deliveries.c.state == literal_column(f"'{state.value}'")


_PUT_COLUMNS = (
    "id",
    "store_id",
    "family",
    "priority",
    "person",
    "unique_id",
    "subject_json",
    "profile_json",
    "size",
    "accepted_at",
    "after",
)
PUT = Prepared(
    insert(deliveries).values(state=State.WAITING.value, **{name: bindparam(name) for name in _PUT_COLUMNS}), _PUT_COLUMNS
)
_HELD_COLUMNS = (*_PUT_COLUMNS, "reason_code", "reason_pointer", "reason_detail")
PUT_HELD = Prepared(
    insert(deliveries).values(state=State.HELD.value, **{name: bindparam(name) for name in _HELD_COLUMNS}), _HELD_COLUMNS
)

WAITING = Prepared(
    select(
        deliveries.c.id,
        deliveries.c.priority,
        deliveries.c.person,
        deliveries.c.size,
        deliveries.c.alone,
        deliveries.c.after,
    )
    .where(deliveries.c.store_id == bindparam("store"), deliveries.c.family == bindparam("of"), in_state(State.WAITING))
    .order_by(deliveries.c.priority, deliveries.c.id)
    .limit(bindparam("most", type_=Integer)),
    ["store", "of", "most"],
)


def _with_batch() -> ColumnElement[str]:
    """The batches that a delivery was in, its present one added."""
    earlier = func.coalesce(deliveries.c.earlier_batches + " ", "") + deliveries.c.batch_id
    return case((deliveries.c.batch_id.is_(None), deliveries.c.earlier_batches), else_=earlier)


CLAIM_ALONE = Prepared(
    update(deliveries)
    .where(one_of(deliveries.c.id, "ids"), deliveries.c.state == State.WAITING.value)
    .values(state=State.SENDING.value, alone=True, batch_id=null(), position=null(), earlier_batches=_with_batch()),
    ["ids"],
)


def _putting(engine: str) -> Executable:
    id_, place = in_order("ids", engine)
    return (
        update(deliveries)
        .where(deliveries.c.id == id_, deliveries.c.batch_id.is_distinct_from(bindparam("batch")))
        .values(
            state=State.SENDING.value,
            batch_id=bindparam("batch"),
            position=place,
            alone=True,
            earlier_batches=_with_batch(),
        )
    )


PUT_INTO_BATCH = Prepared({engine: _putting(engine) for engine in UPSERTS}, ["ids", "batch"])

TEXTS = Prepared(
    select(
        deliveries.c.id,
        deliveries.c.person,
        deliveries.c.priority,
        deliveries.c.accepted_at,
        deliveries.c.subject_json,
        deliveries.c.profile_json,
        deliveries.c.form,
        deliveries.c.turns,
    ).where(
        one_of(deliveries.c.id, "ids"),
        or_(deliveries.c.state == State.WAITING.value, deliveries.c.state == State.SENDING.value),
    ),
    ["ids"],
)

DELIVERED = Prepared(
    update(deliveries)
    .where(deliveries.c.id == bindparam("of"), deliveries.c.state == State.SENDING.value)
    .values(
        state=State.DELIVERED.value,
        finished_at=bindparam("at"),
        next_at=None,
        attempts=deliveries.c.attempts + 1,
        reason_code=None,
        reason_pointer=None,
        reason_detail=None,
    ),
    ["of", "at"],
)

ATTEMPT_COLUMNS = tuple(attempts.c.keys())
NOTE_ATTEMPTS = Prepared({name: on(attempts).on_conflict_do_nothing() for name, on in UPSERTS.items()}, ATTEMPT_COLUMNS)

NOTE_SUCCESS = Prepared(
    update(lanes)
    .where(lanes.c.store_id == bindparam("store"), lanes.c.family == bindparam("of"))
    .values(last_success_at=bindparam("at")),
    ["store", "of", "at"],
)

COUNTED = ("delivered", "dead", "discarded", "requests", "throttled", "failed")


def _adding(on: Any) -> Executable:
    statement = on(delivery_minutes)
    added = {name: delivery_minutes.c[name] + statement.excluded[name] for name in COUNTED}
    adding: Executable = statement.on_conflict_do_update(index_elements=["store_id", "minute", "worker"], set_=added)
    return adding


COUNT = Prepared({name: _adding(on) for name, on in UPSERTS.items()}, ["store_id", "minute", "worker", *COUNTED])
