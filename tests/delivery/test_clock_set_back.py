"""A clock that was ahead and is set back: nobody is overtaken, and nothing waits for the wrong time to come."""

from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from ferrata.access.schemas import Right
from ferrata.connections.service import Connections
from ferrata.delivery.tools import Tools
from ferrata.delivery.watch import Watch
from ferrata.infra.database import Database
from ferrata.kit import ids
from ferrata.kit.clock import MovedClock
from ferrata.kit.ids import go_on_after, new_id
from tests.doors import open_doors

pytestmark = pytest.mark.anyio


def test_later_identifiers_sort_after_one_that_was_made_ahead(clock: MovedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    made_ahead = [new_id(clock.now() + timedelta(days=3)) for _ in range(2000)][-1]
    monkeypatch.setattr(ids, "_sequence", ids._Sequence())  # another process
    assert new_id(clock.now()) < made_ahead
    go_on_after(made_ahead)
    later = [new_id(clock.now()) for _ in range(2000)]
    assert [made_ahead, *later] == sorted([made_ahead, *later])
    go_on_after(later[0])
    assert new_id(clock.now()) > later[-1]


async def test_what_comes_after_a_restart_stays_behind_what_waits(
    tmp_path: Path, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, found = f"sqlite:///{tmp_path / 'ferrata.db'}", []
    for hours in (2, -2):
        clock.jump(hours * 3600)
        monkeypatch.setattr(ids, "_sequence", ids._Sequence())
        async with open_doors(url, tmp_path, clock) as doors:
            event = {"eventName": "Ordered", "email": "jane@shop.com"}
            answer = await doors.client.post("/events", json=event, headers=await doors.token(Right.EVENTS_WRITE))
            found.append(answer.json()["id"])
    assert found == sorted(found)


def test_a_retry_waits_no_longer_than_it_was_to_wait(clock: MovedClock) -> None:
    nothing = cast("Connections", None)
    tools = Tools(cast("Database", None), nothing, clock, lambda: 0.5, "test", Watch())
    assert tools.due(clock.now() + timedelta(days=31), 4.0) - clock.monotonic() == 4.0
    assert tools.due(clock.now() + timedelta(seconds=3), 4.0) - clock.monotonic() == 3.0
    assert tools.due(clock.now() - timedelta(days=31), 4.0) == clock.monotonic()
