"""Scheduled work: once for each slot among any number of processes, made up for, taken over, never overlapping."""

import asyncio
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import update

from ferrata.infra.database import Database
from ferrata.infra.errors import StorageUnavailable
from ferrata.infra.schedule import Daily, Every, Job, Scheduler
from ferrata.infra.schedule.claims import MOST_TRIES, scheduled_runs
from ferrata.kit.clock import MovedClock

pytestmark = pytest.mark.anyio
AT_TWO = Daily(time(2))
TODAY_AT_TWO = datetime(2026, 11, 20, 2, tzinfo=UTC)  # the clock stands at 09:00 of that day
DAY = 86_400


class Work:
    """Counts how often it ran; holds on while ``held`` is set, and fails when told to."""

    def __init__(self) -> None:
        self.starts = 0
        self.finished = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.error: Exception | None = None

    async def __call__(self) -> None:
        self.starts += 1
        await self.go_on.wait()
        if self.error:
            raise self.error
        self.finished += 1


@pytest.fixture
def work() -> Work:
    return Work()


def scheduler(database: Database, clock: MovedClock, work: Work, owner: str = "one", slots: object = AT_TWO) -> Scheduler:
    return Scheduler(database, clock, owner, [Job("test.job", slots, work)])  # type: ignore[arg-type]


async def look(*schedulers: Scheduler) -> None:
    await asyncio.gather(*(each.look() for each in schedulers))
    await asyncio.gather(*(each.idle() for each in schedulers))


class TestSlots:
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            ("2026-11-20T01:59:59", "2026-11-19T02:00"),
            ("2026-11-20T02:00", "2026-11-20T02:00"),
            ("2026-11-20T23:00", "2026-11-20T02:00"),
        ],
    )
    def test_daily_is_the_last_time_of_that_hour(self, now: str, expected: str) -> None:
        slot = AT_TWO.latest(datetime.fromisoformat(now).replace(tzinfo=UTC))
        assert slot == datetime.fromisoformat(expected).replace(tzinfo=UTC)
        assert AT_TWO.following(slot) - slot == timedelta(days=1)

    def test_every_minute_is_the_full_minute(self) -> None:
        minute = Every(timedelta(minutes=1))
        slot = minute.latest(datetime(2026, 11, 20, 9, 5, 59, tzinfo=UTC))
        assert slot == datetime(2026, 11, 20, 9, 5, tzinfo=UTC)
        assert minute.following(slot) == datetime(2026, 11, 20, 9, 6, tzinfo=UTC)


class TestOneRunForEachSlot:
    async def test_a_missed_slot_is_made_up_for_once(self, database: Database, clock: MovedClock, work: Work) -> None:
        first = scheduler(database, clock, work)
        await look(first)
        await look(first)
        await look(scheduler(database, clock, work, "after a restart"))
        assert work.finished == 1
        (run,) = await first.last_runs("test.job", 10)
        assert (run.slot, run.owner, run.error) == (TODAY_AT_TWO, "one", None)
        assert run.finished_at is not None
        assert first.next_slot("test.job") == TODAY_AT_TWO + timedelta(days=1)

    async def test_of_many_processes_that_start_together_one_works(
        self, database: Database, clock: MovedClock, work: Work
    ) -> None:
        work.go_on.clear()
        many = [scheduler(database, clock, work, f"process {number}") for number in range(50)]
        if database.exclusive:  # one process can have a SQLite file: its names are then one
            many = [scheduler(database, clock, work) for _ in range(50)]
        await asyncio.gather(*(each.look() for each in many))
        work.go_on.set()
        await look(*many)
        assert (work.starts, work.finished) == (1, 1)

    async def test_the_next_day_it_runs_again(self, database: Database, clock: MovedClock, work: Work) -> None:
        daily = scheduler(database, clock, work)
        await look(daily)
        clock.advance(DAY)
        await look(daily)
        assert work.finished == 2

    async def test_a_clock_that_is_set_back_repeats_nothing(self, database: Database, clock: MovedClock, work: Work) -> None:
        daily = scheduler(database, clock, work)
        await look(daily)
        clock.jump(-3600)
        await look(daily, scheduler(database, clock, work, "other"))
        assert work.finished == 1

    async def test_of_several_missed_slots_the_last_is_made_up_for(
        self, database: Database, clock: MovedClock, work: Work
    ) -> None:
        daily = scheduler(database, clock, work)
        await look(daily)
        clock.advance(5 * DAY)
        await look(daily)
        assert [run.slot for run in await daily.last_runs("test.job", 10)] == [TODAY_AT_TWO + timedelta(days=5), TODAY_AT_TWO]

    async def test_it_works_by_itself_as_time_passes(self, database: Database, clock: MovedClock, work: Work) -> None:
        minutely = scheduler(database, clock, work, slots=Every(timedelta(minutes=1)))
        running = asyncio.create_task(minutely.run())
        for count in range(1, 4):
            while work.finished < count:
                await asyncio.sleep(0.005)
            await minutely.idle()
            clock.advance(60)
        minutely.stop()
        await running
        assert work.finished >= 3


class TestWorkThatGoesWrong:
    async def test_a_failure_is_recorded_and_not_repeated_before_the_next_slot(
        self, database: Database, clock: MovedClock, work: Work
    ) -> None:
        work.error = StorageUnavailable("the disk is full")
        daily = scheduler(database, clock, work)
        await look(daily)
        await look(daily, scheduler(database, clock, work, "other"))
        (run,) = await daily.last_runs("test.job", 10)
        assert (work.starts, run.error) == (1, "StorageUnavailable: the disk is full")
        work.error = None
        clock.advance(DAY)
        await look(daily)
        assert work.finished == 1

    async def test_a_slot_that_is_broken_off_by_a_stop_is_the_next_process_s_at_once(
        self, database: Database, clock: MovedClock, work: Work
    ) -> None:
        work.go_on.clear()
        stopped = scheduler(database, clock, work, "stopped")
        running = asyncio.create_task(stopped.run())
        while not work.starts:
            await asyncio.sleep(0.005)
        stopped.stop()
        await running
        work.go_on.set()
        await look(scheduler(database, clock, work, "next"))
        assert (work.starts, work.finished) == (2, 1)

    async def test_what_a_dead_process_held_is_done_again_when_its_lease_is_over(
        self, database: Database, clock: MovedClock, work: Work
    ) -> None:
        await _die_at_it(database, clock)
        survivor = scheduler(database, clock, work, "survivor")
        await survivor.look()
        await survivor.idle()
        assert work.finished == (1 if database.exclusive else 0), "the only process there can be need not wait"
        await _let_leases_run_out(database)
        await look(survivor)
        (run,) = await survivor.last_runs("test.job", 10)
        assert (work.finished, run.tries, run.owner) == (1, 2, "survivor")

    async def test_a_job_that_kills_every_process_is_given_up(self, database: Database, clock: MovedClock, work: Work) -> None:
        for _ in range(MOST_TRIES):
            await _die_at_it(database, clock)
            await _let_leases_run_out(database)
        survivor = scheduler(database, clock, work, "survivor")
        await look(survivor)
        (run,) = await survivor.last_runs("test.job", 10)
        assert work.starts == 0
        assert run.error == f"Given up: {MOST_TRIES} processes died over it."

    async def test_a_slow_run_is_not_overlapped_by_the_next_slot(self, database: Database, clock: MovedClock, work: Work) -> None:
        work.go_on.clear()
        minutely = Every(timedelta(minutes=1))
        slow = scheduler(database, clock, work, "one", minutely)
        await slow.look()
        clock.advance(60)
        other = scheduler(database, clock, work, "one" if database.exclusive else "two", minutely)
        if database.exclusive:  # there the lease runs by the clock that the test has moved
            await database.write(
                lambda connection: connection.execute(
                    update(scheduled_runs).values(expires_at=clock.now() + timedelta(seconds=60))
                )
            )
        await asyncio.gather(slow.look(), other.look())
        assert work.starts == 1
        work.go_on.set()
        await look(slow)
        await look(other)
        assert (work.starts, work.finished) == (2, 2)

    async def test_a_lease_lasts_as_long_as_the_work(self, database: Database, clock: MovedClock, work: Work) -> None:
        work.go_on.clear()
        slow = scheduler(database, clock, work)
        await slow.look()
        began = (await _row(database)).expires_at
        for _ in range(8):
            clock.advance(15)
            await asyncio.sleep(0.02)
        assert (await _row(database)).expires_at > began
        work.go_on.set()
        await look(slow)
        assert work.finished == 1


class TestRecords:
    async def test_old_records_go(self, database: Database, clock: MovedClock, work: Work) -> None:
        daily = Scheduler(database, clock, "one", [Job("test.job", AT_TWO, work, keep=timedelta(days=2))])
        for _ in range(5):
            await look(daily)
            clock.advance(DAY)
        assert len(await daily.last_runs("test.job", 10)) == 3


async def _die_at_it(database: Database, clock: MovedClock) -> None:
    """Claim the slot as a process that is then killed: its row stays as it was."""
    from ferrata.infra.schedule import claims

    now = await database.now()
    by = claims.Claimant("dead", now, timedelta(seconds=60), exclusive=False)
    claimed = await database.write(lambda connection: claims.claim(connection, "test.job", TODAY_AT_TWO, by))
    assert claimed is claims.Claim.OURS


async def _let_leases_run_out(database: Database) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    await database.write(lambda connection: connection.execute(update(scheduled_runs).values(expires_at=long_ago)))


async def _row(database: Database):  # type: ignore[no-untyped-def]
    return await database.read(lambda connection: connection.execute(scheduled_runs.select()).one())
