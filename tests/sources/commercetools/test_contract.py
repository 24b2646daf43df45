"""commercetools fulfils the contract of all sources."""

import base64
import json
from collections.abc import Sequence
from typing import Any, ClassVar

from ferrata.sources.commercetools import SOURCE
from ferrata.sources.contract import Received
from tests.conftest import START
from tests.sources.commercetools import shop
from tests.sources.contract import SourceContract


class TestCommercetools(SourceContract):
    source = SOURCE
    settings: ClassVar[dict[str, Any]] = {"projectKey": "shop", "push": {"secret": "a secret of the shop"}}
    lookups: ClassVar[dict[str, Any]] = {
        "order/order-1": shop.order(orderState="Complete", version=4),
        "orders_of_payment/payment-1": [shop.order()],
        "product/shirt": shop.product("shirt"),
        "customer/customer-1": shop.customer(),
        "category/women": shop.CATEGORIES[0],
        "inventory/entry-1": {"id": "entry-1", "sku": "SKU-shirt", "availableQuantity": 3},
    }

    def deliveries(self) -> Sequence[Received]:
        messages = [
            shop.message("CustomerCreated", "customer", "customer-1", customer=shop.customer(), resourceVersion=1),
            shop.message("OrderCreated", "order", "order-1", order=shop.order()),
            shop.message("OrderStateChanged", "order", "order-1", orderState="Complete", resourceVersion=4),
            shop.message("PaymentTransactionAdded", "payment", "payment-1", transaction=shop.transaction("tx-1", 1000)),
            shop.message("PaymentTransactionAdded", "payment", "payment-1", transaction=shop.transaction("tx-2", 500), id="m-2"),
            shop.change("ResourceUpdated", "customer", "customer-1"),
            shop.message("ProductPublished", "product", "shirt"),
            shop.change("ResourceUpdated", "category", "women"),
            shop.change("ResourceUpdated", "inventory-entry", "entry-1"),
            shop.change("ResourceDeleted", "product", "hat"),
            shop.change("ResourceCreated", "subscription", "s"),
        ]
        batch = {"Records": [{"body": json.dumps(each)} for each in messages[:2]] + [{"body": "{oops"}]}
        return [_sent(batch), *(_sent(_pushed(each)) for each in messages[2:])]

    def forged(self) -> Received:
        told = shop.message("OrderCreated", "order", "order-9", order=shop.order("order-9"))
        return Received(body=json.dumps(told).encode(), at=START, headers={"authorization": "Bearer guessed"})


def _pushed(message: Any) -> Any:
    return {"message": {"data": base64.b64encode(json.dumps(message).encode()).decode(), "messageId": "1"}}


def _sent(body: Any) -> Received:
    return Received(body=json.dumps(body).encode(), at=START, headers={"authorization": "Bearer a secret of the shop"})
