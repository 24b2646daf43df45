"""Which silences are told, and that each is told once."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from ferrata.carts.service import Carts
from ferrata.events.validation import event_from
from ferrata.kit.clock import MovedClock
from tests.carts.conftest import JANE, MINUTE, MUG, STORE, Shop, properties
from tests.doors import open_doors

pytestmark = pytest.mark.anyio
ABANDONED = "Abandoned Checkout"


class TestASilence:
    async def test_is_told_after_ten_minutes_and_not_a_second_before(self, shop: Shop) -> None:
        await shop.post("k-1", "items", items=[MUG], **JANE)
        assert (await shop.passes(10 * MINUTE - 1)).abandoned == 0
        assert (await shop.passes(1)).abandoned == 1
        [event] = await shop.events(ABANDONED)
        told = properties(event)
        assert (event.value, event.currency, event.email) == ("25.00", "EUR", "jane@example.com")
        assert (told["CartID"], told["MinutesSinceLastActivity"], told["ItemNames"]) == ("k-1", 10, ["Mug"])
        assert told["LastActivityAt"] == "2026-11-20T09:00:00+00:00"
        assert told["CheckoutURL"].startswith("http://ferrata.test/carts/recover/")
        cart = await shop.get("/carts/k-1")
        assert (cart["state"], cart["abandonments"], cart["abandonAt"]) == ("abandoned", 1, None)
        assert cart["story"][0]["eventIds"] == [event.id]

    async def test_is_told_once_and_again_only_after_a_sign_of_life(self, shop: Shop) -> None:
        await shop.post("k-1", "items", items=[MUG], **JANE)
        for _ in range(3):
            await shop.passes(10 * MINUTE)
        assert len(await shop.events(ABANDONED)) == 1
        await shop.post("k-1", "update", items=[MUG])
        await shop.passes(10 * MINUTE)
        await shop.passes(10 * MINUTE)
        events = await shop.events(ABANDONED)
        assert len({event.event_id for event in events}) == len(events) == 2

    async def test_begins_anew_with_every_sign_of_life(self, shop: Shop) -> None:
        for _ in range(4):
            await shop.post("k-1", "items", items=[MUG], **JANE)
            assert (await shop.passes(9 * MINUTE)).abandoned == 0
        assert (await shop.passes(1 * MINUTE)).abandoned == 1

    async def test_lasts_as_long_as_the_store_says(self, shop: Shop) -> None:
        await shop.settle(silenceMinutes=60, names={ABANDONED: "Checkout Abandoned"})
        await shop.post("k-1", "items", items=[MUG], **JANE)
        assert (await shop.passes(59 * MINUTE)).looked_at == 0
        await shop.passes(1 * MINUTE)
        assert (await shop.metrics())[-1] == "Checkout Abandoned"

    @pytest.mark.parametrize("ending", ["purchase", "clear"])
    async def test_of_a_cart_that_was_bought_or_cleared_is_none(self, shop: Shop, ending: str) -> None:
        await shop.post("k-1", "items", items=[MUG], **JANE)
        await shop.post("k-1", ending)
        assert (await shop.passes(60 * MINUTE)).looked_at == 0

    async def test_of_a_guest_is_none_until_they_are_known(self, shop: Shop) -> None:
        await shop.post("k-1", "items", items=[MUG])
        assert (await shop.passes(60 * MINUTE)).looked_at == 0
        await shop.post("k-1", "person", externalId="c-17")
        assert (await shop.passes(10 * MINUTE)).abandoned == 1
        assert (await shop.events(ABANDONED))[0].external_id == "c-17"

    async def test_after_a_purchase_is_that_of_a_new_cart(self, shop: Shop) -> None:
        await shop.post("k-1", "items", items=[MUG], **JANE)
        await shop.post("k-1", "purchase", orderId="o-1")
        shop.clock.advance(MINUTE)
        told = await shop.post("k-1", "items", items=[MUG])
        assert (told["state"], told["total"]) == ("open", "25.00")
        assert (await shop.passes(10 * MINUTE)).abandoned == 1


class TestAPlacedOrder:
    @pytest.mark.parametrize(
        ("order", "cancels"),
        [
            ({"email": "jane@example.com"}, True),
            ({"email": "other@example.com", "eventAttributes": {"CartID": "k-1"}}, True),
            ({"email": "other@example.com"}, False),
            ({"email": "jane@example.com", "time": "2026-11-19T09:00:00Z"}, False),
            ({"email": "jane@example.com", "backfill": True}, False),
            ({"email": "other@example.com", "eventAttributes": {"CartID": "k-12"}}, False),
        ],
        ids=["of the person", "of the cart", "of somebody else", "before the cart", "of history", "of another cart"],
    )
    async def test_from_any_source_ends_the_cart(self, shop: Shop, order: dict[str, object], cancels: bool) -> None:
        await shop.post("k-1", "items", items=[MUG], **JANE)
        shop.clock.advance(MINUTE)
        incoming = event_from({"eventName": "Placed Order", **order}, shop.clock.now())
        await shop.wiring.events.accept(STORE, [incoming], "stripe")
        swept = await shop.passes(9 * MINUTE)
        assert (swept.ordered, swept.abandoned) == ((1, 0) if cancels else (0, 1))
        assert (await shop.get("/carts/k-1"))["state"] == ("ordered" if cancels else "abandoned")


class TestTwoAtOnce:
    async def test_looking_at_one_silence_tell_it_once(self, shop: Shop) -> None:
        for number in range(20):
            await shop.post(f"k-{number}", "items", items=[MUG], email=f"p{number}@example.com")
        shop.clock.advance(10 * MINUTE)
        others = [shop.wiring.carts, *(Carts(shop.wiring.carts._ground) for _ in range(3))]
        swept = await asyncio.gather(*(carts.sweep() for carts in others))
        assert sum(each.abandoned for each in swept) == 20
        assert len(await shop.events(ABANDONED)) == 20
        stories = [await shop.story(f"k-{number}") for number in range(20)]
        assert all(sum(said.startswith("Abandoned") for said in story) == 1 for story in stories)

    async def test_telling_of_one_cart_lose_nothing(self, shop: Shop) -> None:
        await shop.post("k-1", "items", items=[MUG | {"quantity": 1}], **JANE)
        adding = [shop.post("k-1", "items", items=[MUG | {"quantity": 1}], actId=f"a-{n}") for n in range(5)]
        await asyncio.gather(*adding)
        assert (await shop.get("/carts/k-1"))["total"] == "75.00"
        assert len(await shop.story("k-1")) == 6


def _sweep_until_killed(database_url: str, folder: str, at: float) -> None:
    """A process of its own that looks at the carts, again and again."""

    async def run() -> None:
        from datetime import UTC, datetime

        clock = MovedClock(datetime.fromtimestamp(at, UTC))
        async with open_doors(database_url, Path(folder), clock, sources={}) as doors:
            while (await doors.wiring.carts.sweep()).looked_at:
                pass

    asyncio.run(run())


class TestAKilledProcess:
    async def test_neither_loses_nor_repeats_a_silence(self, tmp_path: Path, postgres_database: str, clock: MovedClock) -> None:
        async with open_doors(postgres_database, tmp_path, clock, sources={}) as doors:
            from ferrata.access.schemas import Right

            rights = (Right.EVENTS_WRITE, Right.EVENTS_READ)
            shop = Shop(doors, clock, await doors.token(*rights))
            for number in range(60):
                await shop.post(f"k-{number}", "items", items=[MUG], email=f"p{number}@example.com")
            clock.advance(10 * MINUTE)
            spawned = multiprocessing.get_context("spawn")
            arguments = (postgres_database, str(tmp_path), clock.now().timestamp())
            for least in (1, 15, 30):
                worker = spawned.Process(target=_sweep_until_killed, args=arguments)
                worker.start()
                while worker.is_alive() and len(await shop.events(ABANDONED)) < least:
                    await asyncio.sleep(0.02)
                if worker.is_alive() and worker.pid:
                    os.kill(worker.pid, signal.SIGKILL)
                worker.join()
            while (await doors.wiring.carts.sweep()).looked_at:
                pass
            events = await shop.events(ABANDONED)
            assert len(events) == len({event.email for event in events}) == 60
