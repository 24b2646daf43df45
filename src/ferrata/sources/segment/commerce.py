"""Segment's e-commerce events (spec v2) under the names that Klaviyo's flows and reports know. No I/O.

https://segment.com/docs/connections/spec/ecommerce/v2/
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ferrata.commerce.metrics import Metric
from ferrata.sources.segment.calls import sequence_of_things

NAMES: Mapping[str, str] = {
    "Products Searched": Metric.SEARCHED_SITE,
    "Product List Viewed": Metric.VIEWED_CATEGORY,
    "Product Viewed": Metric.VIEWED_PRODUCT,
    "Product Added": Metric.ADDED_TO_CART,
    "Product Removed": Metric.REMOVED_FROM_CART,
    "Checkout Started": Metric.STARTED_CHECKOUT,
    "Order Completed": Metric.PLACED_ORDER,
    "Order Refunded": Metric.REFUNDED_ORDER,
    "Order Cancelled": Metric.CANCELLED_ORDER,
    "Coupon Applied": Metric.APPLIED_COUPON,
}
"""What is not here keeps its own name."""

_PRODUCT = {
    "product_id": "ProductID",
    "sku": "SKU",
    "name": "ProductName",
    "quantity": "Quantity",
    "price": "ItemPrice",
    "brand": "Brand",
    "variant": "Variant",
    "url": "ProductURL",
    "image_url": "ImageURL",
}
_WHOLE = {
    "order_id": "OrderId",
    "checkout_id": "CheckoutId",
    "cart_id": "CartId",
    "coupon": "DiscountCode",
    "discount": "DiscountValue",
    "shipping": "Shipping",
    "tax": "Tax",
    "subtotal": "Subtotal",
    "query": "SearchQuery",
    "list_id": "CollectionId",
    "category": "Category",
}


def name_of(event: str) -> str:
    """The metric of a track call."""
    return str(NAMES.get(event, event))


def properties_of(event: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The call's own properties and, of an event of commerce, the same under Klaviyo's names beside them."""
    if event not in NAMES:
        return dict(given)
    found = dict(given)
    for theirs, ours in _WHOLE.items():
        if given.get(theirs) is not None:
            found.setdefault(ours, given[theirs])
    products = sequence_of_things(given.get("products"))
    if products:
        found.setdefault("Items", [product_of(each) for each in products])
        found.setdefault("ItemNames", _distinct(each.get("name") for each in products))
        found.setdefault("Categories", _distinct(each.get("category") for each in products))
    elif given.get("product_id") is not None or given.get("sku") is not None:
        found = {**product_of(given), **found}
    return found


def product_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """A product under Klaviyo's names."""
    found = {ours: given[theirs] for theirs, ours in _PRODUCT.items() if given.get(theirs) is not None}
    if given.get("category"):
        found["ProductCategories"] = [given["category"]]
    price, quantity = decimal_of(given.get("price")), decimal_of(given.get("quantity"))
    if price is not None:
        found["RowTotal"] = price * (Decimal(1) if quantity is None else quantity)
    return found


def value_of(event: str, given: Mapping[str, Any]) -> Decimal | None:
    """What it was worth: the total where an order names one, else the revenue or value, else the price of the one product."""
    names = ("total", "revenue", "value") if event.startswith(("Order ", "Checkout ")) else ("value", "revenue", "total")
    for name in names:
        found = decimal_of(given.get(name))
        if found is not None:
            return found
    if event in ("Product Added", "Product Removed", "Product Viewed"):
        price, quantity = decimal_of(given.get("price")), decimal_of(given.get("quantity"))
        return None if price is None else price * (Decimal(1) if quantity is None else quantity)
    return None


def currency_of(given: Mapping[str, Any]) -> str | None:
    text = given.get("currency")
    return text.upper() if isinstance(text, str) and len(text) == 3 and text.isascii() and text.isalpha() else None


def decimal_of(value: object) -> Decimal | None:
    """A number, or a text that is one; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) < Decimal(10) ** 15 else None


def _distinct(texts: Any) -> list[str]:
    return list(dict.fromkeys(text for text in texts if isinstance(text, str) and text))
