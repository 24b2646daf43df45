"""``ferrata flags`` and ``ferrata audit``, beside a server that runs."""

import json
import sqlite3
from pathlib import Path

import pytest

from ferrata.delivery.schemas import State
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.pages.events import order
from tests.pages.shop import STORE, Shop, until
from tests.pages.test_delivery_commands import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


async def test_a_flag_is_set_held_events_are_sent_and_everything_is_stopped(shop: Shop, terminal: Terminal) -> None:
    await terminal.run("flags", "set", "Placed Order", "off")

    async def is_known() -> bool:
        await shop.wiring.flags.fresh()
        return shop.wiring.flags.decide(STORE, "Placed Order", "email:x@example.com") is not None

    await until(is_known)
    [held] = await shop.accept(order(1))
    assert (await shop.wiring.delivery.states([held]))[held].state is State.HELD
    [group] = await terminal.json("flags", "held")
    assert (group["metric"], group["reason"], group["count"]) == ("Placed Order", "flag_off", 1)
    assert (await terminal.json("flags", "release"))["dry_run"] is True
    assert await terminal.json("flags", "release", "--metric", "Placed Order", "--yes") == {"dry_run": False, "count": 1}
    await shop.settled([held], [State.DELIVERED])
    assert (await terminal.json("flags", "clear", "Placed Order"))["origin"] == "built_in"
    assert await terminal.json("flags", "stop", "--all", "--reason", "wrong prices") == {"stopped": True, "changed": True}
    await until(lambda: shop.wiring.delivery.stops.of(STORE))
    [id_] = await shop.accept(order(2))
    out, _ = await terminal.run("flags", "resume")
    assert "--all" in out
    await terminal.run("flags", "resume", "--all")
    await shop.settled([id_], [State.DELIVERED])


async def test_a_percentage_must_be_one(shop: Shop, terminal: Terminal) -> None:
    _, err = await terminal.run("flags", "set", "Placed Order", "percentage", exits=1)
    assert "percentage must be a whole number" in err


async def test_the_audit_is_listed_exported_and_verified(shop: Shop, terminal: Terminal, tmp_path: Path) -> None:
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
    await shop.accept(order(1))
    await shop.until_parked()
    await terminal.run("lanes", "probe")
    await terminal.run("flags", "set", "Placed Order", "dry_run")
    await shop.wiring.audit.seal()
    [flag] = await terminal.json("audit", "list", "--action", "flags")
    assert flag["sentence"] == "the command line set the flag of Placed Order from not set to dry run in the store default"
    opened = await terminal.json("audit", "list", "--action", "delivery.lanes_opened")
    assert [record["actor"]["kind"] for record in opened] == ["command"]
    out, _ = await terminal.run("audit", "export", "--store", STORE)
    assert {json.loads(line)["storeId"] for line in out.splitlines()} == {STORE}
    assert (await terminal.json("audit", "report", "--store", STORE))[0]["attempts"] >= 1
    head = (await terminal.json("audit", "verify"))["head"]
    out, _ = await terminal.run("audit", "verify", "--head", head)
    assert head in out
    _, err = await terminal.run("audit", "verify", "--head", "nonsense", exits=1)
    assert "SEQUENCE:HASH" in err
    with sqlite3.connect(tmp_path / "ferrata.db") as connection:
        connection.execute("DROP TRIGGER audit_records_no_update")
        connection.execute("UPDATE audit_records SET actor_name = 'nobody' WHERE id = ?", (flag["id"],))
    _, err = await terminal.run("audit", "verify", exits=1)
    assert f"Record {flag['sequence']} ({flag['id']}) is not as it was sealed" in err
