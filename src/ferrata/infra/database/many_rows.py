"""An insert of many rows as one statement: each engine takes them most cheaply in another way.

SQLite's writing thread lets others in at each step of a statement, and waits for them: so many rows are one step. PostgreSQL's
driver spends more on a row's parameters than the server on the row: so all rows are one parameter, a list in JSON.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Boolean, Dialect, Integer, SmallInteger, String, Text
from sqlalchemy.types import TypeEngine

from ferrata.infra.columns import Instant

_ROWS_AT_ONCE = (64, 16, 4)
_ROWS_IN_JSON = 256
_VALUES = re.compile(r" VALUES \((?P<row>[^()]+)\)")
_IN_JSON = (String, Text, Integer, SmallInteger, Boolean, Instant)
_encode = msgspec.json.encode


def texts_of_many(insert: str) -> tuple[tuple[int, str], ...]:
    """For SQLite: so many rows at once, the most first, and the text that takes their parameters one after another."""
    found = _VALUES.search(insert)
    if found is None:
        return ()
    row = f"({found['row']})"
    return tuple((size, insert.replace(row, ", ".join([row] * size), 1)) for size in _ROWS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class AsJson:
    """For PostgreSQL: ``text`` takes ``constants`` and then the rows, each with its values by ``names``."""

    text: str
    names: tuple[str, ...]

    def pieces(self, rows: Sequence[Sequence[Any]]) -> Iterator[str]:
        """The rows in JSON, so many at a time that no text becomes too large."""
        for start in range(0, len(rows), _ROWS_IN_JSON):
            piece = rows[start : start + _ROWS_IN_JSON]
            yield _encode([dict(zip(self.names, row, strict=True)) for row in piece]).decode()


def as_json(
    insert: str, order: Sequence[str], names: tuple[str, ...], types: Mapping[str, TypeEngine[Any]], dialect: Dialect
) -> AsJson | None:
    """``order``: the parameters of ``insert`` as they stand in it. None for what JSON does not carry as it is."""
    found = _VALUES.search(insert)
    if found is None or not all(isinstance(types[name], _IN_JSON) for name in names):
        return None
    places = found["row"].split(", ")
    given = [f'given."{name}"' if name in names else place for name, place in zip(order, places, strict=True)]
    columns = ", ".join(f'"{name}" {types[name].dialect_impl(dialect).compile(dialect)}' for name in names)
    rows = f"json_to_recordset(%s::json) AS given({columns})"
    text = f"{insert[: found.start()]} SELECT {', '.join(given)} FROM {rows}{insert[found.end() :]}"  # noqa: S608 - no value in it
    return AsJson(text, names)
