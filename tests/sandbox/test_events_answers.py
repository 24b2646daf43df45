"""Answers about events and accounts, judged by the API description like all others."""

import pytest

from klaviyo_sandbox.sandbox import Sandbox

from .driving import bulk, event, group, single
from .judged import JudgedCaller


@pytest.fixture
def event_id(klaviyo: JudgedCaller) -> str:
    assert klaviyo.post("/api/events", single("order-1")).status == 202
    return klaviyo.get("/api/events").data[0]["id"]


class TestAnswersAboutEvents:
    def test_are_empty_for_writes(self, klaviyo: JudgedCaller) -> None:
        for path, body in (("/api/events", single("a")), ("/api/event-bulk-create-jobs", bulk(group(1, event("b"))))):
            reply = klaviyo.post(path, body)
            assert (reply.status, reply.raw, "content-type" in reply.headers) == (202, b"", False)

    @pytest.mark.parametrize("include", ["", "metric", "profile", "attributions", "metric,profile,attributions"])
    def test_have_the_described_shape_with_every_include(self, klaviyo: JudgedCaller, event_id: str, include: str) -> None:
        query = {"include": include} if include else {}
        for path in ("/api/events", f"/api/events/{event_id}"):
            reply = klaviyo.get(path, **query)
            assert {entry["type"] for entry in reply.body.get("included", [])} == set(include.split(",")) - {"", "attributions"}

    @pytest.mark.parametrize("related", ["metric", "profile"])
    def test_lead_to_metric_and_profile(self, klaviyo: JudgedCaller, event_id: str, related: str) -> None:
        whole = klaviyo.get(f"/api/events/{event_id}/{related}").data
        assert klaviyo.get(f"/api/events/{event_id}/relationships/{related}").data == {"type": related, "id": whole["id"]}
        assert klaviyo.get(f"/api/{related}s/{whole['id']}").data["id"] == whole["id"]

    def test_page_without_losing_or_repeating_any(self, klaviyo: JudgedCaller) -> None:
        klaviyo.post("/api/event-bulk-create-jobs", bulk(group(1, *[event(f"o-{number}") for number in range(7)])))
        for sort in ("datetime", "-datetime", "timestamp", "-timestamp"):
            pages = klaviyo.pages("/api/events", page__size=3, sort=sort, fields__event="event_properties")
            seen = [entry["attributes"]["event_properties"]["$event_id"] for page in pages for entry in page]
            assert sorted(seen) == [f"o-{number}" for number in range(7)]

    def test_follow_a_profile_into_a_merge(self, klaviyo: JudgedCaller, sandbox: Sandbox, event_id: str) -> None:
        source = klaviyo.get(f"/api/events/{event_id}/profile").data["id"]
        target = klaviyo.post("/api/profiles", {"data": {"type": "profile", "attributes": {"external_id": "t"}}}).data["id"]
        relationships = {"profiles": {"data": [{"type": "profile", "id": source}]}}
        body = {"data": {"type": "profile-merge", "id": target, "relationships": relationships}}
        assert klaviyo.post("/api/profile-merge", body).status == 202
        assert klaviyo.get(f"/api/events/{event_id}/profile").data["id"] == target
        assert len(klaviyo.get("/api/events", filter=f'equals(profile_id,"{target}")').data) == 1

    def test_name_what_is_wrong(self, klaviyo: JudgedCaller) -> None:
        body = single("a")
        body["data"]["attributes"]["profile"]["data"]["attributes"] = {"email": "bad"}
        reply = klaviyo.post("/api/events", body)
        where = "/data/attributes/profile/data/attributes/email"
        assert reply.refusal == (400, where, "Invalid email address")


class TestAnswersAboutAccounts:
    def test_have_the_described_shape(self, klaviyo: JudgedCaller) -> None:
        (account,) = klaviyo.get("/api/accounts").data
        assert klaviyo.get(f"/api/accounts/{account['id']}").data == account
