"""What a run remembers on disk beside the file: how far it has come, and which rows were refused and why.

The progress is written after Ferrata's answer, by renaming a whole file. A run that is killed in between sends its last rows
again, under the same event ids.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows done, and what became of them. ``report_bytes``: how much of the report belongs to these rows."""

    rows: Count = 0
    accepted: Count = 0
    repeated: Count = 0
    refused: Count = 0
    report_bytes: Count = 0

    def plus(self, **counts: int) -> Self:
        return replace(self, **{name: getattr(self, name) + count for name, count in counts.items()})


class _Kept(msgspec.Struct):
    target: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class Kind:
    """Names of the files beside the imported one, by what is being done with it."""

    progress: str
    report: str

    def report_path(self, file: Path) -> Path:
        return file.with_name(file.name + self.report)


IMPORT = Kind(".import-progress.json", ".rejected.ndjson")
DRY_RUN = Kind(".dry-run-progress.json", ".dry-run-rejected.ndjson")


class Progress:
    """``target`` names where the file goes; progress of a run towards another target does not count."""

    def __init__(self, file: Path, target: str, kind: Kind = IMPORT) -> None:
        self.path = file.with_name(file.name + kind.progress)
        self.report_path = kind.report_path(file)
        self._target = target
        self.tally = self._read() if kind is IMPORT else Tally()
        self._report = self.report_path.open("ab")
        self._report.truncate(self.tally.report_bytes)

    def _read(self) -> Tally:
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=_Kept)
            return kept.tally if kept.target == self._target else Tally()
        except FileNotFoundError:
            return Tally()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Tally()  # not ours or torn: from the start is always right, as event ids are stable

    def refuse(self, line: int, reasons: list[str], row: str) -> None:
        entry: dict[str, Any] = {"line": line, "reasons": reasons, "row": row}
        self._report.write(json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def save(self, tally: Tally) -> None:
        """Remember that everything up to here is done."""
        self._report.flush()
        os.fsync(self._report.fileno())
        self.tally = replace(tally, report_bytes=self._report.tell())
        partial = self.path.with_name(self.path.name + ".partial")
        partial.write_text(json.dumps({"target": self._target, "tally": asdict(self.tally)}))
        partial.replace(self.path)

    def close(self, *, finished: bool) -> None:
        self._report.close()
        if finished:
            self.path.unlink(missing_ok=True)
        if self.report_path.stat().st_size == 0:
            self.report_path.unlink()
