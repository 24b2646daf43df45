"""Answers of the live service, recorded on 2026-09-04 at revision 2026-07-15, field by field against the sandbox's."""

from typing import Any

import pytest

from .documents import a_list, identifiers, import_job, merge, profile, row, suppression_job
from .judged import JudgedCaller


def links(url: str, path: str, *relations: str) -> dict[str, Any]:
    """Relationships with links only, as a resource at `path` has them."""
    return {
        name: {"links": {"self": f"{url}{path}relationships/{name}/", "related": f"{url}{path}{name}/"}} for name in relations
    }


class TestTheAnswerOf:
    def test_creating_a_list(self, klaviyo: JudgedCaller) -> None:
        body = klaviyo.post("/api/lists", a_list("News")).body
        path = f"/api/lists/{body['data']['id']}/"
        assert body == {
            "data": {
                "type": "list",
                "id": body["data"]["id"],
                "attributes": {
                    "name": "News",
                    "created": "2026-09-21T14:13:20.250000+00:00",
                    "updated": "2026-09-21T14:13:20.250000+00:00",
                    "opt_in_process": "single_opt_in",
                },
                "relationships": links(klaviyo.url, path, "profiles", "tags", "flow-triggers"),
                "links": {"self": klaviyo.url + path},
            },
            "links": {"self": f"{klaviyo.url}/api/lists"},
        }

    def test_reading_a_profile_with_everything(self, klaviyo: JudgedCaller) -> None:
        id_ = klaviyo.post("/api/profiles", profile(email="a@shop.test")).data["id"]
        target = (
            f"/api/profiles/{id_}?fields%5Bprofile%5D=email&additional-fields%5Bprofile%5D=subscriptions&include=lists%2Csegments"
        )
        body = klaviyo.send("GET", target).body
        path = f"/api/profiles/{id_}/"
        relationships = links(klaviyo.url, path, "lists", "segments", "push-tokens", "conversations")
        relationships["lists"]["data"] = relationships["segments"]["data"] = []
        undecided = {"consent": "NEVER_SUBSCRIBED", "consent_timestamp": None, "last_updated": None}
        tracking = {**undecided, "created_timestamp": None, "metadata": None, "can_receive": False, "valid_until": None}
        by = {"method": None, "method_detail": None}
        assert body == {
            "data": {
                "type": "profile",
                "id": id_,
                "attributes": {
                    "email": "a@shop.test",
                    "subscriptions": {
                        "email": {
                            "marketing": {
                                **undecided,
                                **by,
                                "can_receive_email_marketing": True,
                                "custom_method_detail": None,
                                "double_optin": None,
                                "suppression": [],
                                "list_suppressions": [],
                            },
                            "open_tracking": tracking,
                            "click_tracking": tracking,
                        },
                        "sms": {
                            "marketing": {**undecided, **by, "can_receive_sms_marketing": False},
                            "transactional": {**undecided, **by, "can_receive_sms_transactional": False},
                        },
                        "mobile_push": {
                            "marketing": {
                                "can_receive_push_marketing": False,
                                "consent": "NEVER_SUBSCRIBED",
                                "consent_timestamp": None,
                            }
                        },
                        "whatsapp": None,
                    },
                },
                "relationships": relationships,
                "links": {"self": klaviyo.url + path},
            },
            "included": [],
            "links": {"self": klaviyo.url + target},
        }

    def test_listing_nothing(self, klaviyo: JudgedCaller) -> None:
        target = "/api/metrics?filter=equals%28integration.name%2C%22API%22%29&include=flow-triggers"
        assert klaviyo.send("GET", target).body == {
            "data": [],
            "included": [],
            "links": {"self": klaviyo.url + target, "next": None, "prev": None},
        }

    def test_merging(self, klaviyo: JudgedCaller) -> None:
        one, two = (klaviyo.post("/api/profiles", profile(external_id=name)).data["id"] for name in "ab")
        reply = klaviyo.post("/api/profile-merge", merge(one, two))
        link = f"{klaviyo.url}/api/profiles/{one}/"
        assert (reply.status, reply.body) == (
            202,
            {
                "data": {"type": "profile", "id": one, "attributes": {}, "links": {"self": link}},
                "links": {"self": f"{klaviyo.url}/api/profile-merge"},
            },
        )

    def test_starting_an_import(self, klaviyo: JudgedCaller) -> None:
        list_id = klaviyo.post("/api/lists", a_list()).data["id"]
        body = klaviyo.post("/api/profile-bulk-import-jobs", import_job(row(email="a@shop.test"), lists=(list_id,))).body
        path = f"/api/profile-bulk-import-jobs/{body['data']['id']}/"
        relationships = links(klaviyo.url, path, "lists", "profiles", "import-errors")
        relationships["lists"]["data"] = [{"type": "list", "id": list_id}]
        del relationships["import-errors"]["links"]["self"]
        assert body == {
            "data": {
                "type": "profile-bulk-import-job",
                "id": body["data"]["id"],
                "attributes": {
                    "status": "queued",
                    "created_at": "2026-09-21T14:13:20+00:00",
                    "total_count": 1,
                    "completed_count": 0,
                    "failed_count": 0,
                    "completed_at": None,
                    "expires_at": "2026-09-28T14:13:20+00:00",
                    "started_at": None,
                },
                "relationships": relationships,
                "links": {"self": klaviyo.url + path},
            },
            "links": {"self": f"{klaviyo.url}/api/profile-bulk-import-jobs"},
        }

    def test_suppressing(self, klaviyo: JudgedCaller) -> None:
        body = klaviyo.post("/api/profile-suppression-bulk-create-jobs", suppression_job("a@shop.test")).body
        path = f"/api/profile-suppression-bulk-create-jobs/{body['data']['id']}/"
        assert body == {
            "data": {
                "type": "profile-suppression-bulk-create-job",
                "id": body["data"]["id"],
                "attributes": {
                    "status": "processing",
                    "created_at": "2026-09-21T14:13:20.250000+00:00",
                    "total_count": 0,
                    "completed_count": 0,
                    "completed_at": "2026-09-21T14:13:20.250000+00:00",
                    "skipped_count": 0,
                },
                "relationships": links(klaviyo.url, path, "lists", "segments"),
                "links": {"self": klaviyo.url + path},
            },
            "links": {"self": f"{klaviyo.url}/api/profile-suppression-bulk-create-jobs"},
        }

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_changing_members_is_empty(self, klaviyo: JudgedCaller, method: str) -> None:
        list_id = klaviyo.post("/api/lists", a_list()).data["id"]
        id_ = klaviyo.post("/api/profiles", profile(email="a@shop.test")).data["id"]
        reply = klaviyo.send(method, f"/api/lists/{list_id}/relationships/profiles", identifiers("profile", id_))
        assert (reply.status, reply.raw) == (204, b"")
        assert "content-type" not in reply.headers

    def test_a_slash_at_the_end_is_the_same(self, klaviyo: JudgedCaller) -> None:
        with_slash = klaviyo.get("/api/lists/")
        assert (with_slash.status, with_slash.body) == (200, klaviyo.get("/api/lists").body)
