"""The rows of all runs so far, beside the document: so a run may be made in parts, and the document shows all of them."""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.results import Found, Row, Series

FULL = 1.0


@dataclass
class Part:
    """What one bench found, when, and how busy the machine was at its end."""

    rows: list[Row]
    series: dict[str, Series]
    at: str
    size: float
    load: float

    @property
    def is_full(self) -> bool:
        return self.size >= FULL


@dataclass
class Kept:
    file: Path
    parts: dict[str, Part] = field(default_factory=dict)

    @classmethod
    def read(cls, document: Path) -> "Kept":
        file = document.parent / "assets" / f"{document.stem}.json"
        kept = cls(file)
        if file.exists():
            for name, part in json.loads(file.read_text()).items():
                kept.parts[name] = Part(**part | {"rows": [Row(**row) for row in part["rows"]]})
        return kept

    def take(self, bench: str, found: Found, size: float) -> None:
        """A failure does not push out what an earlier run has measured, but stands beside it."""
        earlier = self.parts.get(bench)
        if earlier and any(row.failure for row in found.rows) and not all(row.failure for row in earlier.rows):
            whole = [row for row in earlier.rows if not row.failure]
            self.parts[bench] = Part([*whole, *found.rows], earlier.series, earlier.at, earlier.size, earlier.load)
        else:
            at = datetime.now(UTC).isoformat(timespec="minutes")
            self.parts[bench] = Part(found.rows, found.series, at, size, round(os.getloadavg()[0], 1))
        self._write()

    def series(self, name: str) -> Series:
        for part in self.parts.values():
            if name in part.series:
                return part.series[name]
        return {}

    def _write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        told: dict[str, Any] = {
            name: {**vars(part), "rows": [row.as_kept() for row in part.rows]} for name, part in self.parts.items()
        }
        self.file.write_text(json.dumps(told, indent=1) + "\n")
