"""What no door has stopped, and the database cannot hold: told as the sender's fault, not as an outage."""

import pytest
from sqlalchemy import Connection, String, literal, select

from ferrata.infra.database import Database
from ferrata.infra.errors import Rejected

pytestmark = pytest.mark.anyio


async def test_a_text_with_nul_is_no_outage(database: Database) -> None:
    def ask(connection: Connection) -> object:
        return connection.execute(select(literal("a\0b", String))).scalar_one()

    if database.engine.dialect.name == "sqlite":
        assert await database.read(ask) == "a\0b"
        return
    for attempt in (database.read, database.write):
        with pytest.raises(Rejected, match="U\\+0000"):
            await attempt(ask)
