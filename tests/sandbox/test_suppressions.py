"""Suppressing and unsuppressing over HTTP."""

import pytest

from klaviyo_sandbox.sandbox import Sandbox

from .consenting import EMAIL, ROW, control, marketing, subscribe, unsubscribe
from .documents import a_list, identifiers, profile, suppression_job
from .judged import JudgedCaller


@pytest.fixture
def single(klaviyo: JudgedCaller) -> str:
    return klaviyo.post("/api/lists", a_list("Single")).data["id"]


class TestSuppressions:
    def test_stop_mail_whatever_the_consent(self, klaviyo: JudgedCaller, sandbox: Sandbox, single: str) -> None:
        subscribe(klaviyo, EMAIL, email="a@shop.test", list_id=single)
        reply = klaviyo.post("/api/profile-suppression-bulk-create-jobs", suppression_job("A@shop.test", "new@shop.test"))
        assert (reply.status, reply.data["attributes"]["status"]) == (202, "processing")
        assert reply.data["attributes"]["total_count"] == 0
        job = klaviyo.get(f"/api/profile-suppression-bulk-create-jobs/{reply.data['id']}").data["attributes"]
        assert (job["status"], job["total_count"], job["completed_count"]) == ("complete", 2, 2)
        shown = marketing(klaviyo, "a@shop.test")
        assert (shown["consent"], shown["can_receive_email_marketing"]) == ("SUBSCRIBED", False)
        condition = 'equals(subscriptions.email.marketing.suppression.reason,"USER_SUPPRESSED")'
        assert len(klaviyo.get("/api/profiles", filter=condition).data) == 2

    def test_of_a_list_reach_its_members(self, klaviyo: JudgedCaller, single: str) -> None:
        id_ = klaviyo.post("/api/profiles", profile(email="a@shop.test")).data["id"]
        klaviyo.post(f"/api/lists/{single}/relationships/profiles", identifiers("profile", id_))
        assert klaviyo.post("/api/profile-suppression-bulk-create-jobs", suppression_job(list_id=single)).status == 202
        assert marketing(klaviyo, "a@shop.test")["can_receive_email_marketing"] is False
        jobs = klaviyo.get("/api/profile-suppression-bulk-create-jobs", filter=f'equals(list_id,"{single}")')
        assert len(jobs.data) == 1

    def test_are_lifted_only_if_set_by_hand(self, klaviyo: JudgedCaller) -> None:
        klaviyo.post("/api/profile-suppression-bulk-create-jobs", suppression_job("a@shop.test"))
        unsubscribe(klaviyo, EMAIL, email="a@shop.test")
        path = "/api/profile-suppression-bulk-delete-jobs"
        reply = klaviyo.post(path, suppression_job("a@shop.test", "nobody@shop.test", lift=True))
        assert [entry["reason"] for entry in marketing(klaviyo, "a@shop.test")["suppression"]] == ["UNSUBSCRIBE"]
        job = klaviyo.get(f"{path}/{reply.data['id']}").data["attributes"]
        assert (job["completed_count"], job["skipped_count"]) == (1, 1)
        assert len(klaviyo.get(path, sort="-created", filter='equals(status,"complete")').data) == 1
        assert klaviyo.get(f"/api/profile-suppression-bulk-create-jobs/{reply.data['id']}").status == 404

    def test_by_a_bounce_outlast_a_subscription(self, klaviyo: JudgedCaller, single: str) -> None:
        subscribe(klaviyo, EMAIL, email="a@shop.test", list_id=single)
        control(klaviyo, "/people/suppress", email="A@shop.test", reason="HARD_BOUNCE")
        subscribe(klaviyo, EMAIL, email="a@shop.test", list_id=single)
        shown = marketing(klaviyo, "a@shop.test")
        assert [entry["reason"] for entry in shown["suppression"]] == ["HARD_BOUNCE"]
        assert shown["can_receive_email_marketing"] is False

    def test_have_exactly_one_kind_of_target(self, klaviyo: JudgedCaller, single: str) -> None:
        path = "/api/profile-suppression-bulk-create-jobs"
        assert klaviyo.post(path, suppression_job()).status == 400
        assert klaviyo.post(path, suppression_job("a@shop.test", list_id=single)).status == 400
        assert klaviyo.post(path, suppression_job(list_id="NOPE01")).status == 404
        assert klaviyo.post(path, suppression_job(*["a@shop.test"] * 101)).status == 400
        assert klaviyo.post(path, suppression_job("bad")).refusal[:2] == (400, f"{ROW}/email")
