"""Leases by the second: who has one, until when, and what becomes of somebody who had it."""

import pytest

from ferrata.infra import leases
from ferrata.infra.database import Database
from ferrata.infra.leases import Fenced, Lease
from ferrata.kit.clock import MovedClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SQLite alone: PostgreSQL's leases go by its own clock, which no test can move."""
    return f"sqlite:///{tmp_path_factory.mktemp('leases') / 'ferrata.db'}"


async def take(database: Database, clock: MovedClock, owner: str, *, exclusive: bool = False) -> Lease | None:
    now = clock.now()
    return await database.write(lambda connection: leases.take(connection, "account", owner, now, exclusive=exclusive))


async def renew(database: Database, clock: MovedClock, lease: Lease) -> list[Lease]:
    now = clock.now()
    return await database.write(lambda connection: leases.renew(connection, [lease], now))


class TestALease:
    async def test_is_nobody_elses_before_it_has_run_out(self, database: Database, clock: MovedClock) -> None:
        assert await take(database, clock, "first") == Lease("account", "first", 1)
        clock.advance(8.9)
        assert await take(database, clock, "second") is None
        clock.advance(0.2)
        assert await take(database, clock, "second") == Lease("account", "second", 2)

    async def test_lives_for_as_long_as_it_is_renewed(self, database: Database, clock: MovedClock) -> None:
        lease = await take(database, clock, "first")
        assert lease
        for _ in range(5):
            clock.advance(8.9)
            assert await renew(database, clock, lease) == []
            assert await take(database, clock, "second") is None
        clock.advance(8.9)
        assert await take(database, clock, "second") is None
        clock.advance(0.2)
        assert await take(database, clock, "second")

    async def test_that_was_taken_over_lets_its_former_owner_write_and_renew_nothing(
        self, database: Database, clock: MovedClock
    ) -> None:
        former = await take(database, clock, "first")
        assert former
        await database.write(lambda connection: leases.hold(connection, former))
        clock.advance(9.1)
        latter = await take(database, clock, "second")
        assert latter
        assert await renew(database, clock, former) == [former]
        with pytest.raises(Fenced):
            await database.write(lambda connection: leases.hold(connection, former))
        await database.write(lambda connection: leases.hold(connection, latter))
        again = await take(database, clock, "second")
        assert again
        assert again.fence == 3, (
            "even its own owner gets a new fence: what it sent before it was restarted is not its word any more"
        )

    async def test_that_is_given_back_is_free_at_once_and_by_nobody_else(self, database: Database, clock: MovedClock) -> None:
        former = await take(database, clock, "first")
        assert former
        now = clock.now()
        stranger = Lease("account", "second", former.fence + 1)
        await database.write(lambda connection: leases.release(connection, stranger, now))
        assert await take(database, clock, "second") is None
        await database.write(lambda connection: leases.release(connection, former, now))
        assert await take(database, clock, "second")

    async def test_of_the_only_process_there_can_be_needs_no_waiting(self, database: Database, clock: MovedClock) -> None:
        await take(database, clock, "first")
        assert await take(database, clock, "second", exclusive=True)

    def test_is_renewed_often_enough_and_given_up_well_before_anybody_else_may_take_it(self) -> None:
        assert leases.RENEW_EVERY_SECONDS * 3 < leases.STOP_SENDING_AFTER_SECONDS
        assert leases.STOP_SENDING_AFTER_SECONDS + 1.5 <= leases.TTL_SECONDS <= 10
