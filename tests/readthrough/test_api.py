"""Klaviyo's data through us, and what is answered when Klaviyo is away."""

from datetime import UTC, datetime

import pytest

from ferrata.audit.schemas import SYSTEM
from tests.readthrough.conftest import Connected

JOHN = {
    "eventName": "Purchase",
    "eventAttributes": {"amount": 99.99},
    "profileAttributes": {"firstName": "John", "shoeSize": 44},
    "email": "john@shop.test",
}


class TestFirstAttempt:
    async def test_is_waited_for_and_told(self, connected: Connected) -> None:
        answer = await connected.post("/events", JOHN)
        assert answer.status_code == 201
        found = answer.json()
        assert (found["sentToKlaviyo"], found["klaviyoResponse"]) == (True, "Successfully sent to Klaviyo")
        [stored] = connected.sandbox.effects(kind="event_stored")
        assert stored["unique_id"] == found["id"]
        story = (await connected.get(f"/events/{found['id']}")).json()
        assert [attempt["status"] for attempt in story["attempts"]] == [202]

    async def test_that_fails_does_not_fail_the_request(self, connected: Connected) -> None:
        connected.break_down("server_error")
        answer = await connected.post("/events", JOHN)
        assert answer.status_code == 201
        found = answer.json()
        assert found["sentToKlaviyo"] is False
        assert found["klaviyoResponse"].startswith("Failed to sync: ")

    async def test_of_many_is_told_for_each(self, connected: Connected) -> None:
        events = [JOHN | {"email": f"p{n}@shop.test"} for n in range(5)]
        answer = await connected.post("/events/bulk", {"events": events})
        assert [event["sentToKlaviyo"] for event in answer.json()] == [True] * 5


class TestKlaviyoRoutes:
    async def test_tell_whether_klaviyo_answers(self, connected: Connected) -> None:
        answer = await connected.get("/klaviyo/test-connection")
        assert answer.json() == {"connected": True, "message": "Klaviyo API connection successful"}

    async def test_tell_that_it_does_not(self, connected: Connected) -> None:
        connected.break_down("revoked")
        answer = await connected.get("/klaviyo/test-connection")
        assert answer.status_code == 200
        assert answer.json()["connected"] is False
        assert answer.json()["message"] == "Klaviyo API connection failed"

    async def test_send_a_test_event(self, connected: Connected) -> None:
        answer = await connected.post("/klaviyo/sync-test")
        assert answer.json()["success"] is True
        assert answer.json()["message"] == "Test event sent to Klaviyo successfully"
        assert (await connected.get("/events")).json()["events"] == []

    async def test_read_metrics_profiles_and_events(self, connected: Connected) -> None:
        await connected.post("/events", JOHN)
        assert "Purchase" in (await connected.get("/klaviyo/metrics")).json()["metrics"]
        profile = (await connected.get("/klaviyo/profiles/JOHN@shop.test")).json()
        assert profile["success"] is True
        assert profile["profile"]["attributes"]["first_name"] == "John"
        assert (await connected.get("/klaviyo/profiles/nobody@shop.test")).json() == {"success": True, "profile": None}
        events = (await connected.get("/klaviyo/events")).json()
        assert (events["success"], events["count"]) == (True, 1)

    @pytest.mark.parametrize("email", ['a"b@shop.test', "a')b@shop.test", "nobody", '","x"@shop.test'])
    async def test_refuse_what_is_no_address(self, connected: Connected, email: str) -> None:
        assert (await connected.get(f"/klaviyo/profiles/{email}")).status_code == 400

    async def test_answer_502_or_tell_of_failure_when_klaviyo_fails(self, connected: Connected) -> None:
        connected.break_down("html_502")
        assert (await connected.get("/klaviyo/metrics")).status_code == 502
        assert (await connected.get("/klaviyo/events")).json()["success"] is False
        assert (await connected.get("/klaviyo/profiles/a@shop.test")).json()["success"] is False
        assert (await connected.post("/klaviyo/sync-test")).json()["success"] is False


class TestKlaviyoFirst:
    async def test_metrics_come_from_klaviyo(self, connected: Connected) -> None:
        await connected.post("/events", JOHN)
        answer = (await connected.get("/events/metrics")).json()
        assert answer["source"] == "klaviyo"
        assert "Purchase" in answer["metrics"]

    async def test_metrics_come_from_here_when_klaviyo_is_away(self, connected: Connected) -> None:
        await connected.post("/events", JOHN)
        connected.break_down("unavailable")
        assert (await connected.get("/events/metrics")).json() == {"metrics": ["Purchase"], "source": "local"}

    async def test_attributes_are_merged_under_one_spelling(self, connected: Connected) -> None:
        await connected.post("/events", JOHN)
        answer = (await connected.get("/events/profiles/john@shop.test/attributes")).json()
        assert answer["source"] == "klaviyo"
        assert answer["attributes"]["first_name"] == "John"
        assert "firstName" not in answer["attributes"]
        assert answer["attributes"]["properties"]["shoeSize"] == 44
        kept = await connected.doors.wiring.profiles.find("default", "john@shop.test")
        assert kept is not None
        assert kept.klaviyo_id

    async def test_attributes_are_ours_when_klaviyo_is_away(self, connected: Connected) -> None:
        await connected.post("/events", JOHN)
        connected.break_down("unavailable")
        answer = (await connected.get("/events/profiles/john@shop.test/attributes")).json()
        expected = {"first_name": "John", "properties": {"shoeSize": 44}}
        assert answer == {"email": "john@shop.test", "attributes": expected, "source": "local"}
        assert (await connected.get("/events/profiles/nobody@shop.test/attributes")).json()["attributes"] == {}
        assert (await connected.get("/events/profiles/nobody/attributes")).status_code == 400

    async def test_counts_and_addresses_can_be_asked_of_klaviyo(self, connected: Connected) -> None:
        today = datetime.now(UTC).date().isoformat()
        for n in range(3):
            await connected.post("/events", JOHN | {"email": f"p{n}@shop.test", "time": f"{today}T00:00:0{n}Z"})
        answer = (await connected.get("/events/count", metric="Purchase", date=today, source="klaviyo")).json()
        assert (answer["count"], answer["source"]) == (3, "klaviyo")
        emails = (await connected.get("/events/emails", metric="Purchase", date=today, source="klaviyo")).json()["emails"]
        assert emails == [f"p{n}@shop.test" for n in range(3)]
        assert (await connected.get("/events/count", metric="Other", date=today, source="klaviyo")).json()["count"] == 0


class TestWithoutKey:
    async def test_everything_is_kept_and_klaviyo_routes_say_so(self, connected: Connected) -> None:
        await connected.doors.wiring.connections.disconnect("default", SYSTEM)
        answer = await connected.post("/events", JOHN)
        assert (answer.status_code, answer.json()["sentToKlaviyo"]) == (201, False)
        assert (await connected.get("/klaviyo/metrics")).status_code == 503
        assert (await connected.get("/klaviyo/test-connection")).json()["connected"] is False
        assert (await connected.get("/events/metrics")).json()["source"] == "local"
