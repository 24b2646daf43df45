"""Explain: a reason names the place that a field was made of, and only places that are there."""

import json
from typing import Any

import pytest

from ferrata.sources.contract import Lookup, Mapped
from tests.sources.commercetools import shop
from tests.sources.commercetools.cases import Case, all_cases
from tests.sources.commercetools.driving import mapped, settings
from tests.sources.commercetools.mock_api import CommercetoolsMock

CASES = [case for case in all_cases() if case.message and case.writes and "-ct-" not in case.name]


@pytest.fixture
def mock() -> CommercetoolsMock:
    made = CommercetoolsMock()
    made.put("categories", shop.CATEGORIES)
    made.put("products", [shop.product("shirt"), shop.product("hat")])
    return made


def _sources(found: Mapped) -> dict[str, str]:
    return {reason.target: reason.source for reason in found.fields}


def _there(source: str, message: dict[str, Any], looked_up: dict[Lookup, Any]) -> Any:
    """What stands at this place; raises if nothing does."""
    document: Any = message
    if source.startswith("lookup:"):
        name, _, source = source.removeprefix("lookup:").partition("#")
        document = looked_up[Lookup(*name.split("/", 1))]
    for part in (each.replace("~1", "/").replace("~0", "~") for each in source.split("/")[1:]):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


class TestTheReasons:
    async def test_of_a_line_name_the_line(self, mock: CommercetoolsMock) -> None:
        message = shop.message("OrderCreated", "order", "order-1", order=shop.order())
        sources = _sources(await mapped(mock, settings(), message, explained=True))
        assert sources["/events/0/unique_id"] == "/order/id"
        assert sources["/events/0/value"] == "/order/totalPrice"
        assert sources["/events/0/properties/ItemCount"] == "/order/lineItems"
        for place in (0, 1):
            line, event = f"/order/lineItems/{place}", f"/events/{place + 1}"
            assert sources[f"{event}/unique_id"] == f"{line}/id"
            assert sources[f"{event}/value"] == f"{line}/totalPrice"
            assert sources[f"{event}/properties/productId"] == sources[f"{event}/properties/ProductID"] == f"{line}/productId"
            assert sources[f"{event}/properties/ProductName"] == f"{line}/name"
            assert sources[f"{event}/properties/OrderId"] == "/order/id"
            assert sources[f"{event}/person/email"] == "/order/customerEmail"

    async def test_of_a_custom_field_name_it(self, mock: CommercetoolsMock) -> None:
        order = shop.order(custom={"fields": {"gift/wrap": True}})
        message = shop.message("OrderCreated", "order", "order-1", order=order)
        sources = _sources(await mapped(mock, settings(), message, explained=True))
        assert sources["/events/0/properties/gift~1wrap"] == "/order/custom/fields/gift~1wrap"

    async def test_of_a_refund_name_the_transaction_and_the_order_of_its_payment(self, mock: CommercetoolsMock) -> None:
        back = shop.transaction("tx-1", 1000, timestamp="2026-11-05T00:00:00.000Z")
        mock.put("payments", [shop.payment(back)])
        mock.put("orders", [shop.order(paymentInfo={"payments": [{"typeId": "payment", "id": "payment-1"}]})])
        message = shop.message("PaymentTransactionAdded", "payment", "payment-1", transaction=back)
        sources = _sources(await mapped(mock, settings(), message, explained=True))
        assert sources["/events/0/value"] == "/transaction/amount"
        assert sources["/events/0/occurred_at"] == "/transaction/timestamp"
        assert sources["/events/0/unique_id"] == ""
        assert sources["/events/0/properties/OrderId"] == "lookup:orders_of_payment/payment-1#/0/id"

    async def test_of_a_variant_name_the_variant_in_what_is_published(self, mock: CommercetoolsMock) -> None:
        mock.put("products", [shop.product("shirt", variants=2)])
        sources = _sources(await mapped(mock, settings(), shop.message("ProductPublished", "product", "shirt"), explained=True))
        current = "lookup:product/shirt#/masterData/current"
        assert f"{current}/name" in sources.values()
        assert {f"{current}/masterVariant/sku", f"{current}/variants/0/sku"} <= set(sources.values())

    @pytest.mark.skipif(not CASES, reason="the recorded cases are not at hand (FERRATA_CASES)")
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    async def test_of_events_and_the_catalogue_never_name_a_place_that_is_not_there(self, case: Case) -> None:
        assert case.message is not None
        known: dict[Lookup, Any] = {}
        found = await mapped(case.project(), case.settings(), case.message, explained=True, looked_up=known)
        message = json.loads(json.dumps(case.message))
        for reason in found.fields:
            if reason.source and reason.target.startswith(("/events/", "/catalog/")):
                _there(reason.source, message, known)
