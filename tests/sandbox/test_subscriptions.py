"""Bulk subscribe and unsubscribe over HTTP: what is refused, who is subscribed when, and what else that changes."""

from typing import Any

import pytest

from klaviyo_sandbox.sandbox import Sandbox

from .consenting import (
    EMAIL,
    PHONE,
    ROW,
    SUBSCRIBE,
    TOMORROW,
    UNSUBSCRIBE,
    YESTERDAY,
    confirm,
    marketing,
    subscribe,
    subscriptions,
    unsubscribe,
)
from .documents import a_list, consent, profile, row, subscription_job, suppression_job
from .judged import JudgedCaller


@pytest.fixture
def single(klaviyo: JudgedCaller) -> str:
    return klaviyo.post("/api/lists", a_list("Single")).data["id"]


@pytest.fixture
def double(klaviyo: JudgedCaller) -> str:
    return klaviyo.post("/api/lists", a_list("Double", opt_in_process="double_opt_in")).data["id"]


class TestASubscription:
    def test_takes_effect_at_once_with_a_single_opt_in_list(self, klaviyo: JudgedCaller, single: str) -> None:
        subscribe(klaviyo, EMAIL, "sms.marketing", email="a@shop.test", phone_number=PHONE, list_id=single)
        shown = subscriptions(klaviyo, "a@shop.test")
        email = shown["email"]["marketing"]
        assert (email["consent"], email["can_receive_email_marketing"], email["double_optin"]) == ("SUBSCRIBED", True, False)
        assert (email["method_detail"], email["consent_timestamp"]) == (single, "2026-09-21T14:13:20.250000+00:00")
        assert shown["sms"]["marketing"]["can_receive_sms_marketing"]
        assert shown["sms"]["transactional"]["consent"] == "NEVER_SUBSCRIBED"
        assert len(klaviyo.get(f"/api/lists/{single}/profiles").data) == 1

    def test_never_becomes_a_profile_without_list_and_confirmation(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        subscribe(klaviyo, EMAIL, email="a@shop.test")
        sandbox.clock.advance(600)
        assert klaviyo.get("/api/profiles").data == []
        (asked,) = sandbox.effects()
        assert (asked["kind"], asked["subject"]) == ("opt_in_requested", "a@shop.test")

    def test_follows_the_accounts_default_without_list(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        sandbox.switch(default_opt_in="single_opt_in")
        subscribe(klaviyo, EMAIL, email="a@shop.test")
        assert marketing(klaviyo, "a@shop.test")["consent"] == "SUBSCRIBED"

    def test_waits_for_confirmation_with_a_double_opt_in_list(self, klaviyo: JudgedCaller, sandbox: Sandbox, double: str) -> None:
        klaviyo.post("/api/profiles", profile(email="a@shop.test"))
        subscribe(klaviyo, EMAIL, email="A@shop.test", list_id=double)
        assert marketing(klaviyo, "a@shop.test")["consent"] == "NEVER_SUBSCRIBED"
        assert klaviyo.get(f"/api/lists/{double}/profiles").data == []
        assert confirm(klaviyo, "a@shop.test") == 1
        shown = marketing(klaviyo, "a@shop.test")
        assert (shown["consent"], shown["double_optin"]) == ("SUBSCRIBED", True)
        assert len(klaviyo.get(f"/api/lists/{double}/profiles").data) == 1
        assert confirm(klaviyo, "a@shop.test") == 0

    def test_of_somebody_subscribed_needs_no_second_confirmation(self, klaviyo: JudgedCaller, single: str, double: str) -> None:
        subscribe(klaviyo, EMAIL, email="a@shop.test", list_id=single)
        subscribe(klaviyo, EMAIL, email="a@shop.test", list_id=double)
        assert len(klaviyo.get(f"/api/lists/{double}/profiles").data) == 1

    def test_from_history_never_waits(self, klaviyo: JudgedCaller, double: str) -> None:
        entry = row(email="a@shop.test", subscriptions=consent(EMAIL, at=YESTERDAY))
        body = subscription_job(entry, list_id=double, historical_import=True, custom_source="Till")
        assert klaviyo.post(SUBSCRIBE, body).status == 202
        shown = marketing(klaviyo, "a@shop.test")
        assert (shown["consent"], shown["consent_timestamp"]) == ("SUBSCRIBED", "2026-09-20T00:00:00.000000+00:00")
        assert shown["custom_method_detail"] == "Till"

    def test_lifts_what_the_person_or_the_merchant_set(self, klaviyo: JudgedCaller, single: str) -> None:
        klaviyo.post("/api/profile-suppression-bulk-create-jobs", suppression_job("a@shop.test"))
        unsubscribe(klaviyo, EMAIL, email="a@shop.test")
        assert {entry["reason"] for entry in marketing(klaviyo, "a@shop.test")["suppression"]} == {
            "USER_SUPPRESSED",
            "UNSUBSCRIBE",
        }
        subscribe(klaviyo, EMAIL, email="a@shop.test", list_id=single)
        shown = marketing(klaviyo, "a@shop.test")
        assert (shown["suppression"], shown["can_receive_email_marketing"]) == ([], True)

    def test_shows_when_its_time_has_come(self, klaviyo: JudgedCaller, sandbox: Sandbox, single: str) -> None:
        sandbox.switch(visibility_delay_seconds=60)
        subscribe(klaviyo, EMAIL, email="a@shop.test", list_id=single)
        sandbox.clock.advance(59)
        assert klaviyo.get("/api/profiles").data == []
        sandbox.clock.advance(1)
        assert marketing(klaviyo, "a@shop.test")["consent_timestamp"] == "2026-09-21T14:14:20.250000+00:00"

    def test_by_id_needs_no_address(self, klaviyo: JudgedCaller, sandbox: Sandbox, single: str) -> None:
        id_ = klaviyo.post("/api/profiles", profile(email="a@shop.test")).data["id"]
        entry = row(id_, subscriptions=consent(EMAIL, "email.open_tracking"))
        unknown = row("01NOBODY", subscriptions=consent(EMAIL))
        assert klaviyo.post(SUBSCRIBE, subscription_job(entry, unknown, list_id=single)).status == 202
        assert marketing(klaviyo, "a@shop.test")["consent"] == "SUBSCRIBED"
        assert subscriptions(klaviyo, "a@shop.test")["email"]["open_tracking"]["can_receive"]
        (dropped,) = sandbox.effects(kind="subscription_dropped")
        assert dropped["subject"] == "01NOBODY"

    def test_covers_every_channel(self, klaviyo: JudgedCaller, single: str) -> None:
        channels = [EMAIL, "sms.transactional", "whatsapp.marketing", "whatsapp.transactional", "push.marketing"]
        subscribe(klaviyo, *channels, email="a@shop.test", phone_number=PHONE, list_id=single)
        shown = subscriptions(klaviyo, "a@shop.test")
        assert shown["whatsapp"]["marketing"]["can_receive"]
        assert shown["whatsapp"]["conversational"]["consent"] == "NEVER_SUBSCRIBED"
        assert shown["mobile_push"]["marketing"]["can_receive_push_marketing"]


class TestASubscriptionIsRefused:
    @pytest.mark.parametrize(
        ("attributes", "pointer", "detail"),
        [
            (
                {"email": "a@shop.test", "subscriptions": consent("sms.marketing")},
                "/phone_number",
                "'phone_number' must not be empty when the sms channel is included in 'subscriptions'.",
            ),
            (
                {"phone_number": PHONE, "subscriptions": consent(EMAIL)},
                "/email",
                "'email' must not be empty when the email channel is included in 'subscriptions'.",
            ),
            ({"email": "bad", "subscriptions": consent(EMAIL)}, "/email", "Invalid email address"),
            (
                {"phone_number": "123", "subscriptions": consent("sms.marketing")},
                "/phone_number",
                "Invalid phone number format (Example of a valid format: +12345678901)",
            ),
            (
                {"email": "a@b.test", "last_name": "x", "subscriptions": consent(EMAIL)},
                "/last_name",
                "'last_name' is not a valid field for the resource 'profile'.",
            ),
            (
                {"email": "a@b.test", "subscriptions": consent(EMAIL, at=YESTERDAY)},
                "/subscriptions/email/marketing/consented_at",
                "'consented_at' may only be set when 'historical_import' is true.",
            ),
            ({"email": "a@b.test"}, "/subscriptions", "'subscriptions' is a required field for the resource 'profile'."),
            ({"email": "a@b.test", "subscriptions": {}}, "/subscriptions", None),
            ({"email": "a@b.test", "subscriptions": {"fax": {}}}, "/subscriptions/fax", None),
            ({"email": "a@b.test", "subscriptions": {"email": []}}, "/subscriptions/email", None),
            ({"email": "a@b.test", "subscriptions": {"email": {"marketing": 1}}}, "/subscriptions/email/marketing", None),
            ({"email": "a@b.test", "subscriptions": {"push": {"tokens": [5]}}}, None, None),
            (
                {"email": "a@b.test", "subscriptions": consent(EMAIL, consent="UNSUBSCRIBED")},
                "/subscriptions/email/marketing/consent",
                "'consent' must be 'SUBSCRIBED'.",
            ),
            (
                {"email": "a@b.test", "age_gated_date_of_birth": "soon", "subscriptions": consent(EMAIL)},
                "/age_gated_date_of_birth",
                None,
            ),
        ],
    )
    def test_for_what_a_row_says(self, klaviyo: JudgedCaller, attributes: dict, pointer: str | None, detail: str | None) -> None:
        reply = klaviyo.post(SUBSCRIBE, subscription_job(row(**attributes)))
        assert reply.status == 400
        if pointer:
            assert reply.error["source"]["pointer"] == ROW + pointer
        if detail:
            assert reply.error["detail"] == detail

    @pytest.mark.parametrize("at", [None, TOMORROW, "soon", 5])
    def test_when_history_is_undated_or_ahead(self, klaviyo: JudgedCaller, at: Any) -> None:
        entry = row(email="a@b.test", subscriptions=consent(EMAIL, at=at))
        reply = klaviyo.post(SUBSCRIBE, subscription_job(entry, historical_import=True))
        assert reply.refusal[:2] == (400, f"{ROW}/subscriptions/email/marketing/consented_at")

    def test_when_it_is_older_than_the_unsubscription(self, klaviyo: JudgedCaller) -> None:
        unsubscribe(klaviyo, EMAIL, email="a@shop.test")
        entry = row(email="a@shop.test", subscriptions=consent(EMAIL, at=YESTERDAY))
        reply = klaviyo.post(SUBSCRIBE, subscription_job(entry, historical_import=True))
        assert reply.refusal[:2] == (400, f"{ROW}/subscriptions/email/marketing/consented_at")
        assert marketing(klaviyo, "a@shop.test")["consent"] == "UNSUBSCRIBED"

    def test_for_an_unknown_list(self, klaviyo: JudgedCaller) -> None:
        entry = row(email="a@b.test", subscriptions=consent(EMAIL))
        reply = klaviyo.post(SUBSCRIBE, subscription_job(entry, list_id="NOPE01"))
        assert reply.refusal == (400, "/data/relationships/list/data/id", "List not found with id NOPE01.")

    def test_whole_with_one_error_per_row(self, klaviyo: JudgedCaller, single: str) -> None:
        rows = [row(email=email, subscriptions=consent(EMAIL)) for email in ("ok@shop.test", "bad", "worse")]
        reply = klaviyo.post(SUBSCRIBE, subscription_job(*rows, list_id=single))
        assert [error["source"]["pointer"].split("/")[5] for error in reply.errors] == ["1", "2"]
        assert klaviyo.get("/api/profiles").data == []

    @pytest.mark.parametrize(
        ("path", "most", "unsubscribing"), [(SUBSCRIBE, 1000, False), (UNSUBSCRIBE, 100, True)], ids=["on", "off"]
    )
    def test_above_the_number_of_rows(self, klaviyo: JudgedCaller, path: str, most: int, unsubscribing: bool) -> None:
        word = "UNSUBSCRIBED" if unsubscribing else "SUBSCRIBED"
        entry = row(email="a@shop.test", subscriptions=consent(EMAIL, consent=word))
        fits = subscription_job(*[entry] * most, unsubscribe=unsubscribing)
        assert klaviyo.post(path, fits).status == 202
        over = subscription_job(*[entry] * (most + 1), unsubscribe=unsubscribing)
        assert klaviyo.post(path, over).refusal[:2] == (400, "/data/attributes/profiles/data")


class TestAnUnsubscription:
    def test_without_list_holds_everywhere(self, klaviyo: JudgedCaller, sandbox: Sandbox, single: str) -> None:
        subscribe(klaviyo, EMAIL, "sms.marketing", email="a@shop.test", phone_number=PHONE, list_id=single)
        unsubscribe(klaviyo, EMAIL, email="a@shop.test")
        shown = subscriptions(klaviyo, "a@shop.test")
        email = shown["email"]["marketing"]
        assert (email["consent"], email["can_receive_email_marketing"]) == ("UNSUBSCRIBED", False)
        assert [entry["reason"] for entry in email["suppression"]] == ["UNSUBSCRIBE"]
        assert shown["sms"]["marketing"]["consent"] == "SUBSCRIBED"
        assert [effect["subject"] for effect in sandbox.effects(kind="unsubscribed")] == [EMAIL]

    def test_of_a_member_holds_for_that_list(self, klaviyo: JudgedCaller, single: str) -> None:
        subscribe(klaviyo, EMAIL, email="a@shop.test", list_id=single)
        unsubscribe(klaviyo, EMAIL, email="a@shop.test", list_id=single)
        shown = marketing(klaviyo, "a@shop.test")
        assert (shown["consent"], shown["suppression"]) == ("SUBSCRIBED", [])
        assert [(e["list_id"], e["reason"]) for e in shown["list_suppressions"]] == [(single, "UNSUBSCRIBE")]
        assert klaviyo.get(f"/api/lists/{single}/profiles").data == []
        condition = f'equals(subscriptions.email.marketing.list_suppressions.list_id,"{single}")'
        assert len(klaviyo.get("/api/profiles", filter=condition).data) == 1

    def test_of_somebody_not_on_the_list_holds_everywhere(self, klaviyo: JudgedCaller, single: str, double: str) -> None:
        subscribe(klaviyo, EMAIL, email="a@shop.test", list_id=single)
        unsubscribe(klaviyo, EMAIL, email="a@shop.test", list_id=double)
        assert marketing(klaviyo, "a@shop.test")["consent"] == "UNSUBSCRIBED"
        assert len(klaviyo.get(f"/api/lists/{single}/profiles").data) == 1

    def test_of_push_needs_tokens(self, klaviyo: JudgedCaller) -> None:
        entry = row(email="a@b.test", subscriptions=consent("push.marketing", consent="UNSUBSCRIBED"))
        reply = klaviyo.post(UNSUBSCRIBE, subscription_job(entry, unsubscribe=True))
        assert reply.refusal[:2] == (400, f"{ROW}/subscriptions/push/tokens")
