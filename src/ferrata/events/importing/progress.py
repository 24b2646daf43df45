"""What a run remembers on disk beside the file: how far it has come, and which rows were refused and why.

The progress is written after Ferrata's answer, by renaming a whole file. A run that is killed in between sends its last rows
again, under the same event ids.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows done, and what became of them. ``report_bytes``: how much of the report belongs to these rows."""

    rows: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    report_bytes: int = 0

    def plus(self, **counts: int) -> Self:
        return replace(self, **{name: getattr(self, name) + count for name, count in counts.items()})


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
            kept = json.loads(self.path.read_bytes())
            return Tally(**kept["tally"]) if kept["target"] == self._target else Tally()
        except FileNotFoundError:
            return Tally()
        except (ValueError, KeyError, TypeError):
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
