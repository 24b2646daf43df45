"""Flags over HTTP, on the command line's service, and on pages."""

import json
from typing import Any

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM, AuditFilter
from ferrata.kit.clock import MovedClock
from tests.doors import Doors

pytestmark = pytest.mark.anyio
FLAGS = "/api/store/default/flags"


@pytest.fixture
async def keeper(doors: Doors) -> dict[str, str]:
    return await doors.token(Right.FLAGS_READ, Right.FLAGS_MANAGE, Right.EVENTS_WRITE, Right.EVENTS_READ)


async def accept(doors: Doors, header: dict[str, str], metric: str, email: str = "jane@example.com") -> str:
    body = {"eventName": metric, "email": email, "eventAttributes": {"OrderId": "N-1"}}
    answer = await doors.client.post("/events", json=body, headers=header | {"prefer": "respond-async"})
    return str(answer.json()["id"])


async def flags_of(doors: Doors, header: dict[str, str]) -> dict[str, Any]:
    answer = await doors.client.get(FLAGS, headers=header)
    return {flag["metric"]: flag for flag in answer.json()["flags"]}


class TestTheApi:
    async def test_sets_shows_and_clears(self, doors: Doors, keeper: dict[str, str]) -> None:
        await accept(doors, keeper, "Viewed Product")
        order = {"metric": "Placed Order", "mode": "percentage", "percentage": 25}
        answer = await doors.client.put(FLAGS, json=order, headers=keeper)
        assert answer.status_code == 200
        shown = await flags_of(doors, keeper)
        assert list(shown) == ["*", "Placed Order", "Viewed Product"]
        assert shown["Placed Order"] == answer.json() == shown["Placed Order"] | order | {"origin": "flag", "source": "test"}
        assert (shown["Viewed Product"]["mode"], shown["Viewed Product"]["origin"]) == ("on", "built_in")
        cleared = await doors.client.delete(f"{FLAGS}?metric=Placed%20Order", headers=keeper)
        assert (cleared.status_code, cleared.json()["origin"]) == (200, "built_in")

    async def test_stops_and_goes_on(self, doors: Doors, keeper: dict[str, str]) -> None:
        stopped = await doors.client.post(f"{FLAGS}/stop", json={"reason": "wrong price"}, headers=keeper)
        assert stopped.json() == {"stopped": True, "changed": True}
        assert (await doors.client.post(f"{FLAGS}/stop", json={}, headers=keeper)).json()["changed"] is False
        told = (await doors.client.get(FLAGS, headers=keeper)).json()["stopped"]
        assert [(stop["scope"], stop["by"], stop["reason"]) for stop in told] == [("store", "test", "wrong price")]
        reader = await doors.token(Right.DELIVERY_READ)
        lanes = (await doors.client.get("/lanes", headers=reader)).json()["lanes"]
        assert {lane["parkedCode"] for lane in lanes} == {"stopped"}
        assert (await doors.client.post(f"{FLAGS}/resume", headers=keeper)).json() == {"stopped": False, "changed": True}
        actions = [record.action for record in (await doors.wiring.audit.page(AuditFilter(action="flags"))).rows]
        assert actions == ["flags.resumed", "flags.stopped"]

    async def test_stops_everything_only_for_whom_every_store_is(self, doors: Doors, keeper: dict[str, str]) -> None:
        assert (await doors.client.post("/api/flags/stop", json={}, headers=keeper)).status_code == 403
        everywhere = await doors.token(Right.FLAGS_MANAGE, store_id=None)
        assert (await doors.client.post("/api/flags/stop", json={}, headers=everywhere)).status_code == 200
        told = (await doors.client.get(FLAGS, headers=keeper)).json()["stopped"]
        assert [stop["scope"] for stop in told] == ["everything"]
        assert (await doors.client.post("/api/flags/resume", headers=everywhere)).json() == {"stopped": False, "changed": True}

    async def test_previews_by_yesterdays_profiles(self, doors: Doors, keeper: dict[str, str], clock: MovedClock) -> None:
        for number in range(20):
            await accept(doors, keeper, "Placed Order", f"p{number}@example.com")
        await accept(doors, keeper, "Placed Order", "p0@example.com")
        clock.advance(86_400)
        found = [
            (await doors.client.get(f"{FLAGS}/preview?metric=Placed%20Order&percentage={share}", headers=keeper)).json()
            for share in (0, 50, 100)
        ]
        assert [each["profiles"] for each in found] == [20, 20, 20]
        assert found[0]["included"] == 0 and 0 < found[1]["included"] < 20 and found[2]["included"] == 20

    async def test_shows_what_would_be_sent_and_sends_it(self, doors: Doors, keeper: dict[str, str]) -> None:
        await doors.client.put(FLAGS, json={"metric": "Placed Order", "mode": "dry_run"}, headers=keeper)
        id_ = await accept(doors, keeper, "Placed Order")
        held = (await doors.client.get(f"{FLAGS}/held", headers=keeper)).json()
        assert [(group["metric"], group["reason"], group["count"]) for group in held["groups"]] == [
            ("Placed Order", "flag_dry_run", 1)
        ]
        [event] = held["newest"]
        attributes = event["request"]["data"]["attributes"]
        assert (event["id"], attributes["properties"]) == (id_, {"OrderId": "N-1"})
        assert attributes["profile"]["data"]["attributes"]["email"] == "jane@example.com"
        tried = await doors.client.post(f"{FLAGS}/release", json={"metric": "Placed Order"}, headers=keeper)
        assert tried.json() == {"dryRun": True, "count": 1}
        done = await doors.client.post(f"{FLAGS}/release", json={"dryRun": False}, headers=keeper)
        assert done.json() == {"dryRun": False, "count": 1}
        assert (await doors.client.get(f"/events/{id_}", headers=keeper)).json()["state"] == "waiting"

    @pytest.mark.parametrize(
        ("method", "path", "body", "faulty"),
        [
            ("PUT", FLAGS, {"metric": "a", "mode": "maybe"}, {"mode"}),
            ("PUT", FLAGS, {"metric": "", "mode": "on", "extra": 1}, {"metric", "extra"}),
            ("PUT", FLAGS, {"metric": "a", "mode": "percentage"}, {"percentage"}),
            ("PUT", FLAGS, {"metric": "a", "mode": "percentage", "percentage": 101}, {"percentage"}),
            ("POST", f"{FLAGS}/release", {"since": "yesterday"}, {"since"}),
            ("GET", f"{FLAGS}/preview?percentage=x", None, {"percentage"}),
        ],
    )
    async def test_names_every_fault(
        self, doors: Doors, keeper: dict[str, str], method: str, path: str, body: Any, faulty: set[str]
    ) -> None:
        answer = await doors.client.request(method, path, json=body, headers=keeper)
        assert answer.status_code == 400, answer.text
        assert {problem["path"] for problem in answer.json()["errors"]} == faulty

    async def test_keeps_strangers_and_other_stores_out(self, doors: Doors, keeper: dict[str, str]) -> None:
        await doors.wiring.connections.registry.create("outdoor", "Outdoor", actor=SYSTEM)
        assert (await doors.client.get(FLAGS)).status_code == 401
        assert (await doors.client.get("/api/store/outdoor/flags", headers=keeper)).status_code == 403
        reader = await doors.token(Right.FLAGS_READ)
        assert (await doors.client.put(FLAGS, json={"metric": "a", "mode": "off"}, headers=reader)).status_code == 403
        everywhere = await doors.token(Right.FLAGS_READ, store_id=None)
        assert (await doors.client.get("/api/store/nowhere/flags", headers=everywhere)).status_code == 404


class TestThePages:
    async def test_change_a_flag_with_a_way_back(self, doors: Doors, clock: MovedClock, keeper: dict[str, str]) -> None:
        await accept(doors, keeper, "Placed Order")
        clock.advance(86_400)
        browser = await doors.administrator()
        asked = await browser.get("/ui/flags/change?metric=Placed+Order&mode=off")
        assert "would be held back" in asked.text and "1 profile with such an event yesterday" in asked.text
        answer = await browser.post("/ui/flags/change", data={"metric": "Placed Order", "mode": "percentage", "percentage": "30"})
        assert answer.status_code == 303
        shown = await browser.get("/ui/flags")
        assert "Placed Order: on for 30 % of the profiles" in shown.text
        assert "/ui/flags/change?metric=Placed+Order&amp;mode=on" in shown.text

    async def test_say_that_everything_is_stopped_and_let_it_go_on(self, doors: Doors) -> None:
        browser = await doors.administrator()
        await browser.post("/ui/flags/stop", data={"scope": "everything", "reason": "<b>wrong</b> price"})
        shown = await browser.get("/ui/flags")
        assert "Sending is stopped for every store" in shown.text and "&lt;b&gt;wrong" in shown.text
        assert "Sending is stopped" in (await browser.get("/ui/lanes")).text
        await browser.post("/ui/flags/resume", data={"scope": "everything"})
        assert "Sending is stopped" not in (await browser.get("/ui/lanes")).text

    async def test_show_and_send_what_was_held(self, doors: Doors, keeper: dict[str, str]) -> None:
        browser = await doors.administrator()
        await browser.post("/ui/flags/change", data={"metric": "Placed Order", "mode": "dry_run"})
        id_ = await accept(doors, keeper, "Placed Order")
        shown = await browser.get("/ui/flags/held?metric=Placed+Order")
        assert "N-1" in shown.text and "Send 1 event" in shown.text
        story = await browser.get(f"/ui/events/{id_}")
        assert "Placed Order was in a dry run (set by Mira)" in story.text and "Not sent" in story.text
        await browser.post("/ui/flags/release", data={"metric": "Placed Order"})
        assert json.loads((await doors.client.get(f"/events/{id_}", headers=keeper)).text)["state"] == "waiting"
