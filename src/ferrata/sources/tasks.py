"""What is done by the clock: raw messages that have been mapped are forgotten, and events that were missed are fetched."""

from datetime import time, timedelta

import structlog

from ferrata.audit.schemas import SYSTEM
from ferrata.infra.errors import FerrataError
from ferrata.infra.schedule import Daily, Every, Job
from ferrata.kit.clock import Clock
from ferrata.sources.service import Sources

NAME = "sources.forget"
AT = time(2, 30)
STEP = 1_000
CATCHING_UP = "sources.catch_up"
CATCH_UP_EVERY = timedelta(hours=6)
WATCH_EVERY = timedelta(minutes=1)
MISSED_FOR = timedelta(days=30)
log = structlog.get_logger()


def daily_forgetting(sources: Sources, clock: Clock, days: int, memory_days: int) -> Job:
    """Every day at 02:30 UTC, once among all processes: messages that came more than so many days ago, unless refused.

    And what messages have taught, if none has told it again for ``memory_days``.
    """

    async def forget() -> None:
        before = clock.now() - timedelta(days=days)
        while await sources.forget(before, STEP) == STEP:
            pass
        await sources.forget_taught(clock.now() - timedelta(days=memory_days))

    return Job(NAME, Daily(AT), forget)


def regular_catching_up(sources: Sources, clock: Clock) -> Job:
    """Every six hours, once among all processes: fetch what sources could not deliver to us, where they keep that."""

    async def catch_up() -> None:
        for store_id, kind, enabled in await sources.configurations.all():
            for backfill in sources.configurations.source(kind).backfills:
                if enabled and backfill.live:
                    await _fetch(store_id, kind, backfill.name)

    async def _fetch(store_id: str, kind: str, backfill: str) -> None:
        since = clock.now() - MISSED_FOR
        try:
            await sources.begin_backfill(store_id, kind, backfill, since=since, until=None, actor=SYSTEM)
        except FerrataError as error:  # no access to the API, or the last one is still being read: the next time, then
            log.info("sources.not_caught_up", store=store_id, source=kind, reason=error.code)

    return Job(CATCHING_UP, Every(CATCH_UP_EVERY), catch_up)


def regular_watching(sources: Sources) -> Job:
    """Every minute, once among all processes: tell which sources cannot be read or believed."""
    return Job("sources.watch", Every(WATCH_EVERY), sources.watching.look, keep=timedelta(hours=1))
