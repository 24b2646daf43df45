"""Alerts over HTTP and on the command line."""

import json
from pathlib import Path

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.entry.cli import app
from ferrata.entry.tables import metadata
from tests.alerts.conftest import Receiver, verified, webhook
from tests.alerts.test_alerts import say
from tests.doors import Doors

pytestmark = pytest.mark.anyio


class TestTheApi:
    async def test_makes_tests_rotates_and_removes_a_channel(self, doors: Doors, receiver: Receiver) -> None:
        headers = await doors.token(Right.ALERTS_READ, Right.ALERTS_MANAGE)
        asked = {"way": "webhook", "name": "on-call", "target": receiver.url, "kinds": ["lane.parked", "source.failing"]}
        answer = await doors.client.post("/alert-channels", json=asked, headers=headers)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert made["channel"]["hint"] == receiver.url.removesuffix("/hook") + "/…"
        one = f"/alert-channels/{made['channel']['id']}"
        tested = await doors.client.post(one + "/test", headers=headers)
        assert (tested.status_code, tested.json()["state"]) == (200, "sent")
        assert verified(*receiver.seen[0], made["secret"])
        fresh = (await doors.client.post(one + "/rotate", headers=headers)).json()["secret"]
        await say(doors, holds=True)
        await doors.wiring.alerts.watch()
        assert verified(*receiver.seen[1], fresh)
        [alert] = (await doors.client.get("/alerts", headers=headers)).json()["alerts"]
        assert (alert["kind"], alert["closedAt"]) == ("source.failing", None)
        log = (await doors.client.get(one + "/deliveries", headers=headers)).json()["deliveries"]
        assert [entry["saying"] for entry in log] == ["opened", "test"]
        assert (await doors.client.delete(one, headers=headers)).status_code == 204
        assert (await doors.client.get("/alert-channels", headers=headers)).json() == {"channels": []}
        actions = [record.action for record in (await doors.wiring.audit.newest()).rows]
        assert {f"alerts.{act}" for act in ("channel_added", "channel_tested", "secret_rotated", "channel_removed")} <= set(
            actions
        )

    async def test_shows_a_store_its_own_and_whoever_sees_all_stores_everything(self, doors: Doors, receiver: Receiver) -> None:
        await doors.wiring.connections.registry.create("second", "Second", actor=SYSTEM)
        await webhook(doors.wiring.alerts, receiver)
        await say(doors, holds=True)
        other = await doors.token(Right.ALERTS_READ, Right.ALERTS_MANAGE, store_id="second")
        assert (await doors.client.get("/alerts", headers=other)).json()["alerts"] == []
        assert (await doors.client.get("/alert-channels", headers=other)).json()["channels"] == []
        every = {"way": "webhook", "name": "x", "target": receiver.url, "everyStore": True}
        assert (await doors.client.post("/alert-channels", json=every, headers=other)).status_code == 403
        everywhere = await doors.token(Right.ALERTS_READ, store_id=None)
        assert len((await doors.client.get("/alerts", headers=everywhere)).json()["alerts"]) == 1
        assert len((await doors.client.get("/alert-channels", headers=everywhere)).json()["channels"]) == 1

    @pytest.mark.parametrize(
        "asked",
        [
            {"way": "webhook", "name": "", "target": "https://8.8.8.8/"},
            {"way": "webhook", "name": "x", "target": "https://10.0.0.1/"},
            {"way": "email", "name": "x", "target": "nobody"},
            {"way": "pigeon", "name": "x", "target": "y"},
            {"way": "email", "name": "x", "target": "a@b.test", "kinds": ["<script>"]},
        ],
    )
    async def test_says_what_is_wrong(self, doors: Doors, asked: dict[str, object]) -> None:
        headers = await doors.token(Right.ALERTS_MANAGE)
        answer = await doors.client.post("/alert-channels", json=asked, headers=headers)
        assert answer.status_code in (400, 422)
        assert answer.json()["errors"]

    async def test_shows_no_secret_and_no_whole_target_again(self, doors: Doors, receiver: Receiver) -> None:
        made = await webhook(doors.wiring.alerts, receiver)
        headers = await doors.token(*Right, store_id=None)
        told = [(await doors.client.get(path, headers=headers)).text for path in ("/alert-channels", "/audit")]
        browser = await doors.administrator()
        told += [(await browser.get(path)).text for path in ("/ui/alerts/channels", f"/ui/alerts/channels/{made.channel.id}")]

        def dump(connection: object) -> str:
            return "\n".join(str(connection.execute(table.select()).all()) for table in metadata.tables.values())  # type: ignore[attr-defined]

        told.append(await doors.wiring.database.read(dump))
        for secret in (made.secret or "", receiver.url):
            assert [place[:100] for place in told if secret in place] == []


class TestTheCommands:
    async def test_add_list_test_and_remove(
        self, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("FERRATA_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("FERRATA_PRIVATE_NETWORKS", "127.0.0.0/8")

        async def run(*words: str) -> str:
            await app.run_async(words, result_action="return_value", exit_on_error=False, print_error=False)
            return capsys.readouterr().out

        made = json.loads(await run("alerts", "add-webhook", receiver.url, "--kind", "lane.parked", "--json"))
        assert made["secret"].startswith("whsec_")
        assert [row["id"] for row in json.loads(await run("alerts", "channels", "--json"))] == [made["id"]]
        assert "Answered 200." in await run("alerts", "test", made["id"])
        assert verified(*receiver.seen[0], made["secret"])
        assert [row["state"] for row in json.loads(await run("alerts", "log", made["id"], "--json"))] == ["sent"]
        assert json.loads(await run("alerts", "list", "--json")) == []
        assert "is told nothing any more" in await run("alerts", "remove", made["id"])
