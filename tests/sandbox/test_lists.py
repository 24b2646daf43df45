"""Lists over HTTP: the list itself, and who is on it."""

from typing import Any

import pytest

from klaviyo_sandbox.sandbox import Sandbox

from .documents import a_list, identifiers, profile
from .judged import JudgedCaller


def make_profiles(klaviyo: JudgedCaller, number: int) -> list[str]:
    rows = [profile(email=f"p{index}@shop.test") for index in range(number)]
    return [klaviyo.post("/api/profiles", row).data["id"] for row in rows]


@pytest.fixture
def list_id(klaviyo: JudgedCaller) -> str:
    return klaviyo.post("/api/lists", a_list()).data["id"]


class TestAList:
    def test_is_created_with_single_opt_in_unless_asked_otherwise(self, klaviyo: JudgedCaller) -> None:
        reply = klaviyo.post("/api/lists", a_list("News"))
        assert (reply.status, reply.data["attributes"]["opt_in_process"]) == (201, "single_opt_in")
        double = klaviyo.post("/api/lists", a_list("News", opt_in_process="double_opt_in"))
        assert double.data["attributes"]["opt_in_process"] == "double_opt_in"
        assert double.data["id"] != reply.data["id"]

    def test_is_renamed(self, klaviyo: JudgedCaller, sandbox: Sandbox, list_id: str) -> None:
        sandbox.clock.advance(60)
        body = a_list("Renamed", opt_in_process="double_opt_in")
        body["data"]["id"] = list_id
        reply = klaviyo.patch(f"/api/lists/{list_id}", body)
        shown = reply.data["attributes"]
        assert (reply.status, shown["name"], shown["opt_in_process"]) == (200, "Renamed", "double_opt_in")
        assert shown["created"] != shown["updated"]

    def test_is_deleted_but_not_its_profiles(self, klaviyo: JudgedCaller, list_id: str) -> None:
        (one,) = make_profiles(klaviyo, 1)
        klaviyo.post(f"/api/lists/{list_id}/relationships/profiles", identifiers("profile", one))
        assert klaviyo.delete(f"/api/lists/{list_id}").status == 204
        detail = f"A list with id `{list_id}` does not exist."
        assert klaviyo.get(f"/api/lists/{list_id}").refusal == (404, "/data/", detail)
        assert klaviyo.delete(f"/api/lists/{list_id}").status == 404
        assert klaviyo.get(f"/api/profiles/{one}/lists").data == []

    @pytest.mark.parametrize(
        ("attributes", "pointer"),
        [
            ({"name": None}, "name"),
            ({"name": 5}, "name"),
            ({"opt_in_process": "triple"}, "opt_in_process"),
            ({"opt_in_process": {}}, "opt_in_process"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_is_checked(self, klaviyo: JudgedCaller, attributes: dict[str, Any], pointer: str) -> None:
        body = a_list()
        body["data"]["attributes"] |= attributes
        assert klaviyo.post("/api/lists", body).refusal[:2] == (400, f"/data/attributes/{pointer}")

    def test_counts_its_profiles_when_asked(self, klaviyo: JudgedCaller, list_id: str) -> None:
        klaviyo.post(f"/api/lists/{list_id}/relationships/profiles", identifiers("profile", *make_profiles(klaviyo, 3)))
        assert "profile_count" not in klaviyo.get(f"/api/lists/{list_id}").data["attributes"]
        asked = klaviyo.get(f"/api/lists/{list_id}", additional_fields__list="profile_count", include="tags")
        assert asked.data["attributes"]["profile_count"] == 3
        assert asked.body["included"] == []

    def test_is_listed_ten_per_page(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        for number in range(12):
            sandbox.clock.advance(1)
            klaviyo.post("/api/lists", a_list(f"List {number:02}"))
        assert [len(page) for page in klaviyo.pages("/api/lists")] == [10, 2]
        names = [entry["attributes"]["name"] for page in klaviyo.pages("/api/lists", sort="-created") for entry in page]
        assert names == [f"List {number:02}" for number in reversed(range(12))]
        assert klaviyo.get("/api/lists", page__size=11).refusal[:2] == (400, "page[size]")
        assert klaviyo.get("/api/lists", sort="size").refusal[:2] == (400, "sort")
        found = klaviyo.get("/api/lists", filter='any(name,["List 03","List 05","None"])')
        assert sorted(entry["attributes"]["name"] for entry in found.data) == ["List 03", "List 05"]
        later = klaviyo.get("/api/lists", filter="greater-than(created,2026-09-21T14:13:31Z)")
        assert len(later.data) == 2


class TestMembersOfAList:
    def test_join_and_leave(self, klaviyo: JudgedCaller, sandbox: Sandbox, list_id: str) -> None:
        ids = make_profiles(klaviyo, 3)
        path = f"/api/lists/{list_id}/relationships/profiles"
        assert klaviyo.post(path, identifiers("profile", *ids)).status == 204
        assert klaviyo.post(path, identifiers("profile", ids[0])).status == 204
        assert klaviyo.delete(path, identifiers("profile", ids[1])).status == 204
        assert klaviyo.delete(path, identifiers("profile", ids[1], "01NOBODY")).status == 204
        assert {entry["id"] for entry in klaviyo.get(path).data} == {ids[0], ids[2]}
        assert [e["profile_id"] for e in sandbox.effects(kind="list_joined")] == ids
        assert [e["profile_id"] for e in sandbox.effects(kind="list_left")] == [ids[1]]

    def test_are_listed_by_the_time_they_joined(self, klaviyo: JudgedCaller, sandbox: Sandbox, list_id: str) -> None:
        ids = make_profiles(klaviyo, 5)
        for id_ in ids:
            sandbox.clock.advance(1)
            klaviyo.post(f"/api/lists/{list_id}/relationships/profiles", identifiers("profile", id_))
        path = f"/api/lists/{list_id}/profiles"
        pages = klaviyo.pages(path, page__size=2, additional_fields__profile="subscriptions")
        assert [entry["id"] for page in pages for entry in page] == ids
        assert pages[0][0]["attributes"]["joined_group_at"] == "2026-09-21T14:13:21+00:00"
        newest = klaviyo.pages(path, sort="-joined_group_at", page__size=2)
        assert [entry["id"] for page in newest for entry in page] == ids[::-1]
        late = klaviyo.get(path, filter="greater-or-equal(joined_group_at,2026-09-21T14:13:24Z)")
        assert [entry["id"] for entry in late.data] == ids[3:]
        one = klaviyo.get(path, filter='equals(email,"P2@shop.test")')
        assert [entry["id"] for entry in one.data] == [ids[2]]
        assert klaviyo.get(path, filter='equals(push_token,"x")').data == []

    def test_are_at_most_a_thousand_per_request(self, klaviyo: JudgedCaller, list_id: str) -> None:
        path = f"/api/lists/{list_id}/relationships/profiles"
        assert klaviyo.delete(path, identifiers("profile", *["01X"] * 1000)).status == 204
        assert klaviyo.delete(path, identifiers("profile", *["01X"] * 1001)).refusal[:2] == (400, "/data")

    @pytest.mark.parametrize(
        "data", [[], None, {}, "x", [5], [{}], [{"type": "list", "id": "x"}], [{"type": "profile", "id": 5}]]
    )
    def test_must_be_profile_identifiers(self, klaviyo: JudgedCaller, list_id: str, data: object) -> None:
        assert klaviyo.post(f"/api/lists/{list_id}/relationships/profiles", {"data": data}).status == 400

    def test_must_exist(self, klaviyo: JudgedCaller, list_id: str) -> None:
        (one,) = make_profiles(klaviyo, 1)
        path = f"/api/lists/{list_id}/relationships/profiles"
        assert klaviyo.post(path, identifiers("profile", one, "01NOBODY")).status == 404
        assert klaviyo.get(path).data == []
        assert klaviyo.post("/api/lists/NOPE01/relationships/profiles", identifiers("profile", one)).status == 404
