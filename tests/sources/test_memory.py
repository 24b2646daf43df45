"""What messages teach: recalled by later ones, and never moved back by older ones."""

from datetime import timedelta

from ferrata.infra.database import Database
from ferrata.sources.contract import REMEMBERED, Learned, Lookup
from ferrata.sources.memory_store import forget_before, learn, recall
from tests.conftest import START

JANE = Lookup(REMEMBERED, "customer:cus_1")


async def taught(database: Database, *learned: Learned, store: str = "default") -> None:
    await database.write(lambda connection: learn(connection, store, "stripe", learned))


async def known(database: Database, store: str = "default", kind: str = "stripe") -> object:
    return (await database.read(lambda connection: recall(connection, store, kind, [JANE, Lookup("customer", "cus_1")])))[JANE]


class TestAThingLearned:
    async def test_is_recalled_for_its_store_and_source_alone(self, database: Database) -> None:
        await taught(database, Learned(JANE.key, "jane@example.com", START))
        assert await known(database) == "jane@example.com"
        assert await known(database, store="other") is None
        assert await known(database, kind="shop") is None

    async def test_gives_way_to_what_is_newer_and_stays_before_what_is_older(self, database: Database) -> None:
        later = START + timedelta(seconds=1)
        await taught(database, Learned(JANE.key, "new@example.com", later), Learned(JANE.key, "old@example.com", START))
        await taught(database, Learned(JANE.key, "older@example.com", START))
        assert await known(database) == "new@example.com"
        await taught(database, Learned(JANE.key, "newest@example.com", later + timedelta(seconds=1)))
        assert await known(database) == "newest@example.com"

    async def test_asks_nothing_of_what_is_not_memory(self, database: Database) -> None:
        await taught(database)
        assert await database.read(lambda connection: recall(connection, "default", "stripe", [Lookup("customer", "x")])) == {}

    async def test_is_forgotten_once_nobody_has_told_it_for_long(self, database: Database) -> None:
        await taught(database, Learned(JANE.key, "jane@example.com", START))
        assert await database.write(lambda connection: forget_before(connection, START)) == 0
        assert await database.write(lambda connection: forget_before(connection, START + timedelta(seconds=1))) == 1
        assert await known(database) is None
