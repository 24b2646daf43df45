"""Checks of this machine and its processes: room on the disk, somebody who delivers, scheduled work that goes well."""

import asyncio
import shutil
from pathlib import Path

from ferrata.health.presence import Presence
from ferrata.health.schemas import Check, Level
from ferrata.infra.schedule import Scheduler

LITTLE_SPACE_BYTES, LITTLE_SPACE_SHARE = 2_000_000_000, 0.05
NO_SPACE_BYTES = 100_000_000


class MachineChecks:
    """``holds_database``: the disk of ``data_dir`` is the one that accepted events are kept on."""

    def __init__(self, data_dir: Path, presence: Presence, scheduler: Scheduler, *, holds_database: bool) -> None:
        self._data_dir = data_dir
        self._presence = presence
        self._scheduler = scheduler
        self._holds_database = holds_database

    async def disk(self) -> Check:
        return disk_check(await asyncio.to_thread(disk_usage, self._data_dir), holds_database=self._holds_database)

    async def worker(self) -> Check:
        """Whether any process delivers."""
        working = await self._presence.working()
        if working:
            return Check(
                "worker.alive", Level.HEALTHY, "1 process delivers." if working == 1 else f"{working} processes deliver."
            )
        return Check(
            "worker.alive", Level.DOWN, "No process delivers: what is accepted waits. Start: ferrata serve --role worker"
        )

    async def schedule(self) -> Check:
        """Whether the last run of every scheduled job went well."""
        failed = []
        for name in self._scheduler.job_names:
            runs = await self._scheduler.last_runs(name)
            failed += [f"{name} at {run.slot:%Y-%m-%d %H:%M} UTC" for run in runs if run.error]
        if failed:
            return Check("schedule.jobs", Level.DEGRADED, f"Failed: {', '.join(failed)}. The next run makes up for it.")
        return Check("schedule.jobs", Level.HEALTHY, "Scheduled jobs go well.")


def disk_usage(folder: Path) -> tuple[int, int]:
    """Bytes in all and bytes free, where ``folder`` is or will be."""
    there = next(each for each in (folder.resolve(), *folder.resolve().parents) if each.exists())
    usage = shutil.disk_usage(there)
    return usage.total, usage.free


def disk_check(usage: tuple[int, int], *, holds_database: bool) -> Check:
    total, free = usage
    summary = f"{free / 1e9:.1f} GB of {total / 1e9:.1f} GB are free."
    if free < NO_SPACE_BYTES and holds_database:
        return Check("disk.space", Level.DOWN, f"{summary} Accepting is about to fail: free some space.")
    if free < min(LITTLE_SPACE_BYTES, LITTLE_SPACE_SHARE * total) or free < NO_SPACE_BYTES:
        return Check("disk.space", Level.DEGRADED, f"{summary} Free some space, or keep less: DATA_RETENTION_DAYS.")
    return Check("disk.space", Level.HEALTHY, summary)
