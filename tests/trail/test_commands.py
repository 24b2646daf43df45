"""``ferrata audit`` and ``ferrata flags``."""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from sqlalchemy import text

from ferrata.audit import commands as audit_commands
from ferrata.audit.errors import ChainBroken
from ferrata.audit.schemas import SYSTEM
from ferrata.delivery.changes import DeadLetterChanges
from ferrata.delivery.schemas import State
from ferrata.events.validation import event_from
from ferrata.flags import commands as flags_commands
from ferrata.infra.errors import Rejected
from ferrata.kit.clock import MovedClock
from tests.doors import Doors, open_doors

pytestmark = pytest.mark.anyio
Run = Callable[..., Any]


@pytest.fixture
async def installation(sqlite_template: Path, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Doors]:
    shutil.copy(sqlite_template, tmp_path / "ferrata.db")
    async with open_doors(f"sqlite:///{tmp_path / 'ferrata.db'}", tmp_path, clock) as doors:
        yield doors


@pytest.fixture
def run(installation: Doors, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line on the installation; its standard output."""
    wiring = installation.wiring

    @asynccontextmanager
    async def audit() -> AsyncIterator[Any]:
        yield wiring.audit

    @asynccontextmanager
    async def flags() -> AsyncIterator[Any]:
        yield flags_commands.Desk(wiring.connections, wiring.flags, wiring.events)

    app = App(name="ferrata", result_action="return_value")
    app.command(audit_commands.audit(audit))
    app.command(flags_commands.flags(flags))

    async def command(*words: str) -> str:
        capsys.readouterr()
        await app.run_async([*words], exit_on_error=False)
        return capsys.readouterr().out

    return command


class TestAudit:
    async def test_is_listed_exported_and_counted(self, installation: Doors, run: Run) -> None:
        await run("flags", "set", "Placed Order", "dry_run")
        [flag] = json.loads(await run("audit", "list", "--action", "flags", "--json"))
        assert flag["sentence"] == "the command line set the flag of Placed Order from not set to dry run in the store default"
        assert (flag["actor"]["kind"], flag["before"]["mode"], flag["after"]["mode"]) == ("command", "not set", "dry_run")
        assert flag["sentence"] in await run("audit", "list", "--target", "flag")
        assert "Nothing was noted" in await run("audit", "list", "--refused")
        lines = [json.loads(line) for line in (await run("audit", "export", "--store", "default")).splitlines()]
        assert flag["id"] in {line["id"] for line in lines} and {line["storeId"] for line in lines} == {"default"}
        report = {line["action"]: line for line in json.loads(await run("audit", "report", "--json"))}
        assert (report["flags.flag_set"]["attempts"], report["flags.flag_set"]["risk"]) == (1, "high")

    async def test_is_verified_up_to_the_first_broken_record(self, installation: Doors, run: Run) -> None:
        for mode in ("off", "on", "dry_run"):
            await run("flags", "set", "Placed Order", mode)
        await installation.wiring.audit.seal()
        head = json.loads(await run("audit", "verify", "--json"))["head"]
        assert head in await run("audit", "verify", "--head", head)
        with pytest.raises(Rejected):
            await run("audit", "verify", "--head", "nonsense")

        def tamper(connection: Any) -> None:
            connection.execute(text("DROP TRIGGER audit_records_no_update"))
            connection.execute(text("UPDATE audit_records SET after_json = '{}' WHERE after_json LIKE '%\"on\"%'"))

        await installation.wiring.database.write(tamper)
        seq = int(head.partition(":")[0])
        with pytest.raises(ChainBroken, match=f"Record {seq - 1} .* is not as it was sealed"):
            await run("audit", "verify")


class TestFlags:
    async def test_hold_back_show_and_let_go(self, installation: Doors, run: Run) -> None:
        await run("flags", "set", "Placed Order", "off")
        event = event_from({"eventName": "Placed Order", "email": "jane@example.com"}, installation.wiring.clock.now())
        [receipt] = await installation.wiring.events.accept("default", [event], "api")
        [group] = json.loads(await run("flags", "held", "--json"))
        assert (group["metric"], group["reason"], group["count"]) == ("Placed Order", "flag_off", 1)
        assert json.loads(await run("flags", "release", "--json")) == {"dry_run": True, "count": 1}
        assert "Add --yes" in await run("flags", "release", "--metric", "Placed Order")
        assert json.loads(await run("flags", "release", "--yes", "--json")) == {"dry_run": False, "count": 1}
        states = await installation.wiring.delivery.states([receipt.event.id])
        assert states[receipt.event.id].state is State.WAITING
        listed = {flag["metric"]: flag for flag in json.loads(await run("flags", "list", "--json"))}
        assert (listed["Placed Order"]["mode"], listed["*"]["mode"]) == ("off", "on")
        assert json.loads(await run("flags", "clear", "Placed Order", "--json"))["origin"] == "built_in"

    async def test_stop_and_resume(self, installation: Doors, run: Run) -> None:
        assert json.loads(await run("flags", "stop", "--all", "--reason", "prices", "--json")) == {
            "stopped": True,
            "changed": True,
        }
        assert "was stopped" in await run("flags", "stop", "--all")
        assert "resume --all" in await run("flags", "resume")
        assert "goes on" in await run("flags", "resume", "--all")

    async def test_a_percentage_must_be_one(self, installation: Doors, run: Run) -> None:
        with pytest.raises(Rejected):
            await run("flags", "set", "Placed Order", "percentage")
        await run("flags", "set", "Placed Order", "percentage", "--percentage", "20")
        [flag] = [flag for flag in await installation.wiring.flags.all("default") if flag.metric == "Placed Order"]
        assert flag.rule.percentage == 20


async def test_a_lane_that_is_opened_by_hand_is_noted(installation: Doors) -> None:
    wiring = installation.wiring
    row = "INSERT INTO lanes (store_id, family, parked_code, probes) VALUES ('default', 'events', 'key_refused', 0)"
    await wiring.database.write(lambda connection: connection.execute(text(row)))
    assert await DeadLetterChanges(wiring.delivery, wiring.audit).probe("default", None, SYSTEM) == 1
    [record] = (await wiring.audit.newest(limit=1)).rows
    assert (record.action, record.after["lanes"]) == ("delivery.lanes_opened", 1)
