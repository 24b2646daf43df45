"""What became of each request, written in one transaction: the attempt, the deliveries, the batch, the counters."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, update

from ferrata.delivery import outbox, statements
from ferrata.delivery.models import batches, deliveries
from ferrata.delivery.request import Request
from ferrata.delivery.schemas import LaneKey, State
from ferrata.delivery.verdict import Action, Reason, Verdict
from ferrata.kit.ids import new_id
from ferrata.klaviyo.outcome import Outcome

DETAIL_CHARACTERS = 2000
IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered request, to be written down. ``id`` is the attempt's: what was written under it is not written again."""

    id: str
    lane: LaneKey
    quota_id: str
    worker: str
    request: Request
    outcome: Outcome
    verdict: Verdict
    started_at: datetime
    now: datetime
    retry_at: datetime | None = None  # for RETRY


def write(connection: Connection, entry: Entry) -> list[Request]:
    """Write one answer down. Returns the batches that came of it, frozen in the same transaction."""
    if not _note_attempts(connection, [entry]):
        return outbox.open_parts(connection, entry.lane, entry.request)
    match entry.verdict.action:
        case Action.DELIVERED:
            _finish(connection, entry, State.DELIVERED, None)
            followers: list[Request] = []
        case Action.DEAD:
            _finish(connection, entry, State.DEAD, entry.verdict.reason)
            followers = []
        case Action.SEPARATE | Action.HALVE:
            followers = _divide(connection, entry)
        case Action.ALONE:
            outbox.set_free(connection, entry.lane, str(entry.request.batch_id), entry.now)
            followers = []
        case Action.RETRY:
            _postpone(connection, entry)
            followers = []
        case Action.RESHAPE:
            _reshape(connection, entry)
            followers = []
        case Action.FOLLOW:
            _follow(connection, entry)
            followers = []
        case Action.SORT:
            _sort(connection, entry)
            followers = []
        case Action.THROTTLE | Action.PARK | Action.AGAIN:  # nothing was executed, and nothing about the deliveries has changed
            followers = []
    _count(connection, entry)
    return followers


def write_delivered(connection: Connection, entries: Sequence[Entry]) -> None:
    """Write single sends down that Klaviyo took: the same as ``write`` for each, with a statement for all."""
    if not _note_attempts(connection, entries):
        return
    statements.DELIVERED.many(connection, [(entry.request.items[0].id, entry.now) for entry in entries])
    latest = {entry.lane: entry for entry in entries}
    for entry in latest.values():
        _note_success(connection, entry)
    counts = Counter((entry.lane.store_id, entry.worker, _minute(entry.now)) for entry in entries)
    for (store_id, worker, minute), count in counts.items():
        add(connection, store_id, worker, minute, {"delivered": count, "requests": count})


def _note_attempts(connection: Connection, entries: Sequence[Entry]) -> bool:
    """False if they are there already: the commit was done, its answer was lost with the connection, and this is the repeat."""
    rows = [_attempt(entry) for entry in entries]
    return (
        statements.NOTE_ATTEMPTS.many(connection, [tuple(row[name] for name in statements.ATTEMPT_COLUMNS) for row in rows]) > 0
    )


def _attempt(entry: Entry) -> dict[str, object]:
    request, outcome = entry.request, entry.outcome
    rate = outcome.rate_headers
    return {
        "id": entry.id,
        "store_id": entry.lane.store_id,
        "family": entry.lane.family.value,
        "quota_id": entry.quota_id,
        "operation": request.operation,
        "delivery_id": None if request.is_bulk else request.items[0].id,
        "batch_id": request.batch_id,
        "item_count": len(request.items),
        "worker": entry.worker,
        "started_at": entry.started_at,
        "duration_ms": round(outcome.duration_ms),
        "outcome": outcome.kind.value,
        "status": outcome.status,
        "request_id": (outcome.request_id or "")[:128] or None,
        "answer_excerpt": outcome.excerpt or (outcome.sentence if not outcome.is_accepted else None),
        "rate_state": "; ".join(f"{name}: {value}" for name, value in rate.items())[:255] or None,
        "decision": entry.verdict.decision,
    }


def _under_way(entry: Entry) -> tuple[ColumnElement[bool], ...]:
    """The deliveries of this request that are not settled yet."""
    request = entry.request
    if request.batch_id is not None:
        return outbox.of_batch(entry.lane, request.batch_id)
    return deliveries.c.id == request.items[0].id, deliveries.c.state == State.SENDING.value


def _finish(connection: Connection, entry: Entry, state: State, reason: Reason | None) -> None:
    request = entry.request
    connection.execute(
        update(deliveries)
        .where(*_under_way(entry))
        .values(
            state=state.value,
            finished_at=entry.now,
            next_at=None,
            attempts=deliveries.c.attempts + 1,
            **_reason_columns(reason),
        )
    )
    if request.is_bulk:
        connection.execute(
            update(batches).where(batches.c.id == request.batch_id).values(state=state.value, finished_at=entry.now, next_at=None)
        )
    if state is State.DELIVERED:
        _note_success(connection, entry)


def _note_success(connection: Connection, entry: Entry) -> None:
    statements.NOTE_SUCCESS.run(connection, entry.lane.store_id, entry.lane.family.value, entry.now)


def _reason_columns(reason: Reason | None) -> dict[str, str | None]:
    if reason is None:
        return {"reason_code": None, "reason_pointer": None, "reason_detail": None}
    return {
        "reason_code": reason.code[:64],
        "reason_pointer": reason.pointer[:255] if reason.pointer else None,
        "reason_detail": reason.detail[:DETAIL_CHARACTERS],
    }


def _reshape(connection: Connection, entry: Entry) -> None:
    connection.execute(
        update(deliveries)
        .where(*_under_way(entry))
        .values(form=entry.verdict.form, turns=deliveries.c.turns + 1, attempts=deliveries.c.attempts + 1)
    )


def _follow(connection: Connection, entry: Entry) -> None:
    job_id = entry.verdict.job.id if entry.verdict.job else None
    connection.execute(update(batches).where(batches.c.id == entry.request.batch_id).values(job_id=job_id, next_at=None))


def _sort(connection: Connection, entry: Entry) -> None:
    _set_free_some(connection, entry)
    _finish(connection, entry, State.DELIVERED, None)


def _set_free_some(connection: Connection, entry: Entry) -> None:
    """What the verdict names goes on alone; the rest stays what the batch holds."""
    ids = [entry.request.items[position].id for position in sorted(entry.verdict.alone)]
    for some in (ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE)):
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(some), deliveries.c.state == State.SENDING.value)
            .values(state=State.WAITING.value, attempts=deliveries.c.attempts + 1)
        )


def _divide(connection: Connection, entry: Entry) -> list[Request]:
    request, verdict = entry.request, entry.verdict
    for position, reason in verdict.dead.items():
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == request.items[position].id, deliveries.c.state == State.SENDING.value)
            .values(state=State.DEAD.value, finished_at=entry.now, attempts=deliveries.c.attempts + 1, **_reason_columns(reason))
        )
    _set_free_some(connection, entry)
    gone = verdict.dead.keys() | verdict.alone
    rest = [item for position, item in enumerate(request.items) if position not in gone]
    portions = [rest] if verdict.action is Action.SEPARATE else request.halves()
    connection.execute(update(batches).where(batches.c.id == request.batch_id).values(state="divided", finished_at=entry.now))
    return [
        outbox.freeze(connection, entry.lane, [item.id for item in portion], new_id(entry.now), entry.now, parent=request)
        for portion in portions
        if portion
    ]


def _postpone(connection: Connection, entry: Entry) -> None:
    request = entry.request
    if request.is_bulk:
        connection.execute(
            update(batches)
            .where(batches.c.id == request.batch_id)
            .values(
                failures=batches.c.failures + 1, uncertain=request.uncertain or entry.verdict.uncertain, next_at=entry.retry_at
            )
        )
    connection.execute(
        update(deliveries)
        .where(*_under_way(entry))
        .values(
            attempts=deliveries.c.attempts + 1,
            next_at=entry.retry_at,
            **_reason_columns(Reason("retrying", entry.outcome.sentence)),
        )
    )


def _count(connection: Connection, entry: Entry) -> None:
    action, size = entry.verdict.action, len(entry.request.items)
    dead = size if action is Action.DEAD else len(entry.verdict.dead)
    add(
        connection,
        entry.lane.store_id,
        entry.worker,
        entry.now,
        {
            "delivered": size - len(entry.verdict.alone) if action in (Action.DELIVERED, Action.SORT) else 0,
            "dead": dead,
            "requests": 1,
            "throttled": int(action is Action.THROTTLE),
            "failed": int(action is Action.RETRY),
        },
    )


def add(connection: Connection, store_id: str, worker: str, now: datetime, counts: dict[str, int]) -> None:
    """Add to this minute's counters of this worker."""
    statements.COUNT.run(connection, store_id, _minute(now), worker, *(counts.get(name, 0) for name in statements.COUNTED))


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)
