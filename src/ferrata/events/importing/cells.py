"""Turns the rows of a CSV file into events: which column is which field, and what a cell means."""

import csv
import io
import re
from collections.abc import Iterator
from typing import IO

import msgspec

from ferrata.events import limits

Fields = dict[str, msgspec.Raw]
Mapping = dict[str, str]
"""Column to field, as given on the command line; others are found by their names."""

_ALIASES = {
    "eventname": "eventName", "event": "eventName", "metric": "eventName",
    "email": "email", "emailaddress": "email",
    "phone": "phone", "phonenumber": "phone",
    "externalid": "externalId", "customerid": "externalId",
    "eventid": "eventId", "uniqueid": "eventId",
    "time": "time", "timestamp": "time", "datetime": "time", "occurredat": "time", "createdat": "time",
    "value": "value", "currency": "currency", "backfill": "backfill",
}  # fmt: skip
_TOP = frozenset(_ALIASES.values())
_GROUPS = {
    "eventAttributes": "eventAttributes", "event_attributes": "eventAttributes", "attributes": "eventAttributes",
    "properties": "eventAttributes", "profileAttributes": "profileAttributes",
    "profile_attributes": "profileAttributes", "profile": "profileAttributes",
}  # fmt: skip
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?")
_encode = msgspec.json.encode
_DELIMITERS = (",", ";", "\t", "|")


class CsvRows:
    """Iterates line number, cells, fields (None: no event) and problem of every row after the header.

    A column named like a field is that field; ``profile.X`` and ``attributes.X`` go into those objects; any other column
    becomes an attribute of the event under its own name. A cell that is a plain number or true/false is sent as such;
    one with leading zeros, a plus or an exponent stays text; an empty one is left out. The attributes' whole objects may
    also stand as JSON in columns ``eventAttributes`` and ``profileAttributes``.
    """

    def __init__(self, file: IO[bytes], mapping: Mapping) -> None:
        """Raises ValueError if no column is the event's name."""
        csv.field_size_limit(limits.SINGLE_BODY_BYTES)
        self._text = text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        head = text.readline(1_000_000)
        self._delimiter = max(_DELIMITERS, key=head.count)
        self._columns = next(csv.reader([head], delimiter=self._delimiter), [])
        self._targets = [_target(column, mapping) for column in self._columns]
        self._reader = csv.reader(text, delimiter=self._delimiter)
        if not any(field == "eventName" for _, field in self._targets):
            found = ", ".join(repr(column) for column in self._columns[:20]) or "none"
            raise ValueError(f"No column is the event's name. Name one eventName, or say --map COLUMN=eventName. Found: {found}")

    def __iter__(self) -> Iterator[tuple[int, list[str], Fields | None, str | None]]:
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                self._text.detach()  # else it would close the file, which is not ours
                return
            except csv.Error as error:
                yield self._reader.line_num + 1, [str(error)], None, f"the row is not CSV: {error}"
                continue
            if not any(cells):
                continue
            line = self._reader.line_num + 1
            if len(cells) != len(self._columns):
                yield line, cells, None, f"the row has {len(cells)} cells where the header has {len(self._columns)}"
            else:
                yield line, cells, *self._fields(cells)

    def _fields(self, cells: list[str]) -> tuple[Fields | None, str | None]:
        fields: dict[str, msgspec.Raw] = {}
        groups: dict[str, dict[str, msgspec.Raw]] = {}
        try:
            for cell, (group, name) in zip(cells, self._targets, strict=True):
                if cell == "":
                    continue
                if name in _GROUPS.values() and group is None:
                    groups.setdefault(name, {}).update(msgspec.json.decode(cell, type=Fields))
                elif group:
                    groups.setdefault(group, {})[name] = _cell(cell)
                else:
                    fields[name] = _cell(cell) if name in ("value", "backfill") else _text(cell)
            return fields | {group: msgspec.Raw(_encode(members)) for group, members in groups.items()}, None
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return None, f"a cell, or the name of a column, cannot be read: {error}"


def _target(column: str, mapping: Mapping) -> tuple[str | None, str]:
    """The object that a column goes into (None: the event itself), and the name there."""
    name = mapping.get(column, column).strip()
    group, dot, member = name.partition(".")
    if dot and group in _GROUPS:
        return _GROUPS[group], member
    if name in _GROUPS:
        return None, _GROUPS[name]
    if name in _TOP:
        return None, name
    alias = _ALIASES.get(re.sub(r"[^a-z]", "", name.lower()))
    return (None, alias) if alias else ("eventAttributes", name)


def _cell(cell: str) -> msgspec.Raw:
    text = cell.strip()
    if _NUMBER.fullmatch(text) or text in ("true", "false"):
        return msgspec.Raw(text.encode())
    return _text(cell)


def _text(cell: str) -> msgspec.Raw:
    return msgspec.Raw(_encode(cell))
