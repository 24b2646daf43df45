"""Writes ``docs/performance.md``: what was measured, where, and where a goal is not met."""

import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.results import Row, table

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"

_HEAD = """# How fast it is

Everything here was measured by one command, in one run on one machine, with the load generator on the same machine:

    python3 dev.py bench              # all of it
    python3 dev.py bench --quick      # a quick look: the same with less
    python3 dev.py bench --only acceptance.single --json rows.json

Read the ratios, not the numbers: each figure stands beside a floor that ran in the same minutes. The floor of acceptance is the
same server checking the same body with the same rules and keeping nothing; the floor of a backlog is what Klaviyo's published
limits allow. Peers are what one would use instead. A ratio is ours to the floor or, where there is none, to the peer.
"""

_LIMITS = """
## What stands in the way

A durable accept does, beyond the floor: the token and the store, the frozen texts for Klaviyo, three inserts (event, delivery,
profile), a synced commit that it shares with whatever arrived meanwhile, and an answer that is built from what was kept. Nearly
all of that is Python, and the threads of one Python process share one core, which the floor alone uses to the full: so every
microsecond of CPU beyond the floor's comes off the rate, and CPU for each event is the figure to compare between machines. Where
rate times CPU makes much less than a core, it was the disk that was waited for, or other work on the machine. More than one
process on one machine needs PostgreSQL. The hand-written route checks less than the floor does, and so may be faster than it.
"""
_SYNCED_WRITES = 200


def write(rows: Sequence[Row], *, quick: bool) -> None:
    DOCUMENT.write_text("\n".join([_HEAD, *_conditions(quick=quick), "", *table(rows), _LIMITS]))


def _conditions(*, quick: bool) -> list[str]:
    load = os.getloadavg()[0]
    sort = "a quick look" if quick else "a full run"
    return [
        "## The run",
        "",
        f"{datetime.now(UTC):%d %B %Y}, {sort}. {os.cpu_count()} cores ({_processor()}),",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}.",
        f"Load average at its end: {load:.1f}. The bench itself makes about 2; more means that other work took its share,",
        "and that the rates are too low by as much. The ratios and the rows of CPU bear that better.",
        _disk(),
    ]


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
