"""Messages and answers in which anything may be anything: they are mapped, skipped or refused, and never break the connector."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from ferrata.sources.commercetools import SOURCE
from ferrata.sources.commercetools.notification import BACKFILLED, raw_message
from ferrata.sources.contract import Lookup, Refused, Unreadable
from tests.sources.commercetools import shop
from tests.sources.commercetools.driving import message, settings

STRANGE: tuple[Any, ...] = (None, "x", ["x"], {"id": 5}, 10**30, "9999-12-31T23:59:59-14:00")
EVERYTHING = settings(
    order={
        "returns": True,
        "deliveries": True,
        "deleted": "cancelled",
        "states": {"changed": {"fulfilledShipment": ["Shipped"]}},
        "profileFromAddress": ["location", "first_name", "last_name", "phone_number", "organization"],
    },
    customer={"fields": ["locale"]},
)
DELIVERY = {"id": "d", "createdAt": shop.CHANGED, "items": [{"id": "line-1", "quantity": 1}], "parcels": [{"trackingData": {}}]}
ORDER = shop.order(
    customLineItems=[{"id": "c", "name": {"en": "Wrap"}, "slug": "wrap", "quantity": 1, "money": shop.money(5)}],
    billingAddress={"country": "DE", "mobile": "030 23125 000", "streetName": "Main"},
    discountCodes=[{"discountCode": {"typeId": "discount-code", "id": "x", "obj": {"code": "A"}}}],
    paymentInfo={"payments": [{"typeId": "payment", "id": "p", "obj": shop.payment(shop.transaction("t", 1))}]},
    returnInfo=[{"items": [{"id": "r", "lineItemId": "line-1", "quantity": 1, "paymentState": "Refunded"}]}],
    taxedPrice={"totalTax": shop.money(1)},
    shippingInfo={"price": shop.money(3)},
    custom={"fields": {"a": 1}},
    shipmentState="Shipped",
)
PRICE = {"sku": "SKU-shirt", "value": shop.money(1), "discounted": {"value": shop.money(1)}, "validFrom": shop.CREATED}
REFUND = shop.transaction("t", 5)


def _read(resource: str, thing: Any, **fields: Any) -> dict[str, Any]:
    about = {"notificationType": BACKFILLED, "id": "x", "resource": {"typeId": resource, "id": thing["id"]}, "resourceVersion": 1}
    return about | {resource: thing} | fields


MESSAGES: dict[str, tuple[dict[str, Any], dict[tuple[str, str], Any]]] = {
    "order": (shop.message("OrderCreated", "order", "order-1", order=ORDER), {}),
    "state": (shop.message("OrderStateChanged", "order", "o", orderState="Cancelled"), {("order", "o"): ORDER}),
    "delivery": (shop.message("DeliveryAdded", "order", "o", delivery=DELIVERY), {("order", "o"): ORDER}),
    "return": (shop.message("ReturnInfoAdded", "order", "o"), {("order", "o"): ORDER}),
    "deleted": (shop.message("OrderDeleted", "order", "order-1", order=ORDER), {}),
    "refund": (
        shop.message("PaymentTransactionStateChanged", "payment", "p", transactionId="t", state="Success"),
        {("orders_of_payment", "p"): [ORDER], ("payment", "p"): shop.payment(REFUND)},
    ),
    "customer": (shop.message("CustomerAddressRemoved", "customer", "c"), {("customer", "c"): shop.customer()}),
    "product": (shop.message("ProductPublished", "product", "s"), {("product", "s"): shop.product(variants=2)}),
    "price": (
        shop.message("StandalonePriceValueChanged", "standalone-price", "s", sku="S"),
        {("product_of_sku", "S"): shop.product(priceMode="Standalone"), ("standalone_prices", "SKU-shirt"): [PRICE]},
    ),
    "category": (
        shop.change("ResourceUpdated", "category", "women"),
        {("category", "women"): shop.CATEGORIES[0], ("categories_below", "women"): shop.CATEGORIES},
    ),
    "stock": (
        shop.change("ResourceUpdated", "inventory-entry", "e"),
        {("inventory", "e"): {"id": "e", "sku": "x", "availableQuantity": 1, "supplyChannel": {"id": "q"}}},
    ),
    "old order": (_read("order", ORDER), {}),
    "old product": (_read("product", shop.product()), {}),
    "old category": (_read("category", shop.CATEGORIES[1]), {}),
}


def _places(thing: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in it; of a list the first."""
    yield above
    inner = thing.items() if isinstance(thing, dict) else list(enumerate(thing))[:1] if isinstance(thing, list) else ()
    for name, value in inner:
        yield from _places(value, (*above, name))


def _with(thing: Any, place: tuple[Any, ...], strange: Any) -> Any:
    if not place:
        return strange
    changed = copy.deepcopy(thing)
    inside = changed
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] = strange
    return changed


def _driven(body: Any, answers: dict[tuple[str, str], Any]) -> None:
    try:
        kept, looked_up = message(raw_message(body)), {Lookup(*name): found for name, found in answers.items()}
        for _ in range(3):
            for wanted in SOURCE.lookups(kept, looked_up, EVERYTHING):
                looked_up.setdefault(wanted, None)
        SOURCE.title_of(kept)
        SOURCE.map(kept, looked_up, EVERYTHING)
    except (Refused, Unreadable):
        return


class TestAMessage:
    @pytest.mark.parametrize("name", MESSAGES)
    def test_may_hold_anything_anywhere(self, name: str) -> None:
        body, answers = MESSAGES[name]
        for place in _places(body):
            for strange in STRANGE:
                _driven(_with(body, place, strange), answers)
        for looked, answer in answers.items():
            for place in _places(answer):
                for strange in STRANGE:
                    _driven(body, answers | {looked: _with(answer, place, strange)})
