"""``ferrata lanes`` and ``ferrata deadletters``, beside a server that runs."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ferrata.delivery.schemas import State
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.pages.events import order
from tests.pages.shop import STORE, Shop


class Terminal:
    """Runs the installed command on the shop's data."""

    def __init__(self, folder: Path) -> None:
        self._environment = {**os.environ, "FERRATA_DATA_DIR": str(folder), "NO_COLOR": "1"}
        self._environment.pop("DATABASE_URL", None)

    async def run(self, *arguments: str, exits: int = 0) -> tuple[str, str]:
        command = (sys.executable, "-c", "from ferrata.entry.cli import main; main()", *arguments)
        process = await asyncio.create_subprocess_exec(
            *command, env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == exits, err.decode()
        return out.decode(), err.decode()

    async def json(self, *arguments: str) -> Any:
        out, _ = await self.run(*arguments, "--json")
        return json.loads(out)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


async def test_lanes_are_listed_and_opened(shop: Shop, terminal: Terminal) -> None:
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
    ids = await shop.accept(order(1))
    await shop.until_parked()
    [lane] = await terminal.json("lanes", "list")
    assert (lane["store_id"], lane["parked_code"]) == (STORE, "key_refused")
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY, revoked=False)
    assert await terminal.json("lanes", "probe") == {"opened": 1}
    await shop.settled(ids, [State.DELIVERED])


async def test_dead_letters_are_replayed_only_when_told_so(shop: Shop, terminal: Terminal) -> None:
    shop.refuse("poison")
    ids = await shop.accept(order(1, note="poison"), order(2, note="poison"))
    await shop.settled(ids)
    assert [letter["id"] for letter in await terminal.json("deadletters", "list")] == ids[::-1]
    [group] = await terminal.json("deadletters", "list", "--groups")
    assert group["count"] == 2
    out, _ = await terminal.run("deadletters", "show", ids[0])
    assert json.loads(out)["event"]["unique_id"] == "N-00001:placed"
    out, _ = await terminal.run("deadletters", "replay", ids[0])
    assert out == "Dry run: 1 dead letter would be replayed. Add --yes to do it.\n"
    shop.sandbox.faults.clear()
    out, _ = await terminal.run("deadletters", "replay", ids[0], "--yes")
    assert out == "1 dead letter replayed.\n"
    await shop.settled([ids[0]], [State.DELIVERED])
    assert (await terminal.json("deadletters", "discard", "--all", "--yes"))["count"] == 1
    assert await shop.wiring.delivery.dead_count(STORE) == 0


async def test_a_change_without_a_condition_is_refused(shop: Shop, terminal: Terminal) -> None:
    _, err = await terminal.run("deadletters", "discard", "--yes", exits=1)
    assert "or say --all" in err
    _, err = await terminal.run("deadletters", "show", "unheard", exits=1)
    assert "There is no such dead letter" in err
    assert shop.url
