"""What a cleanup deletes, and what it never does."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from ferrata.audit.schemas import SYSTEM
from ferrata.commerce.tracked import PersonRef, ProfileChange
from ferrata.delivery.models import attempts, batches, deliveries
from ferrata.delivery.schemas import State
from ferrata.events.models import event_minutes
from ferrata.infra.database import Database
from ferrata.infra.errors import StorageUnavailable
from ferrata.infra.settings import Settings
from ferrata.profiles.schemas import ProfileAttributes
from ferrata.retention.purge import STEP
from ferrata.retention.schemas import RunState, Trigger
from ferrata.retention.service import Retained, Retention
from tests.retention.conftest import STORE, OpenShop, Shop

pytestmark = pytest.mark.anyio


async def clean_up(shop: Shop, store_id: str | None = None):  # type: ignore[no-untyped-def]
    return await shop.doors.wiring.retention.clean_up(store_id, trigger=Trigger.MANUAL, actor=SYSTEM)


class TestEvents:
    async def test_go_by_their_day_and_the_cutoff_day_stays(self, shop: Shop) -> None:
        old = await shop.accept("old@shop.test")
        shop.clock.advance(15 * 3600)  # 00:00 of the 21st: the first moment of the next day
        kept = await shop.accept("kept@shop.test")
        await shop.deliver([*old, *kept])
        shop.age(7.9)  # still the 28th: seven days before is the 21st
        run = await clean_up(shop)
        assert (run.counts.events, run.cutoff_day.isoformat()) == (1, "2026-11-21")
        assert await shop.ids() == set(kept)

    async def test_zero_days_keep_today_alone(self, open_shop: OpenShop) -> None:
        async with open_shop(data_retention_days=0) as shop:
            await shop.deliver(await shop.accept("yesterday@shop.test"))
            shop.clock.advance(15 * 3600 - 1)
            assert (await clean_up(shop)).counts.events == 0
            shop.clock.advance(1)
            today = await shop.accept("today@shop.test")
            assert (await clean_up(shop)).counts.events == 1
            assert await shop.ids() == set(today)

    @pytest.mark.parametrize("state", [State.WAITING, State.SENDING, State.DEAD])
    async def test_stay_whatever_their_age_until_they_are_delivered_or_discarded(self, shop: Shop, state: State) -> None:
        ids = await shop.accept("waiting@shop.test")
        await shop.deliver(ids, state)
        shop.age(400)
        run = await clean_up(shop)
        assert (run.counts.events, run.counts.kept_undelivered, run.counts.profiles) == (0, 1, 0)
        assert await shop.ids() == await shop.ids(deliveries) == set(ids)
        assert await shop.ids(attempts) != set(), "the story of what is unfinished stays whole"
        await shop.deliver(ids, State.DISCARDED)
        assert (await clean_up(shop)).counts.events == 1
        assert await shop.ids(deliveries) == await shop.ids(attempts) == set()

    async def test_that_name_nobody_go_like_others(self, shop: Shop) -> None:
        await shop.accept(None)
        shop.age(9)
        assert (await clean_up(shop)).counts.events == 1

    async def test_of_another_store_stay_when_one_store_is_cleaned(self, shop: Shop) -> None:
        await shop.doors.wiring.connections.registry.create("other", "Other", actor=SYSTEM)
        await shop.deliver(await shop.accept("a@shop.test"))
        other = await shop.accept("a@shop.test", store="other")
        await shop.deliver(other)
        shop.age(9)
        run = await clean_up(shop, STORE)
        assert (run.counts.events, run.counts.profiles) == (1, 1)
        assert await shop.ids() == set(other)
        assert (await clean_up(shop)).counts.events == 1

    async def test_go_in_steps_that_each_are_whole(self, shop: Shop) -> None:
        ids = await shop.accept(*many(2 * STEP + 50))
        await shop.deliver(ids[:-40])
        shop.age(9)
        run = await clean_up(shop)
        assert (run.counts.events, run.counts.kept_undelivered, run.counts.profiles) == (2 * STEP + 10, 40, 2 * STEP + 10)
        assert await shop.ids() == await shop.ids(deliveries) == set(ids[-40:])


class TestOrphanedProfiles:
    async def test_go_with_the_last_event_of_theirs(self, shop: Shop) -> None:
        await shop.deliver(await shop.accept("gone@shop.test", "stays@shop.test"))
        shop.age(9)
        await shop.deliver(await shop.accept("stays@shop.test"))
        assert (await clean_up(shop)).counts.profiles == 1
        assert await shop.people() == {"email:stays@shop.test"}

    async def test_known_by_phone_or_id_alone_go_too_unless_something_waits(self, shop: Shop) -> None:
        fields = [{"phone": "+4915112345678"}, {"externalId": "c-1"}, {"externalId": "c-2"}]
        phone, first, second = [(await shop.accept(None, **each))[0] for each in fields]
        await shop.deliver([phone, first])
        shop.age(9)
        assert (await clean_up(shop)).counts.profiles == 2
        assert await shop.people() == {"external:c-2"}
        assert await shop.ids() == {second}

    async def test_read_through_from_klaviyo_stay_until_that_is_old_too(self, shop: Shop) -> None:
        await shop.doors.wiring.profiles.complete(STORE, "known@shop.test", "01ABC", ProfileAttributes())
        shop.age(7)
        assert (await clean_up(shop)).counts.profiles == 0
        shop.age(2)
        assert (await clean_up(shop)).counts.profiles == 1

    async def test_that_a_shop_tells_of_stay_without_any_event(self, shop: Shop) -> None:
        told = ProfileChange(PersonRef("customer@shop.test"), {"first_name": "Ada"}, shop.clock.now(), "customer:1:1")
        profiles = shop.doors.wiring.profiles
        await shop.doors.wiring.database.write(lambda connection: profiles.change(connection, STORE, [told], history=False))
        shop.age(400)
        assert (await shop.doors.wiring.retention.statistics()).orphaned_profiles == 0
        assert (await clean_up(shop)).counts.profiles == 0
        assert await shop.people() == {"email:customer@shop.test"}

    async def test_are_counted_before_and_after(self, shop: Shop) -> None:
        await shop.doors.wiring.profiles.complete(STORE, "known@shop.test", "01ABC", ProfileAttributes())
        await shop.deliver(await shop.accept("due@shop.test", "due@shop.test"))
        await shop.accept("waits@shop.test")
        shop.age(9)
        await shop.accept("fresh@shop.test")
        found = await shop.doors.wiring.retention.statistics()
        assert (found.total_events, found.events_to_delete, found.kept_undelivered) == (4, 2, 1)
        assert (found.total_profiles, found.orphaned_profiles) == (4, 1), "what the deletion will orphan does not count yet"
        would = await shop.doors.wiring.retention.preview()
        run = await clean_up(shop)
        assert (would.events, would.profiles) == (run.counts.events, run.counts.profiles) == (2, 2)


class TestAttemptsAndCounters:
    async def test_batches_and_their_attempts_go_after_their_own_period(self, shop: Shop) -> None:
        finished, with_dead, still_open = [await shop.batch(state) for state in ("delivered", "divided", "open")]
        await shop.deliver(await shop.accept("a@shop.test"), batch_id=finished)
        await shop.deliver(await shop.accept("b@shop.test"), State.DEAD, batch_id=with_dead)
        await shop.deliver(await shop.accept("c@shop.test"), State.SENDING, batch_id=still_open)
        shop.age(20)
        assert (await clean_up(shop)).counts.attempts == 0
        shop.age(11)
        run = await clean_up(shop)
        assert (run.counts.attempts, run.counts.batches) == (1, 1)
        assert await shop.ids(batches) == {with_dead, still_open}
        kept = await shop.doors.wiring.database.read(
            lambda connection: set(connection.execute(select(attempts.c.batch_id)).scalars())
        )
        assert kept == {with_dead, still_open}

    async def test_old_counters_are_kept_by_the_day_with_the_same_sums(self, shop: Shop) -> None:
        for _ in range(6):
            await shop.accept("a@shop.test", "b@shop.test")
            shop.clock.advance(6 * 3600)
        shop.age(401)
        await shop.accept("fresh@shop.test")
        before = await shop.total(event_minutes, "accepted")
        await clean_up(shop)
        await clean_up(shop)
        rows = await shop.doors.wiring.database.read(
            lambda connection: connection.execute(
                select(event_minutes.c.worker, event_minutes.c.accepted).order_by(event_minutes.c.minute)
            ).all()
        )
        assert [tuple(row) for row in rows[:-1]] == [("folded", 6), ("folded", 6)]
        assert await shop.total(event_minutes, "accepted") == before == 13


class TestRuns:
    async def test_two_at_once_do_not_clash(self, shop: Shop) -> None:
        await shop.deliver(await shop.accept(*many(2 * STEP + 50)))
        shop.age(9)
        runs = await asyncio.gather(*(clean_up(shop) for _ in range(4)))
        assert sum(run.counts.events for run in runs) == 2 * STEP + 50
        assert sum(run.counts.profiles for run in runs) == 2 * STEP + 50
        assert await shop.ids() == await shop.ids(deliveries) == set()

    async def test_while_events_of_the_same_people_come_in_lose_none(self, shop: Shop) -> None:
        emails = many(60)
        await shop.deliver(await shop.accept(*emails))
        shop.age(9)
        cleaning = asyncio.create_task(clean_up(shop))
        fresh = [(await shop.accept(email))[0] for email in emails]
        await cleaning
        assert await shop.ids() == set(fresh)
        assert await shop.people() == {f"email:{email}" for email in emails}

    async def test_are_kept_in_a_history(self, shop: Shop) -> None:
        await shop.deliver(await shop.accept("a@shop.test"))
        shop.age(9)
        run = await clean_up(shop)
        (found,) = (await shop.doors.wiring.retention.runs()).rows
        assert found == run
        assert found.state is RunState.DONE
        records = (await shop.doors.wiring.audit.newest()).rows
        assert records[0].action == "retention.cleaned_up"
        assert records[0].after == {"events": 1, "profiles": 1, "cutoff_day": "2026-11-22"}

    async def test_that_break_off_are_told_and_the_next_one_repairs(self, shop: Shop) -> None:
        everything = 3 * STEP
        await shop.deliver(await shop.accept(*many(everything)))
        shop.age(9)
        cleaning = asyncio.create_task(clean_up(shop))
        while len(await shop.ids()) == everything:
            await asyncio.sleep(0.001)
        cleaning.cancel()  # the task ends as with its process: nothing is written any more
        await asyncio.gather(cleaning, return_exceptions=True)
        shop.clock.advance(601)
        (killed,) = (await shop.doors.wiring.retention.runs()).rows
        assert killed.state is RunState.INTERRUPTED
        again = await clean_up(shop)
        (killed,) = (await shop.doors.wiring.retention.runs(limit=2)).rows[1:]
        assert killed.counts.events >= STEP, "what it did is known"
        assert killed.counts.events + again.counts.events == everything
        assert await shop.ids() == await shop.ids(deliveries) == await shop.ids(attempts) == await shop.people() == set()

    async def test_that_fail_are_told_and_leave_the_service_alive(self, shop: Shop) -> None:
        await shop.deliver(await shop.accept("a@shop.test"))
        shop.age(9)
        wiring = shop.doors.wiring
        rooms = Retained(wiring.connections, wiring.delivery, wiring.profiles, wiring.events)
        broken = Retention(FullDisk(wiring.database), wiring.clock, wiring.audit, wiring.retention.policy, rooms)
        with pytest.raises(StorageUnavailable):
            await broken.clean_up(trigger=Trigger.SCHEDULE)
        (run,) = (await wiring.retention.runs()).rows
        assert (run.state, run.error) == (RunState.FAILED, "StorageUnavailable: the disk is full")
        assert (await clean_up(shop)).counts.events == 1


class TestTheDailyRun:
    async def test_happens_at_two_in_the_morning_utc(self, shop: Shop) -> None:
        scheduler = shop.doors.wiring.scheduler
        await self._look(shop)  # makes up for that of today, which nobody was there for
        assert scheduler.next_slot("retention.cleanup").isoformat() == "2026-11-21T02:00:00+00:00"
        ids = await shop.accept("a@shop.test")
        await shop.deliver(ids)
        shop.clock.advance(6 * 86_400 + 17 * 3600)  # 02:00:00 of the 27th
        await self._look(shop)
        shop.clock.advance(86_400 - 1)
        await self._look(shop)
        assert await shop.ids() == set(ids)
        shop.clock.advance(1)
        await self._look(shop)
        assert await shop.ids() == set()
        run = (await shop.doors.wiring.retention.runs()).rows[0]
        assert (run.trigger, run.state, run.counts.events) == (Trigger.SCHEDULE, RunState.DONE, 1)

    async def _look(self, shop: Shop) -> None:
        await shop.doors.wiring.scheduler.look()
        await shop.doors.wiring.scheduler.idle()


class TestSetting:
    @pytest.mark.parametrize("value", ["-1", "seven", "1.5", ""])
    def test_refuses_days_that_make_no_sense(self, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATA_RETENTION_DAYS", value)
        with pytest.raises(ValidationError, match="DATA_RETENTION_DAYS"):
            Settings(_env_file=None)  # type: ignore[call-arg]

    def test_is_seven_days_unless_told_otherwise(self) -> None:
        assert Settings(_env_file=None).data_retention_days == 7  # type: ignore[call-arg]


class FullDisk:
    """A database whose second write finds no room."""

    def __init__(self, behind: Database) -> None:
        self.read, self._write, self._writes = behind.read, behind.write, 0

    async def write(self, work: Any) -> Any:
        self._writes += 1
        if self._writes == 2:
            raise StorageUnavailable("the disk is full")
        return await self._write(work)


def many(count: int) -> list[str]:
    return [f"person{number}@shop.test" for number in range(count)]
