"""Merging profiles over HTTP."""

import pytest

from klaviyo_sandbox.sandbox import Sandbox

from .documents import a_list, identifiers, merge, profile, suppression_job
from .judged import JudgedCaller


@pytest.fixture
def pair(klaviyo: JudgedCaller) -> tuple[str, str]:
    """Ids of a destination and a source."""
    one = profile(email="one@shop.test", first_name="One", properties={"a": 1, "b": 1})
    two = profile(email="two@shop.test", external_id="c-2", first_name="Two", title="Dr", properties={"b": 2, "c": 2})
    return klaviyo.post("/api/profiles", one).data["id"], klaviyo.post("/api/profiles", two).data["id"]


class TestAMerge:
    def test_answers_202_with_the_destination(self, klaviyo: JudgedCaller, sandbox: Sandbox, pair: tuple[str, str]) -> None:
        reply = klaviyo.post("/api/profile-merge", merge(*pair))
        assert (reply.status, reply.data["type"], reply.data["id"]) == (202, "profile", pair[0])
        assert reply.data["attributes"] == {}

    def test_answers_201_by_switch(self, klaviyo: JudgedCaller, sandbox: Sandbox, pair: tuple[str, str]) -> None:
        sandbox.switch(statuses="spec")
        assert klaviyo.post("/api/profile-merge", merge(*pair)).status == 201

    def test_moves_everything_to_the_destination(self, klaviyo: JudgedCaller, pair: tuple[str, str]) -> None:
        list_id = klaviyo.post("/api/lists", a_list()).data["id"]
        klaviyo.post(f"/api/lists/{list_id}/relationships/profiles", identifiers("profile", pair[1]))
        klaviyo.post("/api/profile-suppression-bulk-create-jobs", suppression_job("two@shop.test"))
        klaviyo.post("/api/profile-merge", merge(*pair))
        shown = klaviyo.get(f"/api/profiles/{pair[0]}", additional_fields__profile="subscriptions").data["attributes"]
        assert (shown["email"], shown["external_id"]) == ("one@shop.test", "c-2")
        assert (shown["first_name"], shown["title"]) == ("One", "Dr")
        assert shown["properties"] == {"a": 1, "b": 1, "c": 2}
        assert [entry["reason"] for entry in shown["subscriptions"]["email"]["marketing"]["suppression"]] == ["USER_SUPPRESSED"]
        assert klaviyo.get(f"/api/lists/{list_id}/relationships/profiles").data == [{"type": "profile", "id": pair[0]}]
        assert klaviyo.get(f"/api/profiles/{pair[1]}").status == 404
        assert klaviyo.post("/api/profile-import", profile(email="two@shop.test")).data["id"] == pair[0]

    def test_lets_the_source_resolve_until_it_is_done(
        self, klaviyo: JudgedCaller, sandbox: Sandbox, pair: tuple[str, str]
    ) -> None:
        sandbox.switch(visibility_delay_seconds=10)
        klaviyo.post("/api/profile-merge", merge(*pair))
        assert klaviyo.get(f"/api/profiles/{pair[1]}").status == 200
        sandbox.clock.advance(10)
        assert klaviyo.get(f"/api/profiles/{pair[1]}").status == 404
        (effect,) = sandbox.effects(kind="profile_merged")
        assert (effect["profile_id"], effect["subject"]) == pair

    def test_done_twice_is_done_once(self, klaviyo: JudgedCaller, sandbox: Sandbox, pair: tuple[str, str]) -> None:
        sandbox.switch(visibility_delay_seconds=10)
        for _ in range(2):
            assert klaviyo.post("/api/profile-merge", merge(*pair)).status == 202
        sandbox.clock.advance(10)
        assert len(sandbox.effects(kind="profile_merged")) == 1

    def test_takes_exactly_one_other_source(self, klaviyo: JudgedCaller, pair: tuple[str, str]) -> None:
        one, two = pair
        assert klaviyo.post("/api/profile-merge", merge(one)).status == 400
        assert klaviyo.post("/api/profile-merge", merge(one, two, two)).status == 400
        assert klaviyo.post("/api/profile-merge", merge(one, one)).status == 400
        assert klaviyo.post("/api/profile-merge", merge(one, "01NOBODY")).status == 404
        assert klaviyo.post("/api/profile-merge", merge("01NOBODY", two)).status == 404
