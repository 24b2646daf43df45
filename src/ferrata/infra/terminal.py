"""What commands say: a table for people, JSON for programs (``--json``), and nothing else on standard output."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from rich.console import Console
from rich.table import Table

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What would move the cursor, colour the screen or turn the text around; events may carry it."""


_UNBOUNDED = 10_000
_WHOLE_WORD = 12
"""Words up to this many characters are not broken while there is another way."""


class Terminal:
    """``as_json`` turns every answer into one JSON document on standard output."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True)
        if not self._console.is_terminal:  # a file or another program: one line for each row, however long
            self._console.width = _UNBOUNDED

    def rows(self, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, nothing: str) -> None:
        """A list; ``nothing`` is said to people where it is empty."""
        if self.as_json:
            self._write([{name: _plain(row[name]) for name in columns} for row in rows])
            return
        if not rows:
            self.say(nothing)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        if self._console.is_terminal:  # room for what there is
            columns = [name for name in columns if any(row[name] is not None for row in rows)]
        cells = {name: [_cell(row[name]) for row in rows] for name in columns}
        for name in columns:
            heading = name.replace("_", " ")
            words = [word for text in (heading, *cells[name]) for word in text.split() if len(word) <= _WHOLE_WORD]
            width = max(map(len, words), default=None)
            table.add_column(heading, overflow="fold", no_wrap=name == "id", min_width=width)
        for line in zip(*cells.values(), strict=True):
            table.add_row(*line)
        self._console.print(table, markup=False)

    def answer(self, fields: Mapping[str, Any], *, said: str) -> None:
        """One thing: all ``fields`` for programs, a sentence for people."""
        if self.as_json:
            self._write({name: _plain(value) for name, value in fields.items()})
        else:
            self.say(said)

    def say(self, text: str) -> None:
        """To people; with ``--json`` to standard error, so that standard output stays one document."""
        print(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text), file=sys.stderr if self.as_json else sys.stdout)

    def _write(self, document: Any) -> None:
        print(json.dumps(document, indent=2))  # noqa: T201 - this is the terminal


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    return value


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, set | frozenset | list | tuple):
        return " ".join(sorted(map(str, value)))
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value.value if isinstance(value, Enum) else value))
