"""A record as programs see it: in the API, in exports and on the command line."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Literal

from ferrata.audit.schemas import Record
from ferrata.audit.sentences import risk_of, sentence

Format = Literal["ndjson", "csv"]
_COLUMNS = (
    "id", "at", "outcome", "count", "actorKind", "actorId", "actorName", "action", "target", "storeId", "sentence", "risk",
    "before", "after", "requestId", "address", "via", "sequence", "hash",
)  # fmt: skip


def document(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": _written(record.at),
        "outcome": record.outcome,
        "count": record.count,
        "actor": {"kind": record.actor.kind, "id": record.actor.id, "name": record.actor.name},
        "action": record.action,
        "target": record.target,
        "storeId": record.store_id,
        "sentence": sentence(record),
        "risk": risk_of(record.action, record.outcome),
        "before": dict(record.before),
        "after": dict(record.after),
        "requestId": record.request_id,
        "address": record.address,
        "via": record.via,
        "sequence": record.seq,
        "hash": record.hash,
    }


async def lines(records: AsyncIterator[Record], form: Format) -> AsyncIterator[str]:
    """An export, line by line: a header first where there is one."""
    if form == "csv":
        yield _csv_line(_COLUMNS)
    async for record in records:
        found = document(record)
        if form == "ndjson":
            yield json.dumps(found, ensure_ascii=False) + "\n"
            continue
        actor = found.pop("actor")
        flat = found | {f"actor{name.capitalize()}": value for name, value in actor.items()}
        yield _csv_line([_cell(flat[name]) for name in _COLUMNS])


def _csv_line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = "" if value is None else str(value)
    # A spreadsheet takes a cell that begins so for a formula, and names may come from outside.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
