"""The switch: nothing leaves while it is off, nothing is lost, and everything goes on afterwards."""

import asyncio
from typing import Any

import pytest

from ferrata.delivery.schemas import State
from ferrata.delivery.service import DeliveryService
from ferrata.delivery.stops import EVERYTHING, Stop
from ferrata.delivery.watch import Watch
from tests.delivery.conftest import STORE, Desk, event

pytestmark = pytest.mark.anyio


def stop_of(desk: Desk, scope: str) -> Stop:
    return Stop(scope, "Mira", "a wrong price", desk.clock.now())


def elsewhere(desk: Desk) -> DeliveryService:
    """As another process has it."""
    return DeliveryService(desk.db, desk.connections, desk.clock, Watch(), name="other", longest_queue=1_000)


@pytest.mark.parametrize("scope", [STORE, EVERYTHING])
async def test_holds_what_waits_and_what_comes_until_it_is_lifted(open_desk: Any, scope: str) -> None:
    async with open_desk() as desk:
        await desk.settled(await desk.put([event(0)]))
        assert await desk.service.holding.stop(stop_of(desk, scope), lambda _connection: None)
        assert not await desk.service.holding.stop(stop_of(desk, scope), lambda _connection: None)
        ids = await desk.put([event(number) for number in range(1, 6)])
        await asyncio.sleep(1.2)
        assert desk.unique_ids() == ["event-0"]
        lane = (await desk.service.lanes(STORE))[0]
        assert (lane.parked_code, lane.waiting) == ("stopped", 5)
        assert "stopped by Mira: a wrong price" in (lane.parked_detail or "")
        assert await desk.service.holding.resume(scope, lambda _connection: None)
        desk.service.holding.wake(STORE)
        assert set((await desk.settled(ids)).values()) == {State.DELIVERED}
        assert sorted(desk.unique_ids()) == [f"event-{number}" for number in range(6)]


async def test_of_another_store_holds_nothing(open_desk: Any) -> None:
    async with open_desk() as desk:
        await desk.service.holding.stop(stop_of(desk, "elsewhere"), lambda _connection: None)
        assert set((await desk.settled(await desk.put([event(1)]))).values()) == {State.DELIVERED}


async def test_switched_in_another_process_is_obeyed_within_two_seconds(open_desk: Any) -> None:
    async with open_desk() as desk:
        await desk.settled(await desk.put([event(0)]))
        await elsewhere(desk).holding.stop(stop_of(desk, EVERYTHING), lambda _connection: None)
        await asyncio.wait_for(desk.until(lambda: desk.service.stops.of(STORE)), 2)
        ids = await desk.put([event(1)])
        await asyncio.sleep(0.5)
        assert desk.unique_ids() == ["event-0"]
        await elsewhere(desk).holding.resume(EVERYTHING, lambda _connection: None)
        assert set((await desk.settled(ids)).values()) == {State.DELIVERED}


async def test_that_was_switched_before_the_start_holds_from_the_start(open_desk: Any) -> None:
    async with open_desk(work=False) as desk:
        await elsewhere(desk).holding.stop(stop_of(desk, EVERYTHING), lambda _connection: None)
        await desk.put([event(1)])
        working = asyncio.create_task(desk.worker.run())
        await asyncio.sleep(1.2)
        assert desk.stored() == []
        desk.worker.stop()
        await working
