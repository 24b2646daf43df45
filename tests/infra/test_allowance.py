"""So many acts in so much time."""

import asyncio
from datetime import timedelta

import pytest

from ferrata.infra.allowance import Allowance, give_back
from ferrata.infra.database import Database
from ferrata.kit.clock import MovedClock

pytestmark = pytest.mark.anyio
THREE = Allowance(3, timedelta(minutes=1))


class TestAnAllowance:
    async def test_slides(self, database: Database, clock: MovedClock) -> None:
        def take(connection: object) -> timedelta | None:
            return THREE.take(connection, "door", clock.now())  # type: ignore[arg-type]

        for _ in range(3):
            assert await database.write(take) is None
            clock.advance(10)
        assert await database.write(take) == timedelta(seconds=30)
        clock.advance(30)
        assert await database.write(take) is None
        assert await database.write(take) == timedelta(seconds=10)

    async def test_is_counted_once_among_many_at_the_same_time(self, database: Database, clock: MovedClock) -> None:
        now = clock.now()
        waits = await asyncio.gather(*(database.write(lambda connection: THREE.take(connection, "door", now)) for _ in range(20)))
        assert sum(wait is None for wait in waits) == 3

    async def test_is_another_for_another_name_and_whole_after_it_was_given_back(
        self, database: Database, clock: MovedClock
    ) -> None:
        now = clock.now()
        for name in ("a", "a", "a", "b"):
            assert await database.write(lambda connection, name=name: THREE.take(connection, name, now)) is None
        assert await database.write(lambda connection: THREE.take(connection, "a", now)) is not None
        await database.write(lambda connection: give_back(connection, "a"))
        assert await database.write(lambda connection: THREE.take(connection, "a", now)) is None
