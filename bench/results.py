"""What a bench found, as rows that people and programs read, and the series behind its plots."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """``ratio`` is ours to the floor or, without a floor, to the first peer. ``met`` is None where there is no goal.

    ``ours`` is None where the bench failed; ``failure`` says why.
    """

    name: str
    what: str
    ours: float | None
    unit: str
    floor: float | None = None
    peers: dict[str, float] = field(default_factory=dict)
    goal: str = ""
    met: bool | None = None
    stops: str = ""
    """Where the goal is not met: what stops it, measured."""
    failure: str = ""

    @property
    def ratio(self) -> float | None:
        beside = self.floor if self.floor is not None else next(iter(self.peers.values()), None)
        return round(self.ours / beside, 3) if beside and self.ours is not None else None

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` writes."""
        return {
            "name": self.name,
            "ours": self.ours,
            "unit": self.unit,
            "peers": self.peers,
            "floor": self.floor,
            "ratio": self.ratio,
            "goal": self.goal,
            "met": self.met,
        }

    def as_kept(self) -> dict[str, Any]:
        """Everything, to make the row again of."""
        return asdict(self)


Series = dict[str, list[list[float]]]
"""Lines of a plot by their names, each a list of points."""


@dataclass(frozen=True)
class Found:
    rows: list[Row]
    series: dict[str, Series] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """``run`` gets a factor for its sizes: 1, or less for a quick look."""

    name: str
    run: Callable[[float], list[Row] | Found]


def failed(bench: str, error: BaseException) -> Row:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Row(bench, "could not be measured", None, "", met=False, goal="to be measured", failure=f"{said[:300]}")


def table(rows: Sequence[Row]) -> list[str]:
    """A Markdown table."""
    lines = ["| what | ours | floor | peers | ratio | goal | met |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        peers = ", ".join(f"{name} {number(value)}" for name, value in row.peers.items())
        cells = [
            f"{row.what} (`{row.name}`)",
            f"failed: {row.failure}" if row.ours is None else f"{number(row.ours)} {row.unit}",
            "" if row.floor is None else f"{number(row.floor)} {row.unit}",
            peers,
            "" if row.ratio is None else f"{row.ratio:.2f}",
            row.goal,
            {True: "yes", False: "**no**", None: ""}[row.met],
        ]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return lines


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
