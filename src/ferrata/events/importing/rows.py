"""Reads a file of events row by row: JSON lines or CSV, plain or gzipped, never more of it in memory than one row."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import msgspec

from ferrata.events import limits
from ferrata.events.importing.cells import CsvRows, Mapping

Fields = dict[str, msgspec.Raw]
_fields = msgspec.json.Decoder(Fields).decode
LONGEST_LINE = limits.SINGLE_BODY_BYTES


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file. ``fields`` is None if it is no event at all; then ``problem`` says why."""

    line: int
    event_id: str
    fields: Fields | None
    problem: str | None = None
    text: str = ""


@dataclass(slots=True)
class _Fingerprint:
    """Names a row by everything that stands in the file up to it: stable when rows are added at the end."""

    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def of(self, row: bytes) -> str:
        self._digest.update(len(row).to_bytes(8) + row)
        return f"import-{self._digest.copy().hexdigest()[:40]}"


class Unusable(Exception):
    """The file as a whole cannot be imported; the message says why."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """The file's bytes, unpacked, and a function that tells how far into the file itself reading has come."""
    with path.open("rb") as file:
        if path.suffix != ".gz":
            yield file, file.tell
            return
        with gzip.open(file) as unpacked:
            yield cast(IO[bytes], unpacked), file.tell


def read_rows(file: IO[bytes], path: Path, mapping: Mapping) -> Iterator[Row]:
    """Every row of the file; CSV if its name says so (``.csv``, ``.tsv``, also with ``.gz``), else JSON lines.

    Raises:
        Unusable: a CSV without a column for the event's name, or a broken gzip file.
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    try:
        yield from _csv_rows(file, mapping) if suffix in (".csv", ".tsv") else _json_rows(file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Unusable(f"{path} is not a whole gzip file: {error}") from error


def _json_rows(file: IO[bytes]) -> Iterator[Row]:
    fingerprint = _Fingerprint()
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            yield Row(number, fingerprint.of(line), None, f"the line is longer than {LONGEST_LINE} bytes", _shown(line))
            _skip_line(file)
            continue
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if text:
            yield _json_row(number, fingerprint.of(text), text)


def _json_row(number: int, event_id: str, text: bytes) -> Row:
    try:
        return Row(number, event_id, _fields(text), None, _shown(text))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Row(number, event_id, None, f"the line is not a JSON object: {error}", _shown(text))


def _skip_line(file: IO[bytes]) -> None:
    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _csv_rows(file: IO[bytes], mapping: Mapping) -> Iterator[Row]:
    fingerprint = _Fingerprint()
    try:
        rows = CsvRows(file, mapping)
    except ValueError as error:
        raise Unusable(str(error)) from error
    for line, cells, fields, problem in rows:
        text = "\x1f".join(cells).encode("utf-8", "surrogateescape")
        yield Row(line, fingerprint.of(text), fields, problem, _shown(text))


def _shown(text: bytes) -> str:
    """Enough of a refused row to find and mend it."""
    return text[:2000].decode("utf-8", "replace")
