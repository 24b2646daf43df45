"""Bulk imports over HTTP: refused as a whole, carried out later, with errors per row."""

import base64

import pytest

from klaviyo_sandbox.fault_presets import Effect, Poison
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.sandbox import Sandbox

from .documents import a_list, import_job, profile, row
from .judged import JudgedCaller

JOBS = "/api/profile-bulk-import-jobs"


def start(klaviyo: JudgedCaller, *rows: dict, lists: tuple[str, ...] = ()) -> str:
    reply = klaviyo.post(JOBS, import_job(*rows, lists=lists))
    assert reply.status == 202, reply.body
    return f"{JOBS}/{reply.data['id']}"


def progress(klaviyo: JudgedCaller, job: str) -> tuple[str, int, int, int]:
    shown = klaviyo.get(job).data["attributes"]
    return shown["status"], shown["total_count"], shown["completed_count"], shown["failed_count"]


class TestAnImport:
    def test_is_queued_then_processing_then_complete(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        sandbox.switch(visibility_delay_seconds=60)
        job = start(klaviyo, row(email="a@shop.test"), row(email="b@shop.test"))
        assert progress(klaviyo, job) == ("queued", 2, 0, 0)
        sandbox.clock.advance(30)
        assert progress(klaviyo, job) == ("processing", 2, 0, 0)
        assert klaviyo.get("/api/profiles").data == []
        sandbox.clock.advance(30)
        assert progress(klaviyo, job) == ("complete", 2, 2, 0)
        assert len(klaviyo.get("/api/profiles").data) == 2
        assert klaviyo.get(job).data["attributes"]["expires_at"] == "2026-09-28T14:13:20.250000+00:00"

    def test_answers_as_recorded(self, klaviyo: JudgedCaller) -> None:
        reply = klaviyo.post(JOBS, import_job(row(email="a@shop.test")))
        shown = reply.data["attributes"]
        assert (shown["status"], shown["total_count"], shown["completed_count"]) == ("queued", 1, 0)
        assert (shown["started_at"], shown["completed_at"]) == (None, None)
        id_ = reply.data["id"]
        assert base64.urlsafe_b64decode(id_ + "=" * (-len(id_) % 4)).decode().startswith("SANDBX_maintenance.")
        assert "self" not in reply.data["relationships"]["import-errors"]["links"]
        assert (
            klaviyo.post(f"{JOBS}?fields[profile-bulk-import-job]=total_count", import_job(row(email="b@c.test"))).status == 202
        )

    def test_updates_and_creates_and_adds_to_lists_without_consent(self, klaviyo: JudgedCaller) -> None:
        known = klaviyo.post("/api/profiles", profile(email="a@shop.test", first_name="A")).data["id"]
        lists = tuple(klaviyo.post("/api/lists", a_list(name)).data["id"] for name in ("one", "two"))
        job = start(klaviyo, row(email="A@shop.test", last_name="Day"), row(external_id="new"), lists=lists)
        profiles = klaviyo.get(f"{job}/profiles", additional_fields__profile="subscriptions").data
        assert len(profiles) == 2
        shown = next(entry["attributes"] for entry in profiles if entry["id"] == known)
        assert (shown["first_name"], shown["last_name"]) == ("A", "Day")
        assert shown["subscriptions"]["email"]["marketing"]["consent"] == "NEVER_SUBSCRIBED"
        ids = [entry["id"] for entry in profiles]
        assert [entry["id"] for entry in klaviyo.get(f"{job}/relationships/profiles").data] == ids
        for list_id in lists:
            assert {e["id"] for e in klaviyo.get(f"/api/lists/{list_id}/relationships/profiles").data} == set(ids)
        assert [entry["id"] for entry in klaviyo.get(f"{job}/lists").data] == list(lists)
        assert klaviyo.get(f"{job}/relationships/lists").data == [{"type": "list", "id": id_} for id_ in lists]
        assert len(klaviyo.get(job, include="lists").body["included"]) == 2

    def test_is_refused_whole_with_one_error_per_bad_row(self, klaviyo: JudgedCaller) -> None:
        rows = [row(email="ok@shop.test"), row(email="bad"), row(phone_number="123"), row(first_name="x"), 5]
        reply = klaviyo.post(JOBS, import_job(*rows))
        assert [(error["source"]["pointer"], error["detail"]) for error in reply.errors[:2]] == [
            ("/data/attributes/profiles/data/1/attributes/email", "Invalid email address"),
            (
                "/data/attributes/profiles/data/2/attributes/phone_number",
                "Invalid phone number format (Example of a valid format: +12345678901)",
            ),
        ]
        assert [error["source"]["pointer"].split("/")[5] for error in reply.errors] == ["1", "2", "3", "4"]
        assert klaviyo.get("/api/profiles").data == []
        assert klaviyo.get(JOBS).data == []

    def test_keeps_going_past_rows_that_fail_later(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        for attributes in ({"email": "one@shop.test"}, {"external_id": "two"}):
            klaviyo.post("/api/profiles", profile(**attributes))
        sandbox.faults.add(Rule(Effect(poison=Poison("cursed"))))
        rows = [
            row(email="one@shop.test", external_id="two"),
            row("01NOBODY", email="x@shop.test"),
            row(email="ok@shop.test"),
            row(email="cursed@shop.test"),
        ]
        job = start(klaviyo, *rows)
        assert progress(klaviyo, job) == ("complete", 4, 1, 3)
        errors = klaviyo.get(f"{job}/import-errors").data
        assert [error["attributes"]["code"] for error in errors] == ["duplicate_profile", "not_found", "invalid"]
        assert [error["attributes"]["source"]["pointer"].split("/")[5] for error in errors] == ["0", "1", "3"]
        assert errors[0]["attributes"]["original_payload"] == rows[0]
        assert [len(page) for page in klaviyo.pages(f"{job}/import-errors", page__size=2)] == [2, 1]

    def test_of_an_unknown_list_is_refused(self, klaviyo: JudgedCaller) -> None:
        reply = klaviyo.post(JOBS, import_job(row(email="a@shop.test"), lists=("NOPE01",)))
        assert reply.refusal == (400, "/data", "List ID NOPE01 does not exist.")

    def test_takes_ten_thousand_rows_and_no_more(self, klaviyo: JudgedCaller) -> None:
        rows = [row(external_id=f"c-{number}") for number in range(10_001)]
        assert klaviyo.post(JOBS, import_job(*rows)).refusal[:2] == (400, "/data/attributes/profiles/data")
        assert progress(klaviyo, start(klaviyo, *rows[:-1])) == ("complete", 10_000, 10_000, 0)

    def test_takes_rows_of_100_kb_and_no_more(self, klaviyo: JudgedCaller) -> None:
        big = row(external_id="x", properties={"note": "n" * 100_000})
        assert klaviyo.post(JOBS, import_job(big)).refusal[:2] == (400, "/data/attributes/profiles/data/0")

    @pytest.mark.parametrize("rows", [None, [], {}, {"data": None}, {"data": []}, {"data": {}}, {"data": ["x", None]}])
    def test_needs_rows(self, klaviyo: JudgedCaller, rows: object) -> None:
        body = import_job()
        body["data"]["attributes"]["profiles"] = rows
        assert klaviyo.post(JOBS, body).status == 400

    def test_is_lost_by_a_late_drop(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        sandbox.faults.add(Rule("late_drop"))
        job = start(klaviyo, row(email="a@shop.test"))
        assert progress(klaviyo, job)[0] == "processing"
        assert [effect["kind"] for effect in sandbox.effects()] == ["profile_import_lost"]


class TestImports:
    def test_are_listed_and_filtered_by_status(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        first = start(klaviyo, row(email="a@shop.test"))
        sandbox.clock.advance(1)
        sandbox.switch(visibility_delay_seconds=60)
        second = start(klaviyo, row(email="b@shop.test"))
        both = [f"{JOBS}/{entry['id']}" for entry in klaviyo.get(JOBS, sort="-created_at").data]
        assert both == [second, first]
        for status, expected in {"complete": [first], "queued": [second], "processing": []}.items():
            found = klaviyo.get(JOBS, filter=f'equals(status,"{status}")').data
            assert [f"{JOBS}/{entry['id']}" for entry in found] == expected
        assert klaviyo.get(JOBS, filter='equals(status,"done")').refusal[:2] == (400, "filter")

    def test_are_forgotten_after_a_week(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        job = start(klaviyo, row(email="a@shop.test"))
        sandbox.clock.advance(7 * 86_400)
        assert klaviyo.get(job).status == 404
        assert klaviyo.get(f"{job}/import-errors").status == 404
        assert klaviyo.get(JOBS).data == []
