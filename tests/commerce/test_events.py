"""The fifteen events: names, ids, times, values and properties, case by case."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from ferrata.commerce import orders, visits
from ferrata.commerce.metrics import Lifecycle, Metric
from ferrata.commerce.model import Fulfilment, Line, Part, Refund, Subscription
from ferrata.commerce.money import Money
from ferrata.commerce.subscriptions import told
from ferrata.commerce.terms import Terms
from ferrata.commerce.tracked import TrackedEvent, json_of
from tests.commerce.samples import AT, CART, IN_BERLIN, JANE, MUG, ONE_TEA, ORDER, TEA, TWO_MUGS, eur

TERMS = Terms()
PARCEL = Fulfilment(id="f1", at=AT, completes=False, parts=(Part("l1", 1),), carrier="DHL", tracking_number="77")
LAST = Fulfilment(id="f2", at=AT)
SECOND = 1_795_167_015
GUIDE = Path(__file__).parents[2] / "docs/concepts/commerce-events.md"

# make, metric, unique_id, value
CASES: list[tuple[Callable[[Terms], TrackedEvent], str, str, str | None]] = [
    (lambda terms: visits.viewed_product(JANE, MUG, AT, terms), "Viewed Product", f"viewed:mug:{SECOND}", None),
    (lambda terms: visits.viewed_category(JANE, "Kitchen", AT, terms), "Viewed Category", f"category:Kitchen:{SECOND}", None),
    (lambda terms: visits.searched_site(JANE, " Mug", AT, terms), "Searched Site", f"searched:mug:{SECOND}", None),
    (lambda terms: visits.added_to_cart(CART, ONE_TEA, terms), "Added to Cart", f"k-1:added:l2:{SECOND}.250", "29.90"),
    (lambda terms: visits.removed_from_cart(CART, ONE_TEA, terms), "Removed from Cart", f"k-1:removed:l2:{SECOND}.250", "29.90"),
    (lambda terms: visits.updated_cart(CART, terms), "Updated Cart", f"k-1:updated:{SECOND}.250", "29.90"),
    (
        lambda terms: visits.applied_coupon(CART, "HELLO", terms, accepted=True),
        "Applied Coupon",
        f"k-1:coupon:HELLO:{SECOND}.250",
        None,
    ),
    (lambda terms: visits.started_checkout(CART, terms), "Started Checkout", f"k-1_{SECOND}", "29.90"),
    (
        lambda terms: visits.abandoned_checkout(CART, AT + timedelta(minutes=10), terms),
        "Abandoned Checkout",
        f"k-1:abandoned:{SECOND}.250",
        "29.90",
    ),
    (lambda terms: orders.placed_order(ORDER, terms), "Placed Order", "o-1", "33.80"),
    (lambda terms: orders.ordered_products(ORDER, terms)[0], "Ordered Product", "o-1:l1", "25.00"),
    (lambda terms: orders.fulfilled_order(ORDER, LAST, terms), "Fulfilled Order", "o-1", "33.80"),
    (lambda terms: orders.fulfilled_order(ORDER, PARCEL, terms), "Fulfilled Partial Order", "o-1:f1", "12.50"),
    (lambda terms: orders.cancelled_order(ORDER, AT, terms, reason="too late"), "Cancelled Order", "o-1", "33.80"),
    (
        lambda terms: orders.refunded_order(ORDER, Refund(id="r1", at=AT, amount=eur("5.00")), terms),
        "Refunded Order",
        "o-1:r1",
        "5.00",
    ),
]


class TestEachEvent:
    @pytest.mark.parametrize(("make", "metric", "unique_id", "value"), CASES, ids=[case[1] for case in CASES])
    def test_has_its_name_its_id_and_its_value(
        self, make: Callable[[Terms], TrackedEvent], metric: str, unique_id: str, value: str | None
    ) -> None:
        event = make(TERMS)
        assert (event.metric, event.unique_id) == (metric, unique_id)
        assert event.value == (Decimal(value) if value else None)
        assert event.currency == ("EUR" if value else None)
        assert event.person == JANE
        assert make(TERMS) == event, "told again it must be the same event"

    def test_is_one_of_fifteen_and_none_is_missing(self) -> None:
        assert [case[1] for case in CASES] == [metric.value for metric in Metric]
        assert len(CASES) == 15

    @pytest.mark.parametrize("make", [case[0] for case in CASES], ids=[case[1] for case in CASES])
    def test_can_be_written_as_json_with_exact_numbers_and_nothing_empty(self, make: Callable[[Terms], TrackedEvent]) -> None:
        written = msgspec.json.decode(json_of(make(TERMS).properties))
        assert not [name for name, value in written.items() if value in (None, "", [], {})]
        assert not [name for name in written if name.startswith("$")]

    @pytest.mark.parametrize(("make", "metric"), [case[:2] for case in CASES], ids=[case[1] for case in CASES])
    def test_takes_the_stores_name_for_it(self, make: Callable[[Terms], TrackedEvent], metric: str) -> None:
        event = make(Terms(names={metric: "Ours"}, backfill=True))
        assert (event.metric, event.backfill) == ("Ours", True)

    def test_is_described_for_people(self) -> None:
        rows = [line.split("|")[1].strip() for line in GUIDE.read_text().splitlines() if line.startswith("| ")]
        assert [row for row in rows if row in {metric.value for metric in Metric}] == [metric.value for metric in Metric]
        text = " ".join(GUIDE.read_text().split())
        assert [metric.value for metric in Lifecycle if metric.value not in text] == []


class TestAnOrder:
    def test_shows_what_segments_need_at_the_top_level(self) -> None:
        properties = orders.placed_order(ORDER, TERMS).properties
        assert properties["ItemNames"] == ["Mug", "Tea"]
        assert properties["Categories"] == ["Kitchen", "Kitchen > Mugs"]
        assert properties["Brands"] == ["Clay", "Leaf"]
        assert (properties["OrderId"], properties["OrderNumber"], properties["DiscountCode"]) == ("o-1", "1001", "HELLO")
        assert (properties["DiscountValue"], properties["ItemCount"]) == (Decimal("1.00"), 3)
        assert properties["BillingAddress"] == {
            "FirstName": "Jane",
            "LastName": "Roe",
            "Address1": "Weg 1",
            "City": "Berlin",
            "CountryCode": "DE",
            "Zip": "10115",
        }

    def test_lists_its_items_under_the_names_of_the_guide(self) -> None:
        first = orders.placed_order(ORDER, TERMS).properties["Items"][0]
        assert first == {
            "ProductID": "mug",
            "SKU": "MUG-1",
            "ProductName": "Mug",
            "Quantity": 2,
            "ItemPrice": Decimal("12.50"),
            "RowTotal": Decimal("25.00"),
            "ProductURL": "https://shop.example/mug",
            "ImageURL": "https://shop.example/mug.png",
            "Categories": ["Kitchen", "Kitchen > Mugs"],
            "Brand": "Clay",
        }

    def test_has_one_ordered_product_per_line_a_second_apart(self) -> None:
        placed, *lines = orders.placed(ORDER, TERMS)
        assert placed.occurred_at == AT
        assert [line.occurred_at - AT for line in lines] == [timedelta(seconds=1), timedelta(seconds=2)]
        assert len({line.unique_id for line in lines}) == 2

    def test_keeps_two_lines_of_one_product_apart(self) -> None:
        twice = msgspec.structs.replace(ORDER, lines=(TWO_MUGS, msgspec.structs.replace(TWO_MUGS, id="l3")))
        assert [event.unique_id for event in orders.ordered_products(twice, TERMS)] == ["o-1:l1", "o-1:l3"]

    def test_leaves_a_quantity_of_nothing_at_nothing(self) -> None:
        none = msgspec.structs.replace(ORDER, lines=(Line(id="l1", product=TEA, quantity=0, unit_price=eur("4.90")),))
        [line] = orders.ordered_products(none, TERMS)
        assert (line.properties["Quantity"], line.value) == (0, Decimal("0.00"))

    def test_never_lets_a_sources_own_properties_replace_the_guides(self) -> None:
        own = msgspec.structs.replace(ORDER, extra={"OrderId": "other", "stripe_id": "pi_1"})
        properties = orders.placed_order(own, TERMS).properties
        assert (properties["OrderId"], properties["stripe_id"]) == ("o-1", "pi_1")


class TestRefunds:
    def test_of_everything_has_the_id_of_the_order(self) -> None:
        event = orders.refunded_order(ORDER, Refund(id="r1", at=AT, amount=eur("33.80"), reason="broken"), TERMS)
        assert (event.unique_id, event.properties["Partial"], event.properties["Reason"]) == ("o-1", False, "broken")

    def test_in_parts_are_distinct_and_add_up(self) -> None:
        parts = [Refund(id=f"r{n}", at=AT, amount=eur("10.00"), parts=(Part("l2", 1),)) for n in (1, 2)]
        events = orders.refunded(ORDER, parts, TERMS)
        assert [event.unique_id for event in events] == ["o-1:r1", "o-1:r2"]
        assert sum(event.value or 0 for event in events) == Decimal("20.00")
        assert all(event.properties["Partial"] for event in events)
        assert [item["ProductName"] for item in events[0].properties["RefundedItems"]] == ["Tea"]


class TestFulfilments:
    def test_in_parts_are_distinct_from_each_other_and_from_the_last(self) -> None:
        second = msgspec.structs.replace(PARCEL, id="f3")
        events = [orders.fulfilled_order(ORDER, each, TERMS) for each in (PARCEL, second, LAST)]
        assert len({(event.metric, event.unique_id) for event in events}) == 3
        assert [event.properties["Partial"] for event in events] == [True, True, False]
        assert events[0].properties["TrackingNumber"] == "77"

    def test_of_a_line_that_nobody_knows_still_tell_of_it(self) -> None:
        strange = msgspec.structs.replace(PARCEL, parts=(Part("gone", 2),))
        event = orders.fulfilled_order(ORDER, strange, TERMS)
        assert event.properties["FulfilledItems"] == [{"LineID": "gone", "Quantity": 2}]


class TestACart:
    def test_tells_what_was_added_and_what_is_in_it(self) -> None:
        properties = visits.added_to_cart(CART, TWO_MUGS, TERMS).properties
        assert properties["AddedItemProductName"] == "Mug"
        assert properties["AddedItemQuantity"] == 2
        assert properties["AddedItemPrice"] == Decimal("12.50")
        assert properties["CheckoutURL"] == "https://shop.example/back/k-1"
        assert properties["ItemNames"] == ["Mug", "Tea"]

    def test_that_is_cleared_says_so_and_is_worth_nothing(self) -> None:
        event = visits.updated_cart(msgspec.structs.replace(CART, lines=()), TERMS)
        assert (event.value, event.properties["Cleared"]) == (Decimal("0.00"), True)

    def test_left_alone_says_since_when_and_for_how_long(self) -> None:
        event = visits.abandoned_checkout(CART, AT + timedelta(minutes=10, seconds=59), TERMS)
        assert event.properties["MinutesSinceLastActivity"] == 10
        assert event.properties["LastActivityAt"] == "2026-11-20T09:30:15+00:00"

    def test_names_changes_of_one_moment_by_the_shops_own_ids(self) -> None:
        changes = [msgspec.structs.replace(CART, change=f"a-{number}") for number in range(2)]
        ids = [visits.added_to_cart(cart, ONE_TEA, TERMS).unique_id for cart in changes]
        assert ids == ["k-1:added:l2:a-0", "k-1:added:l2:a-1"]

    def test_never_has_an_id_that_klaviyo_would_not_take(self) -> None:
        long = [msgspec.structs.replace(CART, id="k" * 200, change=f"{'a' * 100}{number}") for number in range(2)]
        ids = {visits.updated_cart(cart, TERMS).unique_id for cart in long}
        assert len(ids) == 2
        assert max(map(len, ids)) <= 255

    def test_has_another_id_for_every_silence(self) -> None:
        later = msgspec.structs.replace(CART, updated_at=AT + timedelta(seconds=0.001))
        ids = {visits.abandoned_checkout(cart, AT + timedelta(hours=1), TERMS).unique_id for cart in (CART, later)}
        assert len(ids) == 2


class TestASubscription:
    def test_carries_no_value_and_bills_on_a_day_of_utc(self) -> None:
        subscription = Subscription(
            id="sub_1",
            person=JANE,
            status="active",
            interval="month",
            amount=Money.of_minor(1990, "EUR"),
            period_end=IN_BERLIN.replace(hour=0, minute=30),
        )
        event = told(Lifecycle.SUBSCRIPTION_STARTED, subscription, "sub_started:sub_1", AT, TERMS, more={"Source": "test"})
        assert (event.value, event.currency) == (None, None)
        assert event.properties["MonthlyBillingDay"] == 19
        assert event.properties["Amount"] == Decimal("19.90")
        assert event.properties["Source"] == "test"


class TestAKey:
    def test_keeps_events_of_one_order_apart_that_klaviyo_must_know_under_one_id(self) -> None:
        placed, cancelled = orders.placed_order(ORDER, TERMS), orders.cancelled_order(ORDER, AT, TERMS)
        assert placed.unique_id == cancelled.unique_id
        assert (placed.key, cancelled.key) == ("Placed Order:o-1", "Cancelled Order:o-1")

    def test_fits_however_long_its_parts_are(self) -> None:
        long = msgspec.structs.replace(ORDER, unique_id="o" * 250)
        keys = {event.key for event in (orders.placed_order(long, TERMS), orders.cancelled_order(long, AT, TERMS))}
        assert len(keys) == 2
        assert max(map(len, keys)) <= 255
