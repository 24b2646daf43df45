"""The document's plots: small SVGs in colours that can be read on a light and on a dark page."""

import io
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.keeping import Kept
from bench.results import Row, Series

GREY, BLUE, ORANGE, GREEN, RED = "#7d8590", "#3b82f6", "#e8833a", "#2fa36b", "#d9534f"
_COLOURS = (BLUE, ORANGE, GREEN, RED, "#9b6dd6", "#c2912e", "#3aa6b9", GREY, "#b56576", "#6d8f3f", "#5b7fa6", "#a0765b")


def draw(kept: Kept, folder: Path) -> list[tuple[str, str]]:
    """(file name, what it shows) of those that there are figures for. Without matplotlib what stands there stays."""
    wanted: list[tuple[str, str, Callable[[Any, Kept], bool]]] = [
        ("acceptance.svg", "Accepted events a second, beside the floor", _acceptance),
        ("cpu.svg", "CPU for each delivered event, beside the official SDK and queues in front of it", _cpu),
        ("backlog.svg", "A million events waiting: how many are left, beside what Klaviyo allows", _backlog),
        ("stored.svg", "Time of an accept and of lists, by how many events are kept", _stored),
    ]
    if find_spec("matplotlib") is None:
        return [(file, said) for file, said, _ in wanted if (folder / file).exists()]
    return [(file, said) for file, said, how in wanted if _drawn(folder / file, kept, how)]


def _drawn(file: Path, kept: Kept, how: Callable[[Any, Kept], bool]) -> bool:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "ferrata", "font.size": 9, "font.family": "sans-serif", "text.color": GREY,
        "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY, "axes.spines.top": False,
        "axes.spines.right": False, "legend.frameon": False, "axes.titlecolor": GREY,
    })  # fmt: skip
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    if not how(figure.add_subplot(), kept):
        return False
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(re.sub(r"[ \t]+\n", "\n", text.getvalue()))
    return True


def _rows(kept: Kept, names: Sequence[str]) -> list[Row]:
    found = {row.name: row for part in kept.parts.values() for row in part.rows if row.ours is not None}
    return [found[name] for name in names if name in found]


def _acceptance(axes: Any, kept: Kept) -> bool:
    labels = {
        "single": "one per request",
        "delivering": "while delivering",
        "slow": "2 ms added\nto every sync",
        "postgres": "PostgreSQL",
    }
    rows = _rows(kept, [f"acceptance.{name}.rate" for name in labels])
    if not rows:
        return False
    places = range(len(rows))
    axes.bar([place - 0.2 for place in places], [row.ours for row in rows], 0.38, color=BLUE, label="Ferrata, durable")
    axes.bar([place + 0.2 for place in places], [row.floor or 0 for row in rows], 0.38, color=GREY, label="floor: keeps nothing")
    axes.set_xticks(list(places), [labels[row.name.split(".")[1]] for row in rows])
    axes.set_ylabel("events a second")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    return True


def _cpu(axes: Any, kept: Kept) -> bool:
    bars: list[tuple[str, float, str]] = []
    for row, what in zip(_rows(kept, ["delivery.cpu", "queues.cpu"]), ("in bulk", "one by one"), strict=False):
        bars += [(f"Ferrata, {what}", row.ours or 0.0, BLUE)]
        bars += [(name, value, ORANGE) for name, value in row.peers.items()]
    if not bars:
        return False
    axes.barh(
        [name for name, _, _ in reversed(bars)],
        [value for _, value, _ in reversed(bars)],
        color=[c for _, _, c in reversed(bars)],
    )
    axes.set_xscale("log")
    axes.set_xlim(left=10)
    axes.set_xlabel("µs of CPU for each event")
    return True


def _backlog(axes: Any, kept: Kept) -> bool:
    lines = kept.series("backlog")
    if not lines:
        return False
    for (name, points), colour, style in zip(lines.items(), (BLUE, GREY), ("-", "--"), strict=False):
        axes.plot([x for x, _ in points], [y / 1000 for _, y in points], style, color=colour, label=name)
    axes.set_xlabel("seconds")
    axes.set_ylabel("thousand events waiting")
    axes.set_ylim(bottom=0)
    axes.legend()
    return True


def _stored(axes: Any, kept: Kept) -> bool:
    lines: Series = kept.series("stored")
    if not lines:
        return False
    for index, (name, points) in enumerate(lines.items()):
        axes.plot(
            [x for x, _ in points], [y for _, y in points], "o-", markersize=3, color=_COLOURS[index % len(_COLOURS)], label=name
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("events kept")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return True
