"""Subscriptions and invoices: each fact once, in both shapes, and profiles that no late message moves back."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from ferrata.commerce.tracked import ProfileChange
from ferrata.sources.stripe.settings import StripeSettings
from tests.sources.stripe.shop import NEW, NOW, OLD, Reading, event, invoice, subscription

BOTH = pytest.mark.parametrize("shape", [OLD, NEW])
CREATED, UPDATED, DELETED = (f"customer.subscription.{verb}" for verb in ("created", "updated", "deleted"))
JANE = {"id": "cus_1", "object": "customer", "email": "jane@example.com"}


def reading(**settings: Any) -> Reading:
    made = Reading(StripeSettings.model_validate(settings))
    made.read(event("customer.created", JANE, id_="evt_0", created=NOW - 99))
    return made


class TestASubscription:
    @BOTH
    def test_that_starts_says_what_it_is_and_carries_no_value(self, shape: str) -> None:
        mapped = reading().read(event(CREATED, subscription(shape)))
        [started] = mapped.events
        assert (started.metric, started.unique_id, started.value) == ("Subscription Started", "sub_started:sub_1", None)
        assert started.properties["Amount"] == Decimal("19.90")
        assert (started.properties["PlanInterval"], started.properties["Tier"]) == ("month", "Gold")
        assert started.properties["NextBillingDate"] == "2026-12-20T09:30:00Z"
        assert started.properties["MonthlyBillingDay"] == 20
        [change] = mapped.profiles
        assert change.attributes["properties"] == {
            "stripe_customer_id": "cus_1",
            "stripe_subscription_id": "sub_1",
            "stripe_subscription_status": "active",
            "subscription_tier": "Gold",
            "next_billing_date": "2026-12-20T09:30:00Z",
        }

    def test_is_equal_in_both_shapes(self) -> None:
        old, new = (reading().read(event(CREATED, subscription(shape))) for shape in (OLD, NEW))
        assert (old.events, old.profiles) == (new.events, new.profiles)

    def test_starts_only_when_its_first_payment_has_come(self) -> None:
        begun = reading()
        assert begun.read(event(CREATED, subscription(status="incomplete"))).events == ()
        begun.read(event(UPDATED, subscription(), previous={"status": "incomplete"}, id_="evt_2"))
        begun.read(event(UPDATED, subscription(), previous={"status": "incomplete"}, id_="evt_2"))
        assert begun.metrics == ["Subscription Started"]

    @pytest.mark.parametrize(
        ("changed", "previous", "metric"),
        [
            ({"amount": 2990, "price": "price_platin"}, "cheaper", "Subscription Upgraded"),
            ({"amount": 990, "price": "price_silver"}, "cheaper", "Subscription Downgraded"),
            ({"amount": 1990, "price": "price_gold2"}, "cheaper", "Subscription Updated"),
            ({"cancel_at_period_end": True}, {"cancel_at_period_end": False}, "Subscription Cancel Scheduled"),
            ({"cancel_at": NOW + 9}, {"cancel_at": None}, "Subscription Cancel Scheduled"),
            ({}, {"cancel_at_period_end": True, "canceled_at": NOW}, "Subscription Resumed"),
            ({}, {"status": "paused"}, "Subscription Resumed"),
            ({}, {"pause_collection": {"behavior": "void"}}, "Subscription Resumed"),
            ({"status": "past_due"}, {"status": "active"}, "Subscription Updated"),
            ({}, {"status": "trialing"}, "Subscription Updated"),
            ({}, "rolled over", None),
            ({}, {"items": {"object": "list", "data": [{"id": "si_1", "current_period_end": NOW}]}}, None),
            ({}, {"items": {"object": "list", "data": [{"id": "si_1", "quantity": 3}]}}, "Subscription Downgraded"),
            ({}, {"default_payment_method": "pm_1"}, None),
            ({}, {"latest_invoice": "in_0", "metadata": {}}, None),
        ],
    )
    @BOTH
    def test_that_changes_says_how(self, shape: str, changed: dict[str, Any], previous: Any, metric: str | None) -> None:
        before = previous
        if previous == "cheaper":
            then = subscription(shape)
            before = {"items": then["items"]} if shape == NEW else {"items": then["items"], "plan": then["plan"]}
        elif previous == "rolled over":
            then = subscription(shape)
            before = {"latest_invoice": "in_0"}
            if shape == NEW:
                items = [{**item, "current_period_end": NOW, "current_period_start": 1} for item in then["items"]["data"]]
                before["items"] = {"object": "list", "data": items}
            else:
                before |= {"current_period_start": 1, "current_period_end": NOW}
        mapped = reading().read(event(UPDATED, subscription(shape, **changed), previous=before))
        assert [each.metric for each in mapped.events] == ([metric] if metric else [])
        assert [each.unique_id for each in mapped.events] == (["sub_updated:sub_1:evt_1"] if metric else [])
        assert len(mapped.profiles) == 1, "how it stands is told in any case"

    def test_of_the_oldest_shape_is_compared_by_its_plan(self) -> None:
        plan = {
            "id": "p2",
            "object": "plan",
            "amount": 900,
            "currency": "usd",
            "interval": "month",
            "interval_count": 1,
            "name": "Big",
        }
        oldest = {
            "id": "su_1",
            "object": "subscription",
            "customer": "cus_1",
            "status": "active",
            "start": NOW - 9,
            "quantity": 1,
        }
        oldest |= {"plan": plan, "current_period_start": NOW, "current_period_end": NOW + 86_400, "cancel_at_period_end": False}
        [told] = reading().read(event(UPDATED, oldest, previous={"plan": {**plan, "id": "p1", "amount": 100}})).events
        assert (told.metric, told.properties["Tier"], told.properties["Amount"]) == (
            "Subscription Upgraded",
            "Big",
            Decimal("9.00"),
        )

    @BOTH
    def test_that_ends_says_why_and_is_cleared_at_the_profile(self, shape: str) -> None:
        ended = subscription(
            shape,
            status="canceled",
            ended_at=NOW,
            cancellation_details={"reason": "cancellation_requested", "feedback": "unused"},
        )
        mapped = reading().read(event(DELETED, ended))
        [cancelled] = mapped.events
        assert (cancelled.metric, cancelled.unique_id) == ("Subscription Cancelled", "sub_cancelled:sub_1")
        assert (cancelled.properties["Reason"], cancelled.properties["Feedback"]) == ("cancellation_requested", "unused")
        stands = mapped.profiles[0].attributes["properties"]
        assert (stands["stripe_subscription_status"], stands["subscription_tier"], stands["next_billing_date"]) == (
            "canceled",
            None,
            None,
        )

    def test_whose_trial_ends_is_told_once_per_end(self) -> None:
        begun = reading()
        for number in range(2):
            begun.read(event("customer.subscription.trial_will_end", subscription(trial_end=NOW + 9), id_=f"evt_{number}"))
        begun.read(event("customer.subscription.trial_will_end", subscription(trial_end=NOW + 99), id_="evt_9"))
        assert list(begun.sent) == [
            ("Trial Ending", f"trial_ending:sub_1:{NOW + 9}"),
            ("Trial Ending", f"trial_ending:sub_1:{NOW + 99}"),
        ]

    def test_has_the_stores_own_name_for_its_plan(self) -> None:
        [told] = reading(tiers={"prod_gold": "VIP"}).read(event(CREATED, subscription())).events
        assert told.properties["Tier"] == "VIP"

    def test_leaves_the_same_events_and_profile_in_any_order(self) -> None:
        told = [
            event(CREATED, subscription(), id_="evt_1", created=NOW),
            event(UPDATED, subscription(amount=2990), previous={"items": subscription()["items"]}, id_="evt_2", created=NOW + 1),
            event(DELETED, subscription(status="canceled", ended_at=NOW + 2), id_="evt_3", created=NOW + 2),
            event(CREATED, subscription(), id_="evt_1", created=NOW),
        ]
        ends = set()
        for order in permutations(told):
            begun, changes = reading(), list[ProfileChange]()
            for one in order:
                changes += begun.read(one).profiles
            last = max(changes, key=lambda change: change.changed_at)
            ends.add((tuple(sorted(begun.sent)), last.attributes["properties"]["stripe_subscription_status"]))
        assert len(ends) == 1
        assert next(iter(ends))[1] == "canceled"


class TestAnInvoice:
    @BOTH
    @pytest.mark.parametrize(
        ("reason", "metric"),
        [
            ("subscription_cycle", "Subscription Renewed"),
            ("subscription_create", "Invoice Paid"),
            ("manual", "Invoice Paid"),
        ],
    )
    def test_that_is_paid_is_one_fact_although_two_events_tell_it(self, shape: str, reason: str, metric: str) -> None:
        begun = reading()
        for number, type_ in enumerate(["invoice.paid", "invoice.payment_succeeded"]):
            begun.read(event(type_, invoice(shape, billing_reason=reason), id_=f"evt_{number}"))
        [(key, told)] = begun.sent.items()
        assert key == (metric, "invoice_paid:in_1")
        assert (told.value, told.currency, told.properties["SubscriptionID"]) == (Decimal("19.90"), "EUR", "sub_1")

    def test_is_equal_in_both_shapes(self) -> None:
        old, new = (reading().read(event("invoice.paid", invoice(shape))).events for shape in (OLD, NEW))
        assert old == new

    @BOTH
    def test_that_fails_is_told_per_attempt(self, shape: str) -> None:
        begun = reading()
        for attempt in (1, 2, 2):
            failed = invoice(shape, amount_paid=0, attempt_count=attempt, next_payment_attempt=NOW + 86_400, status="open")
            begun.read(event("invoice.payment_failed", failed, id_=f"evt_{attempt}"))
        assert [key[1] for key in begun.sent] == ["invoice_failed:in_1:1", "invoice_failed:in_1:2"]
        told = begun.sent["Subscription Payment Failed", "invoice_failed:in_1:2"]
        assert (told.value, told.properties["NextPaymentAttempt"]) == (Decimal("19.90"), "2026-11-21T09:30:00Z")
        assert told.properties["HostedInvoiceURL"].startswith("https://")


class TestACustomer:
    def test_becomes_a_profile_at_stripes_time(self) -> None:
        told = {**JANE, "name": "Jane Roe", "phone": "not a number", "address": {"city": "Bonn", "country": "DE"}}
        [change] = reading().read(event("customer.updated", told)).profiles
        assert change.attributes == {
            "first_name": "Jane",
            "last_name": "Roe",
            "location": {"city": "Bonn", "country": "DE"},
            "properties": {"stripe_customer_id": "cus_1"},
        }
        assert change.changed_at.timestamp() == NOW

    def test_without_an_address_is_nobody_yet(self) -> None:
        mapped = reading().read(event("customer.created", {**JANE, "email": None}))
        assert (mapped.profiles, mapped.skipped[0].what) == ((), "Customer without an e-mail address")
