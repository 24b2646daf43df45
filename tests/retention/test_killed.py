"""A cleanup whose process is killed in the middle: nothing half deleted, nothing undelivered gone, and the next one goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ferrata.delivery.models import deliveries
from ferrata.entry.wiring import Wiring, build
from ferrata.events.models import events
from ferrata.infra.database.looking import LookedAtDatabase
from ferrata.infra.settings import Settings
from ferrata.kit.clock import SystemClock
from ferrata.retention.schemas import RunState, Trigger
from tests.doors import settings
from tests.retention.old_events import EVENTS, UNDELIVERED

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
FERRATA = str(Path(sys.executable).with_name("ferrata"))


async def left(wiring: Wiring) -> tuple[int, int]:
    query = select(
        select(func.count()).select_from(events).scalar_subquery(), select(func.count()).select_from(deliveries).scalar_subquery()
    )
    row = await wiring.database.read(lambda connection: connection.execute(query).one())
    return row[0], row[1]


class TestAKilledCleanup:
    async def test_leaves_whole_steps_and_is_finished_by_the_next(self, database_url: str, tmp_path: Path) -> None:
        fill = [sys.executable, "-m", "tests.retention.old_events", database_url, str(tmp_path)]
        subprocess.run(fill, cwd=Path(__file__).parents[2], check=True, timeout=100)
        environment = {
            "PATH": os.environ["PATH"], "DATABASE_URL": database_url, "FERRATA_DATA_DIR": str(tmp_path),
            "FERRATA_ALLOW_UNSAFE_DATABASE": "true",
        }  # fmt: skip
        cleaning = subprocess.Popen([FERRATA, "cleanup", "run"], env=environment, cwd=tmp_path)
        made = settings(database_url, tmp_path, allow_unsafe_database=True)
        await self._kill_in_the_middle(cleaning, made)
        wiring = build(made)
        await wiring.start()
        kept, kept_deliveries = await left(wiring)
        assert UNDELIVERED < kept < EVENTS, "it was killed too early or too late to show anything"
        assert kept == kept_deliveries
        (killed,) = (await wiring.retention.runs()).rows
        assert (killed.counts.events, killed.state) == (EVENTS - kept, RunState.RUNNING)
        run = await wiring.retention.clean_up(trigger=Trigger.MANUAL)
        assert (run.counts.events, run.counts.kept_undelivered) == (kept - UNDELIVERED, UNDELIVERED)
        assert await left(wiring) == (UNDELIVERED, UNDELIVERED)
        await wiring.close()

    async def _kill_in_the_middle(self, cleaning: "subprocess.Popen[bytes]", made: Settings) -> None:
        looked_at = LookedAtDatabase(made.database(), SystemClock())
        query = select(func.count()).select_from(events)
        for _ in range(4_000):
            if await looked_at.read(lambda connection: connection.execute(query).scalar_one()) < EVENTS:
                break
            assert cleaning.poll() is None, "it ended before anything was deleted"
            time.sleep(0.005)
        cleaning.send_signal(signal.SIGKILL)
        cleaning.wait()
        await looked_at.close()
