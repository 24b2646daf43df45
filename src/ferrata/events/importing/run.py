"""One import: reads, sends batch by batch, remembers after each."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import msgspec

from ferrata.events.importing.cells import Mapping
from ferrata.events.importing.progress import DRY_RUN, Progress, Tally
from ferrata.events.importing.rows import Row, Unusable, opened, read_rows
from ferrata.events.importing.sender import Sender, Target
from ferrata.events.validation import event_from_fields
from ferrata.infra.errors import Rejected
from ferrata.kit.clock import Clock

ROWS_PER_BATCH = 500
BYTES_PER_BATCH = 8_000_000
_TRUE = msgspec.Raw(b"true")
_OF_BATCH = re.compile(r"^events\.\d+\.")  # the place in a batch says nothing to whoever mends the file


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be imported, and how. ``rate`` is rows per second at most; 0 is as fast as Ferrata takes them."""

    file: Path
    backfill: bool = True
    rate: float = 0
    mapping: Mapping = field(default_factory=dict)
    patience_seconds: float = 600


Watcher = Callable[[Tally, int], None]
"""Told after each batch: the tally, and how many bytes of the file have been read."""


async def import_file(
    order: Order,
    target: Target,
    clock: Clock,
    *,
    watch: Watcher,
    away: Callable[[str], None],
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Tally:
    """Bring every row of the file into Ferrata, going on where an earlier run stopped.

    Raises:
        Rejected: the file or the token cannot be used.
        StorageUnavailable: Ferrata was away for longer than the order's patience.
    """
    progress = Progress(order.file, f"{target.url} {target.store or ''}")
    sender = Sender(target, clock, away, patience_seconds=order.patience_seconds, transport=transport)
    finished = False
    try:
        with opened(order.file) as (file, position):
            skip, started, sent = progress.tally.rows, clock.monotonic(), 0
            for batch in _batches(read_rows(file, order.file, order.mapping), skip):
                await _send(batch, sender, progress, backfill=order.backfill)
                sent += len(batch)
                watch(progress.tally, position())
                ahead = sent / order.rate - (clock.monotonic() - started) if order.rate else 0
                if ahead > 0:
                    await clock.sleep(ahead)
        finished = True
    except Unusable as error:
        raise Rejected(str(error)) from error
    finally:
        progress.close(finished=finished)
        await sender.close()
    return progress.tally


def check_file(order: Order, clock: Clock, *, watch: Watcher) -> Tally:
    """As ``import_file``, but only read and validate; refused rows are reported, nothing is sent."""
    progress = Progress(order.file, "", DRY_RUN)
    tally = Tally()
    try:
        with opened(order.file) as (file, position):
            for batch in _batches(read_rows(file, order.file, order.mapping), 0):
                for row in batch:
                    reasons = _faults(row, clock)
                    if reasons:
                        progress.refuse(row.line, reasons, row.text)
                    tally = tally.plus(rows=1, **{"refused" if reasons else "accepted": 1})
                progress.save(tally)
                watch(progress.tally, position())
    except Unusable as error:
        raise Rejected(str(error)) from error
    finally:
        progress.close(finished=True)
    return progress.tally


def _faults(row: Row, clock: Clock) -> list[str]:
    if row.fields is None:
        return [row.problem or "the row is no event"]
    try:
        event_from_fields(row.fields, clock.now())
    except Rejected as error:
        return [problem.message for problem in error.problems]
    return []


def _batches(rows: Iterator[Row], skip: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for number, row in enumerate(rows):
        if number < skip:
            continue
        row_size = sum(len(bytes(value)) for value in row.fields.values()) if row.fields else 0
        if batch and (len(batch) == ROWS_PER_BATCH or size + row_size > BYTES_PER_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row_size
    if batch:
        yield batch


async def _send(batch: list[Row], sender: Sender, progress: Progress, *, backfill: bool) -> None:
    ready = [_completed(row, backfill=backfill) for row in batch if row.fields is not None]
    answers = iter(await sender.send(ready) if ready else [])
    tally = progress.tally
    for row in batch:
        answer = {"message": [row.problem or ""]} if row.fields is None else next(answers)
        if "id" in answer:
            tally = tally.plus(rows=1, **{"repeated" if answer["repeated"] else "accepted": 1})
        else:
            progress.refuse(row.line, [_OF_BATCH.sub("", message) for message in answer["message"]], row.text)
            tally = tally.plus(rows=1, refused=1)
    progress.save(tally)


def _completed(row: Row, *, backfill: bool) -> Row:
    """The row with an event id, and marked as history if so ordered; what the row says itself counts."""
    fields = dict(row.fields or {})
    if _is_absent(fields.get("eventId")):
        fields["eventId"] = msgspec.Raw(msgspec.json.encode(row.event_id))
    if backfill and _is_absent(fields.get("backfill")):
        fields["backfill"] = _TRUE
    return Row(row.line, row.event_id, fields, None, row.text)


def _is_absent(value: msgspec.Raw | None) -> bool:
    return value is None or bytes(value) == b"null"
