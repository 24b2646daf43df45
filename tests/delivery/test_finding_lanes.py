"""Which lanes have work, and which of them another worker sees to."""

from sqlalchemy import Connection, update

from ferrata.delivery import account, outbox, parking
from ferrata.delivery.models import deliveries
from ferrata.delivery.schemas import Deliver, Family, LaneKey, State
from ferrata.infra import leases
from ferrata.infra.database import Database
from ferrata.kit.clock import MovedClock
from ferrata.kit.ids import new_id


def waiting(clock: MovedClock, store_id: str, family: Family) -> Deliver:
    id_ = new_id(clock.now())
    return Deliver(id_, store_id, family, False, f"email:{id_}@shop.test", id_, "{}", "{}", clock.now())


async def test_lanes_are_found_by_what_waits_and_by_what_was_left_behind(database: Database, clock: MovedClock) -> None:
    two = [waiting(clock, "one", family) for family in (Family.EVENTS, Family.CATALOG)]
    sent, done = waiting(clock, "two", Family.PROFILES), waiting(clock, "three", Family.EVENTS)

    def work(connection: Connection) -> list[LaneKey]:
        outbox.put(connection, [*two, *[waiting(clock, "one", Family.EVENTS) for _ in range(3)], sent, done])
        for each, state in ((sent, State.SENDING), (done, State.DELIVERED)):
            connection.execute(update(deliveries).where(deliveries.c.id == each.id).values(state=state.value))
        return outbox.lanes_with_work(connection)

    expected = [LaneKey("one", Family.CATALOG), LaneKey("one", Family.EVENTS), LaneKey("two", Family.PROFILES)]
    assert sorted(await database.write(work)) == expected


async def test_nothing_is_found_where_nothing_waits(database: Database) -> None:
    assert await database.read(outbox.lanes_with_work) == []


async def test_lanes_of_accounts_that_another_worker_holds_are_told_apart(database: Database, clock: MovedClock) -> None:
    def work(connection: Connection) -> set[LaneKey]:
        for quota, owner, store in (("ours", "me", "one"), ("theirs", "another", "two"), ("given-up", "another", "three")):
            lease = leases.take(connection, quota, owner, clock.now(), exclusive=False)
            assert lease
            parking.note_lane(connection, LaneKey(store, Family.EVENTS), quota)
            if quota == "given-up":
                leases.release(connection, lease, clock.now())
        return account.lanes_elsewhere(connection, "me", clock.now())

    assert await database.write(work) == {LaneKey("two", Family.EVENTS)}
