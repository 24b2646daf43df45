"""How long what waits has been waiting."""

from datetime import timedelta

from ferrata.delivery import outbox
from ferrata.delivery.schemas import Deliver, Family
from ferrata.delivery.waiting_ages import waiting_ages
from ferrata.infra.database import Database
from ferrata.kit.clock import MovedClock
from ferrata.kit.ids import new_id


def waiting_since(clock: MovedClock, seconds: float, store_id: str = "default") -> Deliver:
    at = clock.now() - timedelta(seconds=seconds)
    id_ = new_id(at)
    return Deliver(id_, store_id, Family.EVENTS, False, f"email:{id_}@shop.test", id_, "{}", "{}", at)


async def test_each_waits_in_one_band(database: Database, clock: MovedClock) -> None:
    clock.advance(86_400)
    # Ids only ever grow within a process, so the oldest are made first.
    ages = [90_000, 7_200, 3_599, 400, 299, 61, 59, 11, 9, 0]
    items = [waiting_since(clock, seconds) for seconds in ages]
    await database.write(lambda connection: outbox.put(connection, [*items, waiting_since(clock, 0, "another")]))
    bands = await database.read(lambda connection: waiting_ages(connection, "default", clock.now()))
    assert [(band.under_seconds, band.count) for band in bands] == [(10, 2), (60, 2), (300, 2), (3600, 2), (None, 2)]


async def test_nothing_waits(database: Database, clock: MovedClock) -> None:
    bands = await database.read(lambda connection: waiting_ages(connection, "default", clock.now()))
    assert {band.count for band in bands} == {0}
