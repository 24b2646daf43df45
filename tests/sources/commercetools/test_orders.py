"""Orders: placed, fulfilled, cancelled, refunded."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ferrata.sources.contract import Mapped
from tests.sources.commercetools import shop
from tests.sources.commercetools.driving import history, mapped, metrics, settings
from tests.sources.commercetools.mock_api import CommercetoolsMock


@pytest.fixture
def mock() -> CommercetoolsMock:
    made = CommercetoolsMock()
    made.put("categories", shop.CATEGORIES)
    made.put("products", [shop.product("shirt"), shop.product("hat")])
    return made


def _why(found: Mapped) -> str:
    assert not found.events
    return " ".join(each.why for each in found.skipped)


class TestAnOrderThatWasPlaced:
    async def test_is_placed_order_and_a_line_each_with_klaviyos_names(self, mock: CommercetoolsMock) -> None:
        found = await mapped(mock, settings(), shop.message("OrderCreated", "order", "order-1", order=shop.order()))
        assert metrics(found) == [
            ("Placed Order", "order-1", "50.00"),
            ("Ordered Product", "line-1", "30.00"),
            ("Ordered Product", "line-2", "20.00"),
        ]
        placed, first = found.events[0].properties, found.events[1].properties
        assert placed["Categories"] == ["Women", "Women > Pants"]
        assert placed["ItemNames"] == ["A shirt", "A hat"]
        assert placed["Brands"] == ["Acme"]
        assert placed["orderNumber"] == placed["OrderNumber"] == "1001"
        assert first["ProductName"] == "A shirt"
        assert first["name"] == {"en": "A shirt", "de": "Ein shirt"}
        assert first["ProductURL"] == "https://example-store.com/products/shirt"
        assert all(event.currency == "EUR" and not event.backfill for event in found.events)

    async def test_says_what_was_taken_off_and_what_of_it_is_tax(self, mock: CommercetoolsMock) -> None:
        off = {"includedDiscounts": [{"discountedAmount": shop.money(150)}, {"discountedAmount": shop.money(50)}]}
        lines = [
            shop.line("line-1", 3000, quantity=2) | {"discountedPricePerQuantity": [{"quantity": 2, "discountedPrice": off}]}
        ]
        order = shop.order(
            lineItems=lines,
            discountOnTotalPrice={"discountedAmount": shop.money(500)},
            shippingInfo={
                "price": shop.money(490),
                "discountedPrice": {"includedDiscounts": [{"discountedAmount": shop.money(90)}]},
            },
            taxedPrice={"totalGross": shop.money(5000), "totalNet": shop.money(4202)},
        )
        placed = (
            (await mapped(mock, settings(), shop.message("OrderCreated", "order", "order-1", order=order))).events[0].properties
        )
        assert (str(placed["DiscountValue"]), str(placed["Tax"])) == ("9.90", "7.98")

    async def test_may_be_shipped_in_several_ways_to_several_addresses(self, mock: CommercetoolsMock) -> None:
        order = shop.order(
            shippingMode="Multiple",
            shipping=[
                {"shippingInfo": {"price": shop.money(490)}, "shippingAddress": {"city": "Berlin", "country": "DE"}},
                {"shippingInfo": {"price": shop.money(510)}, "shippingAddress": {"city": "Wien", "country": "AT"}},
            ],
        )
        found = await mapped(mock, settings(), shop.message("OrderCreated", "order", "order-1", order=order))
        assert str(found.events[0].properties["Shipping"]) == "10.00"
        assert found.events[0].properties["ShippingAddress"]["City"] == "Berlin"

    async def test_that_was_too_large_for_the_queue_is_fetched(self, mock: CommercetoolsMock) -> None:
        mock.put("orders", [shop.order()])
        found = await mapped(mock, settings(), shop.not_included("OrderCreated", "order", "order-1"))
        assert metrics(found)[0] == ("Placed Order", "order-1", "50.00")

    async def test_and_was_fetched_late_counts_although_it_has_moved_on(self, mock: CommercetoolsMock) -> None:
        mock.put("orders", [shop.order(version=8, orderState="Complete")])
        found = await mapped(mock, settings(), shop.not_included("OrderCreated", "order", "order-1"))
        assert metrics(found)[0][0] == "Placed Order"

    async def test_of_a_recurring_order_counts(self, mock: CommercetoolsMock) -> None:
        found = await mapped(mock, settings(), shop.message("OrderCreatedFromRecurringOrder", "order", "o", order=shop.order()))
        assert metrics(found)[0] == ("Placed Order", "order-1", "50.00")

    async def test_gets_its_customer_later_and_is_still_one_order(self, mock: CommercetoolsMock) -> None:
        mock.put("orders", [shop.order()])
        customer = {"typeId": "customer", "id": "customer-1"}
        first = await mapped(mock, settings(), shop.message("OrderCreated", "order", "order-1", order=shop.order()))
        found = await mapped(mock, settings(), shop.message("OrderCustomerSet", "order", "order-1", customer=customer))
        assert metrics(found) == metrics(first)

    async def test_is_gone_from_commercetools_and_says_so(self, mock: CommercetoolsMock) -> None:
        found = await mapped(mock, settings(), shop.not_included("OrderCreated", "order", "order-1"))
        assert "no such order" in _why(found)

    async def test_has_precise_amounts_of_more_decimals(self, mock: CommercetoolsMock) -> None:
        precise = {
            "type": "highPrecision",
            "currencyCode": "EUR",
            "centAmount": 5012,
            "preciseAmount": 5012345,
            "fractionDigits": 5,
        }
        found = await mapped(
            mock, settings(), shop.message("OrderCreated", "order", "order-1", order=shop.order(totalPrice=precise))
        )
        assert str(found.events[0].value) == "50.12345"

    async def test_shows_only_the_fields_that_the_merchant_chose(self, mock: CommercetoolsMock) -> None:
        chosen = {
            "properties": {"include": ["orderNumber", "orderState"], "exclude": ["orderState"], "map": {"orderNumber": "no"}}
        }
        order = shop.order(custom={"fields": {"gift": False, "note": ""}})
        found = await mapped(mock, settings(order=chosen), shop.message("OrderCreated", "order", "order-1", order=order))
        properties = found.events[0].properties
        assert properties["no"] == "1001"
        assert properties["gift"] is False
        assert not {"orderState", "note", "lineItems", "version"} & set(properties)


class TestAnOrdersNewState:
    @pytest.mark.parametrize(
        ("state", "metric"), [("Cancelled", "Cancelled Order"), ("Complete", "Fulfilled Order"), ("Confirmed", "Fulfilled Order")]
    )
    async def test_is_an_event_under_the_orders_own_id(self, mock: CommercetoolsMock, state: str, metric: str) -> None:
        mock.put("orders", [shop.order(orderState=state)])
        found = await mapped(mock, settings(), shop.message("OrderStateChanged", "order", "order-1", orderState=state))
        assert metrics(found) == [(metric, "order-1", "50.00")]
        assert found.events[0].occurred_at == datetime(2026, 11, 2, 11, 30, tzinfo=UTC)

    async def test_that_means_nothing_is_told_without_asking_commercetools(self, mock: CommercetoolsMock) -> None:
        found = await mapped(mock, settings(), shop.message("OrderStateChanged", "order", "order-1", orderState="Open"))
        assert "Open means no event" in _why(found)
        assert mock.requests == []

    async def test_has_the_messages_time_where_the_order_has_changed_again(self, mock: CommercetoolsMock) -> None:
        mock.put("orders", [shop.order(version=9, lastModifiedAt="2026-11-09T00:00:00.000Z")])
        found = await mapped(mock, settings(), shop.message("OrderStateChanged", "order", "order-1", orderState="Complete"))
        assert found.events[0].occurred_at == datetime(2026, 11, 2, 11, 30, 1, tzinfo=UTC)

    async def test_is_read_by_the_merchants_own_states_and_names(self, mock: CommercetoolsMock) -> None:
        mock.put("orders", [shop.order()])
        states = {"changed": {"cancelledOrder": ["Annulled"]}}
        chosen = settings(order={"states": states, "metrics": {"cancelledOrder": "CT Cancelled"}})
        found = await mapped(mock, chosen, shop.message("OrderStateChanged", "order", "order-1", orderState="Annulled"))
        assert metrics(found)[0][0] == "CT Cancelled"

    async def test_of_shipment_is_fulfilled_where_the_merchant_says_so(self, mock: CommercetoolsMock) -> None:
        mock.put("orders", [shop.order()])
        chosen = settings(order={"states": {"changed": {"fulfilledShipment": ["Shipped"]}}})
        found = await mapped(mock, chosen, shop.message("OrderShipmentStateChanged", "order", "order-1", shipmentState="Shipped"))
        assert metrics(found) == [("Fulfilled Order", "order-1", "50.00")]

    async def test_by_deliveries_is_partial_and_each_distinct(self, mock: CommercetoolsMock) -> None:
        mock.put("orders", [shop.order()])
        chosen, found = settings(order={"deliveries": True}), []
        for id_ in ("d-1", "d-2"):
            delivery = {"id": id_, "createdAt": shop.CHANGED, "items": [{"id": "line-1", "quantity": 1}], "parcels": []}
            found.append(await mapped(mock, chosen, shop.message("DeliveryAdded", "order", "order-1", delivery=delivery)))
        assert metrics(found) == [
            ("Fulfilled Partial Order", "order-1:d-1", "15.00"),
            ("Fulfilled Partial Order", "order-1:d-2", "15.00"),
        ]

    async def test_deleted_means_cancelled_only_where_the_merchant_says_so(self, mock: CommercetoolsMock) -> None:
        deleted = shop.message("OrderDeleted", "order", "order-1", order=shop.order())
        assert "order.deleted" in _why(await mapped(mock, settings(), deleted))
        found = await mapped(mock, settings(order={"deleted": "cancelled"}), deleted)
        assert metrics(found) == [("Cancelled Order", "order-1", "50.00")]


class TestARefund:
    @staticmethod
    def _paid(mock: CommercetoolsMock, *transactions: dict[str, Any]) -> None:
        mock.put("payments", [shop.payment(*transactions)])
        mock.put("orders", [shop.order(paymentInfo={"payments": [{"typeId": "payment", "id": "payment-1"}]})])

    async def test_in_parts_is_an_event_each_with_its_own_amount(self, mock: CommercetoolsMock) -> None:
        first, second = shop.transaction("tx-1", 1000), shop.transaction("tx-2", 1500, timestamp="2026-11-05T00:00:00.000Z")
        self._paid(mock, first, second)
        found = [
            await mapped(mock, settings(), shop.message("PaymentTransactionAdded", "payment", "payment-1", transaction=each))
            for each in (first, second)
        ]
        assert metrics(found) == [("Refunded Order", "order-1:tx-1", "10.00"), ("Refunded Order", "order-1:tx-2", "15.00")]
        assert found[1].events[0].occurred_at == datetime(2026, 11, 5, tzinfo=UTC)

    async def test_of_everything_twice_is_one_in_history(self, mock: CommercetoolsMock) -> None:
        mock.put("payments", [shop.payment(shop.transaction("t-1", 5000), shop.transaction("t-2", 5000))])
        mock.put("orders", [shop.order(paymentInfo={"payments": [{"typeId": "payment", "id": "payment-1"}]})])
        found = await history(mock, settings(), "orders")
        assert [each for each in metrics(found) if each[0] == "Refunded Order"] == [("Refunded Order", "order-1", "50.00")]

    async def test_of_everything_has_the_orders_own_id_as_klaviyos_guide_wants(self, mock: CommercetoolsMock) -> None:
        self._paid(mock, shop.transaction("tx-1", 5000, state="Pending"))
        changed = shop.message("PaymentTransactionStateChanged", "payment", "payment-1", transactionId="tx-1", state="Success")
        assert metrics(await mapped(mock, settings(), changed)) == [("Refunded Order", "order-1", "50.00")]

    async def test_is_none_before_the_money_has_moved(self, mock: CommercetoolsMock) -> None:
        self._paid(mock, shop.transaction("tx-1", 1000, state="Initial"))
        added = shop.message(
            "PaymentTransactionAdded", "payment", "payment-1", transaction=shop.transaction("tx-1", 1000, state="Initial")
        )
        assert "no money" in _why(await mapped(mock, settings(), added))
        assert mock.requests == []

    async def test_whose_message_was_too_large_finds_all_of_the_payment(self, mock: CommercetoolsMock) -> None:
        self._paid(mock, shop.transaction("c", 5000, "Charge"), shop.transaction("a", 100), shop.transaction("b", 200))
        found = await mapped(mock, settings(), shop.not_included("PaymentTransactionAdded", "payment", "payment-1"))
        assert metrics(found) == [("Refunded Order", "order-1:a", "1.00"), ("Refunded Order", "order-1:b", "2.00")]

    async def test_by_returned_items_counts_where_the_merchant_books_so(self, mock: CommercetoolsMock) -> None:
        item = {"id": "r-1", "lineItemId": "line-1", "quantity": 1, "paymentState": "Refunded", "lastModifiedAt": shop.CHANGED}
        mock.put("orders", [shop.order(returnInfo=[{"items": [item, {**item, "id": "r-2", "paymentState": "Initial"}]}])])
        told = shop.message("OrderReturnShipmentStateChanged", "order", "order-1")
        assert not (await mapped(mock, settings(), told)).events
        found = await mapped(mock, settings(order={"returns": True}), told)
        assert metrics(found) == [("Refunded Order", "order-1:r-1", "15.00")]


class TestTheHistoryOfOrders:
    async def test_tells_all_that_has_become_of_an_order_under_the_same_ids_as_live(self, mock: CommercetoolsMock) -> None:
        mock.put("payments", [shop.payment(shop.transaction("tx-1", 1000), shop.transaction("tx-2", 100, state="Failure"))])
        paid = {"payments": [{"typeId": "payment", "id": "payment-1"}]}
        mock.put("orders", [shop.order(orderState="Complete", paymentInfo=paid), shop.order("order-2", orderState="Cancelled")])
        found = await history(mock, settings(), "orders")
        assert metrics(found) == [
            ("Placed Order", "order-1", "50.00"),
            ("Ordered Product", "line-1", "30.00"),
            ("Ordered Product", "line-2", "20.00"),
            ("Fulfilled Order", "order-1", "50.00"),
            ("Refunded Order", "order-1:tx-1", "10.00"),
            ("Placed Order", "order-2", "50.00"),
            ("Ordered Product", "line-1", "30.00"),
            ("Ordered Product", "line-2", "20.00"),
            ("Cancelled Order", "order-2", "50.00"),
        ]
        assert all(event.backfill for one in found for event in one.events)
        assert "interfaceInteractions" not in str(found)
