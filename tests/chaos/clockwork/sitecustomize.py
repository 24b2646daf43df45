"""Loaded by Python itself in every process of a hostile run, never by the product: sets its wall clock to what the run says.

The file named by ``FERRATA_CHAOS_CLOCK`` holds two numbers: by how many seconds the clock is off, written by the run, and how
often it was read since, written here, so that nobody claims a jump that nobody saw. The monotonic clock is left alone.
``FERRATA_CHAOS_STEP`` makes the steps of retention small enough that there are many to be killed in.
"""

import mmap
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path


def _move_the_clock(path: str) -> None:
    from ferrata.kit import clock

    with Path(path).open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 16)

    def now(_self: object) -> datetime:
        seconds, reads = struct.unpack("<dq", shared[:16])
        shared[8:16] = struct.pack("<q", reads + 1)
        return datetime.now(UTC) + timedelta(seconds=seconds)

    clock.SystemClock.now = now  # type: ignore[method-assign, assignment]  # the product's one clock for stamps


def _make_small_steps(rows: int) -> None:
    from ferrata.retention import purge

    purge.STEP = rows


if path := os.environ.get("FERRATA_CHAOS_CLOCK"):
    _move_the_clock(path)
if rows := os.environ.get("FERRATA_CHAOS_STEP"):
    _make_small_steps(int(rows))
