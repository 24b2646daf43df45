"""What delivery asks the database stays quick however many deliveries there are."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as listening

from ferrata.delivery.schemas import State
from tests.delivery.conftest import event

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite tells beforehand how it would look; PostgreSQL decides by how much there is."""
    return f"sqlite:///{tmp_path / 'queries.db'}"


class TestABulkJob:
    async def test_is_claimed_and_settled_by_searching_not_by_scanning(self, open_desk):
        asked: dict[str, Any] = {}

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
            asked.setdefault(statement, parameters[0] if many else parameters)

        async with open_desk(work=False) as desk:
            ids = await desk.put([event(number) for number in range(60)])
        async with open_desk() as desk:
            listening.listen(desk.db.engine, "before_cursor_execute", note)
            assert set((await desk.settled(ids)).values()) == {State.DELIVERED}
            listening.remove(desk.db.engine, "before_cursor_execute", note)
            about = {text: given for text, given in asked.items() if "deliveries" in text and "INSERT" not in text}
            assert any("batch_id" in text for text in about)
            with desk.db.engine.connect() as connection:
                for text, given in about.items():
                    plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)]
                    assert not [step for step in plan if step.startswith("SCAN deliveries")], text
