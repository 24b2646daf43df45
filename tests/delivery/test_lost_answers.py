"""A commit that was done and of which nobody heard is repeated: the books must not notice."""

from collections import Counter
from typing import Any

import pytest

from ferrata.delivery.schemas import State
from ferrata.infra.database import Database
from klaviyo_sandbox.fault_presets import Effect, Poison
from klaviyo_sandbox.faults import Rule
from tests.delivery.conftest import STORE, event

pytestmark = pytest.mark.anyio


class EveryAnswerLost:
    """Runs each piece of work again after its commit, as happens on PostgreSQL when the connection breaks just then."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, work: Any) -> Any:
        await self._database.write(work)
        return await self._database.write(work)


@pytest.mark.parametrize("pointers", [True, False], ids=["separated", "halved"])
async def test_what_is_written_down_twice_counts_once(open_desk, database, pointers):
    items = [event(number, note="poison" if number == 40 else "fine") for number in range(100)]
    async with open_desk(work=False, shared=database) as desk:
        await desk.put(items)
        desk.sandbox.faults.add(Rule(Effect(poison=Poison("poison", pointers=pointers))))
        desk.sandbox.faults.add(Rule("exec_500", times=2))
    async with open_desk(shared=EveryAnswerLost(database)) as desk:
        states = await desk.settled([item.id for item in items])
        assert [number for number, item in enumerate(items) if states[item.id] is State.DEAD] == [40]
        assert Counter(desk.unique_ids()) == Counter(item.unique_id for number, item in enumerate(items) if number != 40)
        totals = await desk.service.totals(STORE)
        assert (totals.delivered, totals.dead, totals.waiting, totals.sending) == (99, 1, 0, 0)
        minutes = await desk.service.minutes(STORE, items[0].accepted_at.replace(second=0, microsecond=0))
        assert sum(minute.dead for minute in minutes) == 1
        assert sum(minute.requests for minute in minutes) == len(desk.sandbox.journal.requests)
