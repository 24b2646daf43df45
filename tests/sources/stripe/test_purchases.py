"""Purchases and refunds: once, in both shapes, in any order, in every currency."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from ferrata.sources.contract import Lookup
from ferrata.sources.errors import Later, Refused
from ferrata.sources.stripe.settings import Purchases, StripeSettings
from tests.sources.stripe.shop import (
    LINE_ITEMS,
    NEW,
    NOW,
    OLD,
    WITH_KEY,
    Reading,
    charge,
    event,
    intent,
    invoice,
    session,
)

COMPLETED, SUCCEEDED = "checkout.session.completed", "payment_intent.succeeded"
BOTH = pytest.mark.parametrize("shape", [OLD, NEW])


THIN = {
    "id": "evt_thin",
    "object": "v2.core.event",
    "type": "v1.checkout.session.completed",
    "created": "2026-11-20T09:30:00.000Z",
    "livemode": True,
    "related_object": {"id": "cs_1", "type": "checkout.session", "url": "/v1/checkout/sessions/cs_1"},
}


class TestACheckoutPurchase:
    @BOTH
    def test_is_one_placed_order_with_its_products(self, shape: str) -> None:
        reading = Reading(WITH_KEY, {Lookup("line_items", "cs_1"): LINE_ITEMS})
        placed, *products = reading.read(event(COMPLETED, session(shape))).events
        assert (placed.metric, placed.unique_id) == ("Placed Order", "purchase:pi_1")
        assert (placed.value, placed.currency) == (Decimal("33.80"), "EUR")
        assert placed.occurred_at.timestamp() == NOW
        assert placed.person.email == "jane@example.com"
        assert placed.properties["OrderId"] == "pi_1"
        assert placed.properties["ItemNames"] == ["Mug", "Tea"]
        assert placed.properties["ShippingAddress"]["City"] == "Köln"
        assert (placed.properties["Shipping"], placed.properties["DiscountValue"]) == (Decimal("4.90"), Decimal("1.00"))
        assert (placed.properties["source"], placed.properties["environment"]) == ("stripe", "production")
        assert [(each.unique_id, each.value) for each in products] == [
            ("purchase:pi_1:1", Decimal("25.00")),
            ("purchase:pi_1:2", Decimal("4.90")),
        ]
        assert products[0].properties["ProductID"] == "prod_mug"
        assert products[0].properties["SKU"] == "MUG-1"

    def test_is_equal_in_both_shapes(self) -> None:
        old, new = (Reading().read(event(COMPLETED, session(shape))) for shape in (OLD, NEW))
        assert old.events == new.events
        assert old.profiles == new.profiles

    def test_tells_who_the_person_is_and_nothing_that_the_settings_do_not_allow(self) -> None:
        mapped = Reading(StripeSettings(metadata=("campaign",))).read(event(COMPLETED, session()))
        [change] = mapped.profiles
        assert change.attributes["first_name"] == "Anna Maria"
        assert change.attributes["last_name"] == "Roe"
        assert change.attributes["phone_number"] == "+4930901820"
        assert change.attributes["location"]["city"] == "Berlin"
        assert change.attributes["properties"] == {"stripe_customer_id": "cus_1"}
        assert mapped.events[0].properties["campaign"] == "autumn"
        assert "internal" not in mapped.events[0].properties

    @BOTH
    def test_is_one_event_in_whatever_order_its_four_messages_come(self, shape: str) -> None:
        told = [
            event(COMPLETED, session(shape), id_="evt_a"),
            event(SUCCEEDED, intent(shape), id_="evt_b"),
            event("charge.succeeded", charge(shape), id_="evt_c"),
            event(COMPLETED, session(shape), id_="evt_a"),
        ]
        for order in permutations(told):
            reading, waiting = Reading(), list(order)
            for _ in range(3):  # what waits is tried again, as the room does
                waiting = [one for one in waiting if not _is_mapped(reading, one)]
            assert waiting == []
            assert list(reading.sent) == [("Placed Order", "purchase:pi_1")]

    @pytest.mark.parametrize(
        "reference", [{}, {"payment_details": {"order_reference": "cs_1"}}], ids=["unnamed session", "named session"]
    )
    @BOTH
    def test_is_told_by_its_session_whatever_comes_first(self, shape: str, reference: dict[str, Any]) -> None:
        told = [
            event(COMPLETED, session(shape), id_="evt_a"),
            event(SUCCEEDED, intent(shape, receipt_email="jane@example.com", **reference), id_="evt_b"),
            event("charge.succeeded", charge(shape), id_="evt_c"),
        ]
        for order in permutations(told):
            reading = Reading()
            reading.settled = False
            waiting = [one for one in order if not _is_mapped(reading, one)]
            reading.settled = True
            assert all(_is_mapped(reading, one) for one in waiting)
            [placed] = reading.sent.values()
            assert placed.properties["stripe_checkout_session_id"] == "cs_1"

    def test_is_told_by_its_intent_when_no_session_has_come_in_time(self) -> None:
        reading = Reading()
        reading.settled = False
        succeeded = event(SUCCEEDED, intent(receipt_email="jane@example.com"))
        with pytest.raises(Later, match="may tell more"):
            reading.read(succeeded)
        reading.settled = True
        assert reading.read(succeeded).events[0].unique_id == "purchase:pi_1"

    @pytest.mark.parametrize(
        ("settings", "more"),
        [
            (StripeSettings(purchases=Purchases.PAYMENT_INTENTS), {}),
            (StripeSettings(checkout_wait_seconds=0), {}),
            (WITH_KEY, {}),
            (StripeSettings(), {"payment_details": {"order_reference": None}}),
        ],
        ids=["intents alone", "no wait", "the API was asked", "the intent names no session"],
    )
    def test_of_an_intent_does_not_wait_where_no_session_can_tell_more(self, settings: Any, more: dict[str, Any]) -> None:
        reading = Reading(settings)
        reading.settled = False
        assert reading.read(event(SUCCEEDED, intent(receipt_email="jane@example.com", **more))).events

    def test_is_told_in_full_by_its_intent_too_where_the_api_may_be_asked(self) -> None:
        api: dict[Lookup, Any] = {
            Lookup("session_of", "pi_1"): {"data": [session()]},
            Lookup("line_items", "cs_1"): LINE_ITEMS,
            Lookup("invoice_of", "pi_1"): {"data": []},
        }
        by_intent = Reading(WITH_KEY, api).read(event(SUCCEEDED, intent()))
        by_session = Reading(WITH_KEY, api).read(event(COMPLETED, session()))
        assert by_intent.events == by_session.events

    def test_that_is_not_paid_yet_waits_for_the_message_that_it_is(self) -> None:
        reading = Reading()
        assert reading.read(event(COMPLETED, session(payment_status="unpaid"))).events == ()
        reading.read(event("checkout.session.async_payment_succeeded", session()))
        assert reading.metrics == ["Placed Order"]

    def test_without_an_intent_is_named_by_its_session(self) -> None:
        free = session(payment_intent=None, payment_status="no_payment_required", amount_total=0)
        [placed] = Reading().read(event(COMPLETED, free)).events
        assert (placed.unique_id, placed.value) == ("purchase:cs_1", Decimal("0.00"))

    @pytest.mark.parametrize("mode", ["setup", "subscription"])
    def test_is_none_in_other_modes(self, mode: str) -> None:
        reading = Reading()
        mapped = reading.read(event(COMPLETED, session(mode=mode, payment_intent=None)))
        assert mapped.events == ()
        assert mapped.skipped[0].why
        assert reading.memory["customer:cus_1"][1] == "jane@example.com"

    def test_with_an_invoice_of_its_own_is_still_one(self) -> None:
        reading = Reading()
        reading.read(event(COMPLETED, session(invoice="in_5")))
        reading.read(event("invoice.paid", invoice(id="in_5", billing_reason="manual"), id_="evt_2"))
        assert reading.metrics == ["Placed Order"]


class TestAPaymentIntent:
    @pytest.mark.parametrize(
        "paying",
        [
            intent(OLD, invoice="in_1"),
            intent(NEW, description="Subscription update"),
            intent(NEW, payment_details={"order_reference": "in_1"}),
        ],
        ids=["before basil", "by Stripe's description", "by its reference"],
    )
    def test_of_an_invoice_is_no_purchase(self, paying: dict[str, Any]) -> None:
        mapped = Reading().read(event(SUCCEEDED, {**paying, "receipt_email": "jane@example.com"}))
        assert (mapped.events, mapped.skipped[0].what) == ((), "Payment of an invoice")

    def test_of_an_invoice_is_known_by_what_came_before_or_by_the_api(self) -> None:
        reading = Reading()
        paid = {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1"}
        paid["payment"] = {"type": "payment_intent", "payment_intent": "pi_1"}  # type: ignore[assignment]
        reading.read(event("invoice_payment.paid", paid))
        assert reading.read(event(SUCCEEDED, intent(), id_="evt_2")).events == ()
        asking = Reading(WITH_KEY, {Lookup("invoice_of", "pi_1"): {"data": [{"invoice": "in_1"}]}})
        assert asking.read(event(SUCCEEDED, intent(receipt_email="jane@example.com"))).events == ()

    def test_without_an_address_waits_until_somebody_tells_it(self) -> None:
        reading = Reading()
        with pytest.raises(Later, match="e-mail address of customer cus_1"):
            reading.read(event(SUCCEEDED, intent()))
        reading.read(event("customer.updated", {"id": "cus_1", "object": "customer", "email": "jane@example.com"}, id_="evt_2"))
        [placed] = reading.read(event(SUCCEEDED, intent())).events
        assert (placed.person.email, placed.unique_id) == ("jane@example.com", "purchase:pi_1")

    def test_without_an_address_asks_the_api_only_if_nobody_has_told_it(self) -> None:
        api = {Lookup("customer", "cus_1"): {"id": "cus_1", "email": "jane@example.com"}}
        asking = Reading(WITH_KEY, api)
        assert asking.read(event(SUCCEEDED, intent(OLD))).events[0].person.email == "jane@example.com"
        assert Lookup("customer", "cus_1") in asking.asked
        asking.asked.clear()
        asking.read(event(SUCCEEDED, intent(OLD, id="pi_2"), id_="evt_2"))
        assert Lookup("customer", "cus_1") not in asking.asked

    def test_that_failed_tells_why_and_nothing_of_the_card(self) -> None:
        error = {
            "charge": "ch_7",
            "code": "card_declined",
            "decline_code": "insufficient_funds",
            "message": "Your card has insufficient funds.",
            "payment_method": {
                "type": "card",
                "billing_details": {"email": "jane@example.com"},
                "card": {"last4": "4242", "fingerprint": "fp_secret"},
            },
        }
        mapped = Reading().read(event("payment_intent.payment_failed", intent(last_payment_error=error)))
        [failed] = mapped.events
        assert (failed.metric, failed.unique_id) == ("Payment Failed", "payment_failed:pi_1:ch_7")
        assert (failed.properties["Code"], failed.properties["DeclineCode"]) == ("card_declined", "insufficient_funds")
        assert "4242" not in str(mapped)
        assert "fp_secret" not in str(mapped)


class TestAnAmount:
    @pytest.mark.parametrize(
        ("currency", "units", "value"),
        [("eur", 1990, "19.90"), ("jpy", 1990, "1990"), ("kwd", 19900, "19.900"), ("isk", 50000, "500.00"), ("ugx", 500, "5.00")],
    )
    def test_has_the_decimals_that_stripe_counts_with(self, currency: str, units: int, value: str) -> None:
        [placed] = Reading().read(event(COMPLETED, session(currency=currency, amount_total=units))).events
        assert (str(placed.value), placed.currency) == (value, currency.upper())

    @pytest.mark.parametrize(
        "broken", [{"amount_total": None}, {"amount_total": "x"}, {"currency": None}, {"amount_total": True}]
    )
    def test_that_is_none_makes_no_event(self, broken: dict[str, Any]) -> None:
        mapped = Reading().read(event(COMPLETED, session(**broken)))
        assert (mapped.events, mapped.skipped[0].what) == ((), "Purchase without an amount")


class TestARefund:
    @BOTH
    def test_tells_only_what_went_back_this_time(self, shape: str) -> None:
        reading = Reading()
        first = event("charge.refunded", charge(shape), previous={"amount_refunded": 0}, id_="evt_1")
        rest = event("charge.refunded", charge(shape, amount_refunded=3380), previous={"amount_refunded": 500}, id_="evt_2")
        for each in (rest, first, first):
            reading.read(each)
        told = {key[1]: (str(one.value), one.properties["Partial"]) for key, one in reading.sent.items()}
        assert told == {"refund:ch_1:3380": ("28.80", True), "refund:ch_1:500": ("5.00", True)}

    @BOTH
    def test_of_everything_is_not_partial(self, shape: str) -> None:
        [refund] = Reading().read(event("charge.refunded", charge(shape, amount_refunded=3380), previous={})).events
        assert (refund.metric, refund.properties["Partial"], refund.value) == ("Refunded Order", False, Decimal("33.80"))
        assert refund.properties["OrderId"] == "pi_1"

    @pytest.mark.parametrize(("so_far", "before"), [("lots", 0), (None, 0), (True, 0), (500, "none")])
    def test_of_an_amount_that_nobody_can_read_is_refused_and_not_passed_over(self, so_far: Any, before: Any) -> None:
        broken = event("charge.refunded", charge(amount_refunded=so_far), previous={"amount_refunded": before})
        with pytest.raises(Refused, match="amount_refunded"):
            Reading().read(broken)

    def test_in_history_has_the_same_keys_as_live(self) -> None:
        refunds = {"data": [{"id": "re_2", "amount": 2880, "created": NOW}, {"id": "re_1", "amount": 500, "created": NOW - 9}]}
        told = event("history:charge", charge(amount_refunded=3380, refunds=refunds))
        events = Reading().read(told, history=True).events
        assert [(each.metric, each.unique_id) for each in events] == [
            ("Placed Order", "purchase:pi_1"),
            ("Refunded Order", "refund:ch_1:500"),
            ("Refunded Order", "refund:ch_1:3380"),
        ]
        assert all(each.backfill for each in events)


class TestAnyEvent:
    @pytest.mark.parametrize("type_", ["charge.succeeded", "price.created", "payout.paid", "v9.unheard.of"])
    def test_of_another_type_is_skipped_with_the_reason(self, type_: str) -> None:
        mapped = Reading().read(event(type_, charge()))
        assert mapped.events == ()
        assert mapped.skipped[0].why

    @pytest.mark.parametrize("type_", [COMPLETED, SUCCEEDED, "charge.refunded", "invoice.paid", "customer.subscription.created"])
    @pytest.mark.parametrize("data", [None, {}, {"object": None}, {"object": "ch_1"}])
    def test_that_does_not_hold_what_it_is_about_is_refused(self, type_: str, data: Any) -> None:
        with pytest.raises(Refused, match=r"data\.object"):
            Reading().read({**event(type_, charge()), "data": data})

    def test_of_test_mode_is_marked_or_refused(self) -> None:
        tested = event(COMPLETED, session(), livemode=False)
        assert Reading().read(tested).events[0].properties["environment"] == "test"
        with pytest.raises(Refused, match="test mode"):
            Reading(StripeSettings.model_validate({"test_mode": "refuse"})).read(tested)

    def test_of_a_connected_account_names_it_and_only_wanted_ones_count(self) -> None:
        connected = event(COMPLETED, session(), account="acct_1")
        reading = Reading(WITH_KEY)
        assert reading.read(connected).events[0].properties["stripe_account"] == "acct_1"
        assert Lookup("line_items", "acct_1/cs_1") in reading.asked
        assert Reading(StripeSettings(accounts=("acct_2",))).read(connected).events == ()

    def test_takes_the_stores_own_names(self) -> None:
        settings = StripeSettings.model_validate({"metrics": {"Placed Order": "Bought"}})
        assert Reading(settings).read(event(COMPLETED, session())).events[0].metric == "Bought"

    @pytest.mark.parametrize("purchases", ["checkout", "payment_intents"])
    def test_counts_by_the_object_that_the_settings_choose(self, purchases: str) -> None:
        reading = Reading(StripeSettings.model_validate({"purchases": purchases}))
        by_session = reading.read(event(COMPLETED, session())).events
        by_intent = reading.read(event(SUCCEEDED, intent(OLD), id_="evt_2")).events
        assert (bool(by_session), bool(by_intent)) == (purchases == "checkout", purchases == "payment_intents")


class TestAThinEvent:
    def test_is_fetched_and_means_the_same(self) -> None:
        api = {Lookup("object", "/v1/checkout/sessions/cs_1"): session(), Lookup("line_items", "cs_1"): LINE_ITEMS}
        thin = Reading(WITH_KEY, api).read(THIN).events
        full = Reading(WITH_KEY, api).read(event(COMPLETED, session())).events
        assert thin == full

    def test_that_cannot_be_fetched_is_refused_with_what_to_do(self) -> None:
        with pytest.raises(Refused, match="Set an API key"):
            Reading().read(THIN)
        with pytest.raises(Refused, match="no longer has"):
            Reading(WITH_KEY).read(THIN)

    def test_never_leads_away_from_stripe(self) -> None:
        elsewhere = {**THIN, "related_object": {"id": "x", "url": "//evil.example/v1/"}}
        reading = Reading(WITH_KEY)
        with pytest.raises(Refused):
            reading.read(elsewhere)
        assert reading.asked == []


def _is_mapped(reading: Reading, of: dict[str, Any]) -> bool:
    try:
        reading.read(of)
    except Later:
        return False
    return True
