"""Reading profiles over HTTP: pages, filters, additional fields, includes."""

import pytest

from klaviyo_sandbox.sandbox import Sandbox

from .documents import a_list, identifiers, profile
from .judged import JudgedCaller

ANNA = {"email": "Anna@shop.test", "phone_number": "+12345678901", "external_id": "c-1"}


class TestReadingProfiles:
    def test_pages_without_losing_or_repeating_any(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        made = []
        for number in range(23):
            sandbox.clock.advance(1)
            made.append(klaviyo.post("/api/profiles", profile(external_id=f"c-{number}")).data["id"])
        assert [len(page) for page in klaviyo.pages("/api/profiles")] == [20, 3]
        for sort in ("created", "-created", "id", "-id", "email", "-email", "updated", "-updated"):
            pages = klaviyo.pages("/api/profiles", sort=sort, page__size=5)
            ids = [entry["id"] for page in pages for entry in page]
            assert sorted(ids) == sorted(made)
            if "email" not in sort:
                assert ids == (made[::-1] if sort[0] == "-" else made)

    def test_walks_back_over_the_same_pages(self, klaviyo: JudgedCaller) -> None:
        for number in range(5):
            klaviyo.post("/api/profiles", profile(external_id=f"c-{number}"))
        first = klaviyo.get("/api/profiles", page__size=2).body
        second = klaviyo.send("GET", first["links"]["next"].removeprefix(klaviyo.url)).body
        back = klaviyo.send("GET", second["links"]["prev"].removeprefix(klaviyo.url)).body
        assert back["data"] == first["data"]
        assert back["links"]["prev"] is None

    @pytest.mark.parametrize(
        ("filter_", "found"),
        [
            ('equals(email,"A@shop.test")', ["a"]),
            ('equals(email,"A@SHOP.TEST")', ["a"]),
            ('any(email,["a@shop.test","B@shop.test","z@shop.test"])', ["a", "b"]),
            ('equals(phone_number,"+12345678901")', ["b"]),
            ('equals(external_id,"a")', ["a"]),
            ('any(external_id,["a","b"]),equals(email,"b@shop.test")', ["b"]),
            ("greater-than(created,2026-09-21T14:13:20Z)", ["a", "b"]),
            ("less-than(created,2026-09-21T14:13:20Z)", []),
            ('equals(email,"a@shop.test\'")', []),
            ('equals(email,"%")', []),
        ],
    )
    def test_filters(self, klaviyo: JudgedCaller, filter_: str, found: list[str]) -> None:
        klaviyo.post("/api/profiles", profile(email="a@shop.test", external_id="a"))
        klaviyo.post("/api/profiles", profile(email="b@shop.test", external_id="b", phone_number="+12345678901"))
        reply = klaviyo.get("/api/profiles", filter=filter_)
        assert sorted(entry["attributes"]["external_id"] for entry in reply.data) == found

    @pytest.mark.parametrize(
        "filter_",
        [
            'equals(email,"a@shop.test"),or(equals(email,"b@x"))',
            'contains(email,"a")',
            'equals(first_name,"a")',
            'equals(subscriptions.email.marketing.list_suppressions.reason,"UNSUBSCRIBE")',
            'equals(subscriptions.email.marketing.suppression.reason,"X"),'
            'equals(subscriptions.email.marketing.list_suppressions.list_id,"L")',
        ],
    )
    def test_refuses_filters_it_does_not_offer(self, klaviyo: JudgedCaller, filter_: str) -> None:
        reply = klaviyo.get("/api/profiles", filter=filter_)
        assert reply.refusal[:2] == (400, "filter")

    def test_shows_what_is_asked_for(self, klaviyo: JudgedCaller) -> None:
        id_ = klaviyo.post("/api/profiles", profile(**ANNA)).data["id"]
        reply = klaviyo.get(f"/api/profiles/{id_}", fields__profile="email", additional_fields__profile="subscriptions")
        assert set(reply.data["attributes"]) == {"email", "subscriptions"}
        marketing = reply.data["attributes"]["subscriptions"]["email"]["marketing"]
        assert (marketing["consent"], marketing["can_receive_email_marketing"]) == ("NEVER_SUBSCRIBED", True)
        both = klaviyo.get(f"/api/profiles/{id_}", additional_fields__profile="subscriptions,predictive_analytics")
        assert set(both.data["attributes"]["predictive_analytics"].values()) == {None}
        refused = klaviyo.get(f"/api/profiles/{id_}", additional_fields__profile="everything")
        assert refused.refusal[:2] == (400, "additional-fields[profile]")

    def test_includes_lists(self, klaviyo: JudgedCaller) -> None:
        id_ = klaviyo.post("/api/profiles", profile(**ANNA)).data["id"]
        list_id = klaviyo.post("/api/lists", a_list()).data["id"]
        klaviyo.post(f"/api/lists/{list_id}/relationships/profiles", identifiers("profile", id_))
        reply = klaviyo.get(f"/api/profiles/{id_}", include="lists,segments")
        assert [entry["id"] for entry in reply.body["included"]] == [list_id]
        assert reply.data["relationships"]["lists"]["data"] == [{"type": "list", "id": list_id}]
        assert reply.data["relationships"]["segments"]["data"] == []
        assert [entry["id"] for entry in klaviyo.get(f"/api/profiles/{id_}/lists").data] == [list_id]
        assert klaviyo.get(f"/api/profiles/{id_}/relationships/lists").data == [{"type": "list", "id": list_id}]
        assert klaviyo.get(f"/api/profiles/{id_}/segments").data == []
        assert "included" not in klaviyo.get(f"/api/profiles/{id_}").body
        refused = klaviyo.get(f"/api/profiles/{id_}", include="profiless")
        detail = "'profiless' is not an allowed include parameter for this resource."
        assert refused.refusal == (400, "include", detail)

    @pytest.mark.parametrize("size", ["0", "101", "-1", "x", "1.5", "", "1e2", "99999999999999999999", "１０"])
    def test_refuses_other_page_sizes(self, klaviyo: JudgedCaller, size: str) -> None:
        assert klaviyo.get("/api/profiles", page__size=size).refusal[:2] == (400, "page[size]")
