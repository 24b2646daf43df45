"""Writes ``docs/performance.md`` and its plots: what was measured, where, and where a goal is not met."""

import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import plots
from bench.keeping import Kept, Part
from bench.results import Row, number, table

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"

_HEAD = """# How fast it is

Everything here was measured by one command on one machine, with the load generator and the stand-in for Klaviyo on the same one:

    python3 dev.py bench              # all of it, in about half an hour
    python3 dev.py bench --quick      # a quick look: the same with less
    python3 dev.py bench --only acceptance.single --json rows.json

`--only` takes the beginning of a name, as often as you like; the rows of other benches stay as an earlier run has found them, so
a run may be made in parts. Ten million stored events need 25 GB of free disk.

Read the ratios, not the numbers: each figure stands beside a floor that ran in the same minutes. A ratio is ours to the floor
or, where there is none, to the first peer.

- The floor of acceptance is the same server, set up in the same way (event loop, HTTP parser, connections, garbage collection),
  that checks the same body with the same code and answers with it, and keeps nothing. It is a bare ASGI application; the same on
  a route of the framework, and the route that one would write by hand, stand beside it.
- The floor of a backlog is what Klaviyo's published limits allow: 150 bulk jobs of 1,000 events in a minute. The stand-in
  enforces the published windows, answers after 50 ms, and counts what arrives, what it refused, and what came twice.
- Peers are what one would use instead: the official SDK, and queues from PyPI in front of it.
- *2 ms added to every sync* is a small library that the process is started with; before it counts, a commit of SQLite must have
  become slower by it.
"""

_MEANS = """
## What an event costs

A durable accept does, beyond the floor: the token and the store, the frozen texts for Klaviyo, three inserts (event, delivery,
profile), a synced commit that it shares with whatever arrived meanwhile, and an answer that is built from what was kept. Nearly
all of that is Python, and the threads of one Python process share one core, which the floor alone uses to the full: so every
microsecond of CPU beyond the floor's comes off the rate, and CPU for each event is the figure to compare between machines. Where
rate times CPU makes much less than a core, it was the disk that was waited for, or other work on the machine. More than one
process on one machine needs PostgreSQL; see [Scaling](operate/scaling.md). The hand-written route checks less than the floor
does, and so may be faster than it.

Where a peer loses events, it is what its worker had in hand when it was killed: huey takes a task off its queue before running
it, and so does Celery by default, some tasks ahead of its work; with `acks_late` Celery keeps them, but a broker without
visibility timeouts, as SQLAlchemy's, gives to nobody else what a killed worker had taken.
"""
_SYNCED_WRITES = 200


def write(kept: Kept, document: Path, order: Sequence[str]) -> None:
    parts = {name: kept.parts[name] for name in order if name in kept.parts}
    rows = [row for part in parts.values() for row in part.rows]
    drawn = plots.draw(kept, document.parent / "assets")
    text = [_HEAD, *_conditions(parts), *_summary(rows), "", *table(rows), *_pictures(drawn), *_in_the_way(rows), _MEANS.rstrip()]
    document.write_text("\n".join(text) + "\n")


def _conditions(parts: dict[str, Part]) -> list[str]:
    full = sum(part.is_full for part in parts.values())
    sort = "a full run" if full == len(parts) else "a quick look" if not full else f"{full} of {len(parts)} benches in full"
    times = sorted(part.at for part in parts.values())
    loads = sorted(part.load for part in parts.values())
    quick = [name for name, part in parts.items() if not part.is_full]
    return [
        "## The run",
        "",
        f"{times[0].replace('T', ' ')[:16]} to {times[-1].replace('T', ' ')[:16]} UTC: {sort}.",
        f"{os.cpu_count()} cores ({_processor()}),",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}.",
        f"Load average at the ends of the benches: {loads[0]:g} to {loads[-1]:g}. The bench itself makes about 2; more means",
        "that other work took its share, and that the rates are too low by as much. Ratios and the rows of CPU bear that better.",
        _disk(),
        *([f"With less of everything than a full run: {', '.join(f'`{name}`' for name in quick)}."] if full and quick else []),
        "",
    ]  # fmt: skip


def _summary(rows: Iterable[Row]) -> list[str]:
    goals = [row for row in rows if row.met is not None]
    met = sum(bool(row.met) for row in goals)
    return [f"**{met} of {len(goals)} goals met.** Where one is not, [what stands in the way](#what-stands-in-the-way) says why."]


def _in_the_way(rows: Iterable[Row]) -> list[str]:
    missed = [row for row in rows if row.met is False]
    lines = ["", "## What stands in the way", ""]
    for row in missed:
        said = row.failure or row.stops or _beside(row)
        lines.append(f"- `{row.name}`, goal {row.goal}: {said}")
    return lines if missed else [*lines, "Nothing: every goal is met here."]


def _beside(row: Row) -> str:
    beside = f", the floor {number(row.floor)} {row.unit}" if row.floor is not None else ""
    return f"measured {number(row.ours or 0)} {row.unit}{beside}."


def _pictures(drawn: Sequence[tuple[str, str]]) -> list[str]:
    return [line for file, said in drawn for line in ("", f"![{said}](assets/{file})")]


def _disk() -> str:
    """What the disk takes for the least that a commit does."""
    seconds = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(_SYNCED_WRITES):
            began = time.perf_counter()
            os.write(file.fileno(), b"x" * 4096)
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - began)
    seconds.sort()
    median, late = seconds[len(seconds) // 2] * 1000, seconds[int(len(seconds) * 0.99)] * 1000
    return f"Writing 4 KB and syncing them took the disk {median:.2f} ms, and {late:.1f} ms in one case of a hundred."


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
