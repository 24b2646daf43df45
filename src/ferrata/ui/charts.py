"""What a chart shows, in the words of the page: series by meaning, one limit, one unit. charts.js decides how it is drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["moving", "delivered", "neutral", "parked", "dead"]
Form = Literal["line", "bar"]


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one kind of bar; a None in ``values`` is a gap, not a zero."""

    name: str
    values: Sequence[float | None]
    role: Role = "neutral"
    form: Form = "line"
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A line across the chart. ``drawn_at`` puts it elsewhere than at its value, where that is far off the scale; say so."""

    label: str
    value: float
    drawn_at: float | None = None

    def as_json(self) -> dict[str, Any]:
        at = self.value if self.drawn_at is None else self.drawn_at
        return {"label": self.label, "value": self.value, "drawnAt": at}


@dataclass(frozen=True, slots=True)
class Chart:
    """``labels`` name the points on the axis, already in the store's zone; ``summary`` says the chart in one sentence.

    Raises ValueError where a series has another length than the labels.
    """

    title: str
    frame: str
    summary: str
    labels: Sequence[str]
    series: Sequence[Series]
    axis: str = "Time"
    unit: str = ""
    limit: Limit | None = None

    def __post_init__(self) -> None:
        for series in self.series:
            if len(series.values) != len(self.labels):
                raise ValueError(f"{series.name} has {len(series.values)} values for {len(self.labels)} labels")

    def rows(self) -> Iterator[tuple[str, list[float | None]]]:
        """The chart as a table: a label and the value of each series."""
        for position, label in enumerate(self.labels):
            yield label, [series.values[position] for series in self.series]

    def as_json(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels),
            "unit": self.unit,
            "limit": self.limit.as_json() if self.limit else None,
            "series": [
                {"name": s.name, "values": list(s.values), "role": s.role, "form": s.form, "stacked": s.stacked}
                for s in self.series
            ],
        }
