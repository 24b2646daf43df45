"""History is read page by page, exactly once, whatever happens in between."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.infra.errors import Rejected
from ferrata.sources.errors import AlreadyRunning, NoReader
from ferrata.sources.schemas import Run, RunState, State
from tests.sources.conftest import STORE, Installed
from tests.sources.killed import run as run_and_kill
from tests.sources.shop import FIRST, order

AT = "/sources/shop/default/backfills"


async def started(shop: Installed, orders: int = 25, **settings: Any) -> Run:
    shop.api.orders = orders
    await shop.set_up(**settings)
    return await shop.sources.begin_backfill(STORE, "shop", "orders", since=None, until=None, actor=SYSTEM)


class TestARun:
    async def test_brings_every_order_as_history(self, shop: Installed) -> None:
        run = await started(shop)
        done = await shop.sources.work_off_backfill(run.id)
        assert done
        assert (done.state, done.pages, done.messages, done.made, done.total) == (RunState.DONE, 3, 25, 25, 25)
        events = await shop.events()
        assert (len(events), {backfill for _, _, backfill in events}) == (25, {True})
        assert await shop.messages() == [], "history can be read again; its messages are not kept"
        assert shop.api.pages == [None, "10", "20"]

    async def test_beside_live_messages_makes_one_event_of_each(self, shop: Installed) -> None:
        run = await started(shop, 5)
        await shop.take(order(2))
        await shop.map()
        done = await shop.sources.work_off_backfill(run.id)
        await shop.take(order(3))
        await shop.map()
        assert done
        assert (done.made, done.repeated) == (4, 1)
        events = await shop.events()
        assert len(events) == 5
        assert [key for _, key, backfill in events if not backfill] == ["Placed Order:shop:o2:placed"]

    async def test_reads_the_range_that_was_asked_for(self, shop: Installed) -> None:
        shop.api.orders = 25
        await shop.set_up()
        since, until = FIRST + timedelta(seconds=5), FIRST + timedelta(seconds=8)
        run = await shop.sources.begin_backfill(STORE, "shop", "orders", since=since, until=until, actor=SYSTEM)
        await shop.sources.work_off_backfill(run.id)
        assert [key for _, key, _ in await shop.events()] == [f"Placed Order:shop:o{number}:placed" for number in (5, 6, 7)]

    async def test_never_reads_beyond_its_own_beginning(self, shop: Installed) -> None:
        run = await started(shop)
        assert run.until == shop.clock.now()

    async def test_is_one_at_a_time(self, shop: Installed) -> None:
        run = await started(shop)
        with pytest.raises(AlreadyRunning):
            await shop.sources.begin_backfill(STORE, "shop", "orders", since=None, until=None, actor=SYSTEM)
        await shop.sources.move_backfill(STORE, run.id, "cancel", SYSTEM)
        await shop.sources.begin_backfill(STORE, "shop", "orders", since=None, until=None, actor=SYSTEM)

    async def test_needs_an_api_and_a_history_of_that_name(self, shop: Installed) -> None:
        await shop.set_up(with_api=False)
        with pytest.raises(NoReader):
            await shop.sources.begin_backfill(STORE, "shop", "orders", since=None, until=None, actor=SYSTEM)
        with pytest.raises(Rejected, match=r"^$|cannot"):
            await shop.sources.begin_backfill(STORE, "shop", "dreams", since=None, until=None, actor=SYSTEM)

    async def test_is_paused_resumed_and_cancelled_between_pages(self, shop: Installed) -> None:
        run = await started(shop)
        stepped = await shop.sources.backfilling.step(run)
        assert stepped
        await shop.sources.move_backfill(STORE, run.id, "pause", SYSTEM)
        assert await shop.sources.backfilling.step(stepped) is None
        paused = await shop.sources.backfill(STORE, run.id)
        assert (paused.state, paused.messages, len(await shop.events())) == (RunState.PAUSED, 10, 10)
        await shop.sources.move_backfill(STORE, run.id, "resume", SYSTEM)
        await shop.sources.work_off_backfill(run.id)
        assert len(await shop.events()) == 25
        with pytest.raises(Rejected):
            await shop.sources.move_backfill(STORE, run.id, "pause", SYSTEM)

    async def test_waits_while_too_much_waits_for_klaviyo(self, shop: Installed) -> None:
        run = await started(shop)
        bounds = shop.sources.backfilling._bounds
        object.__setattr__(bounds, "most_waiting", 10)
        stepped = await shop.sources.backfilling.step(run)
        assert stepped
        shop.clock.advance(2)
        assert await shop.sources.backfilling.step(stepped) is None
        assert (await shop.sources.backfill(STORE, run.id)).note == "Waits until fewer than 10 deliveries wait."

    async def test_tries_again_when_the_shop_is_away(self, shop: Installed) -> None:
        run = await started(shop)
        shop.api.failures = 1
        assert await shop.sources.backfilling.step(run) is None
        put_off = await shop.sources.backfill(STORE, run.id)
        assert (put_off.state, put_off.failures, put_off.note) == (RunState.RUNNING, 1, "The shop is being redecorated.")
        assert put_off.next_at
        await shop.sources.work_off_backfill(run.id)
        assert (await shop.sources.backfill(STORE, run.id)).failures == 0
        assert len(await shop.events()) == 25

    async def test_keeps_what_is_refused_to_be_replayed(self, shop: Installed) -> None:
        shop.api.odd = {3: {"currency": "XXXX"}}
        run = await started(shop, 5)
        done = await shop.sources.work_off_backfill(run.id)
        assert done
        assert (done.made, done.refused, done.state) == (4, 1, RunState.DONE)
        [kept] = await shop.messages(State.REFUSED)
        assert (kept.message.message_id, kept.message.history) == ("m3", True)

    async def test_of_what_was_missed_keeps_messages_as_if_they_had_just_come(self, shop: Installed) -> None:
        shop.api.orders = 3
        await shop.set_up()
        await shop.take(order(1))
        run = await shop.sources.begin_backfill(STORE, "shop", "missed", since=None, until=None, actor=SYSTEM)
        await shop.sources.work_off_backfill(run.id)
        await shop.map()
        assert {backfill for _, _, backfill in await shop.events()} == {False}
        assert len(await shop.messages()) == 3


class TestOverHttp:
    async def test_it_is_started_watched_and_ended(self, shop: Installed) -> None:
        shop.api.orders = 25
        await shop.set_up()
        client, token = shop.doors.client, await shop.doors.token(Right.SOURCES_READ, Right.SOURCES_MANAGE)
        begun = await client.post(AT, json={"backfill": "orders"}, headers=token)
        assert begun.status_code == 202, begun.text
        id_ = begun.json()["id"]
        assert (await client.post(AT, json={"backfill": "orders"}, headers=token)).status_code == 409
        await shop.sources.backfilling.step(await shop.sources.backfill(STORE, id_))
        shown = (await client.get(f"{AT}/{id_}", headers=token)).json()
        assert (shown["state"], shown["messages"], shown["total"]) == ("running", 10, 25)
        for move, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
            assert (await client.post(f"{AT}/{id_}/{move}", headers=token)).json()["state"] == state
        listed = (await client.get(AT, headers=token)).json()["runs"]
        assert [(run["id"], run["state"]) for run in listed] == [(id_, "cancelled")]
        actions = [each.action for each in (await shop.wiring.audit.newest()).rows]
        assert [action for action in actions if "backfill" in action] == [
            "sources.backfill_cancelled",
            "sources.backfill_running",
            "sources.backfill_paused",
            "sources.backfill_started",
        ]


ORDERS, KILLS = 3_000, 4


def test_killed_again_and_again_it_comes_out_exactly(tmp_path: Path) -> None:
    """Real processes with SQLite, killed at any moment; more of both by hand: ``python -m tests.sources.killed 200000 10``."""
    told = run_and_kill(tmp_path, ORDERS, KILLS)
    assert told.events == told.distinct == ORDERS
    assert told.kills == KILLS
    assert told.pages_read - told.pages <= KILLS, "no more than the page it was at is repeated"
