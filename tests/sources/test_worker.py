"""The worker: maps what comes at once, pulls queues and acknowledges after keeping, goes on with history."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.infra.errors import StorageUnavailable, Transient
from ferrata.infra.incidents import Incident, open_incidents
from ferrata.kit.clock import MovedClock
from ferrata.sources.contract import Pulled, Queue, Received, Surroundings
from ferrata.sources.schemas import RunState, State
from tests.doors import open_doors
from tests.sources.conftest import STORE, Installed
from tests.sources.shop import SECRET, Shop, ShopApi, order, received


class MemoryQueue:
    """Gives what was put in until it is acknowledged."""

    def __init__(self) -> None:
        self.waiting: dict[str, Received] = {}
        self.acknowledged: list[str] = []
        self.failures = 0
        self.came = asyncio.Event()
        self.kept_then: list[int] = []
        self.closed = False
        self.count: Callable[[], Any] = lambda: 0

    def put(self, name: str, delivery: Received) -> None:
        self.waiting[name] = delivery
        self.came.set()

    async def pull(self) -> Sequence[Pulled]:
        if self.failures:
            self.failures -= 1
            raise Transient("The queue is away.")
        await self.came.wait()
        return [Pulled(delivery, name) for name, delivery in self.waiting.items()]

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        self.kept_then.append(await self.count())
        for name in receipts:
            del self.waiting[name]
            self.acknowledged.append(name)
        if not self.waiting:
            self.came.clear()

    async def close(self) -> None:
        self.closed = True


class QueuedShop(Shop):
    def __init__(self, api: ShopApi, queue: MemoryQueue) -> None:
        super().__init__(api)
        self.queue = queue

    def queues(self, settings: Any, around: Surroundings) -> Sequence[Queue]:
        return [self.queue]


@pytest.fixture
async def queue(anyio_backend: str) -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
async def shop(
    database_url: str, tmp_path: Path, clock: MovedClock, queue: MemoryQueue, anyio_backend: str
) -> AsyncIterator[Installed]:
    api = ShopApi()
    async with open_doors(database_url, tmp_path, clock, sources={"shop": QueuedShop(api, queue)}) as doors:
        yield Installed(doors, api, clock)


@asynccontextmanager
async def working(shop: Installed) -> AsyncIterator[None]:
    task = asyncio.create_task(shop.sources.worker.run())
    yield
    shop.sources.worker.stop()
    shop.clock.advance(1)
    await task


async def until(shop: Installed, holds: Callable[[], Any]) -> Any:
    for _ in range(400):
        if found := await holds():
            return found
        shop.clock.advance(1)
        await asyncio.sleep(0.01)
    raise AssertionError("did not come true")


def trusted(*documents: Any) -> Received:
    delivery = received(list(documents))
    return Received(body=delivery.body, at=delivery.at, trusted=True)


async def test_maps_what_comes_without_being_asked(shop: Installed) -> None:
    await shop.set_up()
    async with working(shop):
        await shop.take(order(1))
        await until(shop, lambda: shop.messages(State.MAPPED))
    assert len(await shop.events()) == 1


async def test_leaves_its_leases_to_the_next(shop: Installed) -> None:
    await shop.set_up()
    for number in (1, 2):
        async with working(shop):
            await shop.take(order(number))
            await until(shop, partial(_as_many, shop, number))
        shop.sources.worker._stopping = False


async def _none(those: Callable[[], Any]) -> bool:
    return not await those()


async def _as_many(shop: Installed, number: int) -> bool:
    return len(await shop.events()) == number


class TestAQueue:
    async def test_is_acknowledged_after_its_messages_are_kept(self, shop: Installed, queue: MemoryQueue) -> None:
        async def kept() -> int:
            return len(await shop.messages())

        queue.count = kept
        await shop.set_up()
        queue.put("a", trusted(order(1)))
        queue.put("b", trusted(order(2)))
        async with working(shop):
            await until(shop, lambda: _is(queue.acknowledged == ["a", "b"]))
        assert queue.kept_then == [2]
        assert queue.closed

    async def test_keeps_what_could_not_be_kept_here(
        self, shop: Installed, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queue.count = lambda: _is(True)
        await shop.set_up()
        keep, failures = shop.doors.wiring.database.write, []

        async def away_once(work: Any) -> Any:
            if not failures and "Reception.keep" in work.__qualname__:
                failures.append(work)
                raise StorageUnavailable("The disk is full.")
            return await keep(work)

        monkeypatch.setattr(shop.doors.wiring.sources.reception._database, "write", away_once)
        queue.put("a", trusted(order(1)))
        async with working(shop):
            await until(shop, lambda: _is(queue.acknowledged == ["a"]))
        assert failures
        assert len(await shop.messages()) == 1

    async def test_is_not_blocked_by_poison(self, shop: Installed, queue: MemoryQueue) -> None:
        queue.count = lambda: _is(True)
        await shop.set_up()
        queue.put("poison", Received(body=b"\x00", at=shop.clock.now(), trusted=True))
        queue.put("good", trusted(order(1)))
        async with working(shop):
            await until(shop, lambda: _is(len(queue.acknowledged) == 2))
        assert [kept.message.body for kept in await shop.messages(State.REFUSED)] == [b"\x00"]

    async def test_is_asked_again_when_it_was_away(self, shop: Installed, queue: MemoryQueue) -> None:
        queue.count = lambda: _is(True)
        queue.failures = 3
        await shop.set_up()
        queue.put("a", trusted(order(1)))
        async with working(shop):
            await until(shop, lambda: _is(queue.acknowledged == ["a"]))

    async def test_that_cannot_be_read_for_long_is_told_until_it_can(self, shop: Installed, queue: MemoryQueue) -> None:
        queue.count = lambda: _is(True)
        queue.failures = 10_000
        await shop.set_up()

        async def alarmed() -> list[Incident]:
            return await shop.wiring.database.read(open_incidents)

        async with working(shop):
            began = shop.clock.now()
            for _ in range(16):
                assert await alarmed() == [] or shop.clock.now() - began >= timedelta(minutes=15)
                shop.clock.advance(60)
                await asyncio.sleep(0.05)
            [alert] = await until(shop, alarmed)
            assert (alert.kind, alert.subject) == ("source.failing", "shop queue")
            assert "The queue is away." in alert.detail
            queue.failures = 0
            queue.put("a", trusted(order(1)))
            await until(shop, lambda: _none(alarmed))

    async def test_is_left_alone_when_the_source_is_switched_off(self, shop: Installed, queue: MemoryQueue) -> None:
        queue.count = lambda: _is(True)
        save = shop.sources.configurations.save
        await save(STORE, "shop", settings={"secret": SECRET}, rules=None, enabled=False, actor=SYSTEM)
        queue.put("a", trusted(order(1)))
        async with working(shop):
            for _ in range(10):
                shop.clock.advance(1)
                await asyncio.sleep(0.01)
        assert queue.acknowledged == []


async def _is(holds: bool) -> bool:
    return holds


async def test_goes_on_with_history_until_it_is_done(shop: Installed) -> None:
    shop.api.orders, shop.api.failures = 25, 1
    await shop.set_up()
    async with working(shop):
        run = await shop.sources.begin_backfill(STORE, "shop", "orders", since=None, until=None, actor=SYSTEM)

        async def is_done() -> bool:
            return (await shop.sources.backfill(STORE, run.id)).state is RunState.DONE

        await until(shop, is_done)
    assert len(await shop.events()) == 25
