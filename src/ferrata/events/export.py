"""Events as lines of text: JSON objects, or CSV that no spreadsheet mistakes for formulas."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

COLUMNS = (
    *("id", "eventName", "email", "phone", "externalId", "eventId", "time", "value", "currency", "backfill", "source", "state"),
    *("sentToKlaviyo", "klaviyoResponse", "createdAt", "updatedAt", "eventAttributes", "profileAttributes"),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Format:
    media_type: str
    head: bytes
    lines: Callable[[Iterable[Mapping[str, Any]]], bytes]


def _json_lines(answers: Iterable[Mapping[str, Any]]) -> bytes:
    # An attribute's text may have come in several lines; between its tokens JSON allows none to matter.
    return b"".join(_encode(answer).replace(b"\n", b" ").replace(b"\r", b" ") + b"\n" for answer in answers)


def _csv_lines(answers: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([_cell(answer[column]) for column in COLUMNS] for answer in answers)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """A cell as text. What a spreadsheet would run as a formula gets an apostrophe in front, numbers excepted."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case msgspec.Raw():
            return bytes(value).decode()
        case _:
            text = str(value)
            return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


FORMATS = {
    "ndjson": Format("application/x-ndjson", b"", _json_lines),
    "csv": Format("text/csv; charset=utf-8", (",".join(COLUMNS) + "\r\n").encode(), _csv_lines),
}
