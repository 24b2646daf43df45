"""The daily forgetting of raw messages that have been mapped."""

from datetime import time, timedelta

from ferrata.infra.schedule import Daily, Job
from ferrata.kit.clock import Clock
from ferrata.sources.service import Sources

NAME = "sources.forget"
AT = time(2, 30)
STEP = 1_000


def daily_forgetting(sources: Sources, clock: Clock, days: int) -> Job:
    """Every day at 02:30 UTC, once among all processes: messages that came more than so many days ago, unless refused."""

    async def forget() -> None:
        before = clock.now() - timedelta(days=days)
        while await sources.forget(before, STEP) == STEP:
            pass

    return Job(NAME, Daily(AT), forget)
