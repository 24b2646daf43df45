"""What a bench found, as rows that people and programs read."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

LOWER_IS_BETTER = frozenset({"µs", "ms", "s", "MB"})


@dataclass(frozen=True)
class Row:
    """``ratio`` is ours to the floor, or, without a floor, to the one peer. ``met`` is None where there is no goal."""

    name: str
    what: str
    ours: float
    unit: str
    floor: float | None = None
    peers: dict[str, float] = field(default_factory=dict)
    goal: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        beside = self.floor if self.floor is not None else next(iter(self.peers.values()), None)
        return round(self.ours / beside, 3) if beside else None

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio}


@dataclass(frozen=True)
class Bench:
    """``run`` gets a factor for its sizes: 1, or less for a quick look."""

    name: str
    run: Callable[[float], list[Row]]


def table(rows: Sequence[Row]) -> list[str]:
    """A Markdown table."""
    lines = ["| what | ours | floor | peers | ratio | goal | met |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        peers = ", ".join(f"{name} {_number(value)}" for name, value in row.peers.items())
        cells = [
            f"{row.what} (`{row.name}`)",
            f"{_number(row.ours)} {row.unit}",
            "" if row.floor is None else f"{_number(row.floor)} {row.unit}",
            peers,
            "" if row.ratio is None else f"{row.ratio:.2f}",
            row.goal,
            {True: "yes", False: "**no**", None: ""}[row.met],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
