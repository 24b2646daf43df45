"""One visit to the shop, from the first product looked at to the parcel: which events it makes, and how far apart. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from ferrata.demo.catalogue import PRODUCTS, SHOP_ADDRESS, Product

# Shares of those who came so far; together about one order for every eight visits, which is good for a small shop.
ADDS, CHECKS_OUT, PAYS = 0.42, 0.56, 0.68
CANCELS, RETURNS = 0.04, 0.07

Basket = list[tuple[Product, int]]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happens ``after`` the moment before it."""

    after: timedelta
    metric: str
    attributes: dict[str, Any]
    value: Decimal | None = None


def visit(random: Random, order_number: str) -> Iterator[Moment]:
    """What one person does in one visit, and what becomes of the order, if it comes to one."""
    seen = random.choices(PRODUCTS, [product.popularity for product in PRODUCTS], k=random.choice((1, 1, 2, 2, 3, 4)))
    for product in seen:
        yield Moment(_seconds(random, 20, 180), "Viewed Product", _looked_at(product), product.price)
    if random.random() > ADDS:
        return
    basket = [
        (product, random.choice((1, 1, 1, 2))) for product in dict.fromkeys(random.sample(seen, random.randint(1, len(seen))))
    ]
    for product, quantity in basket:
        attributes = {"AddedItem": product.as_item(quantity), "$value": float(product.price * quantity)}
        yield Moment(_seconds(random, 10, 90), "Added to Cart", attributes, product.price * quantity)
    if random.random() > CHECKS_OUT:
        return
    ordered, worth = _ordered(basket, order_number), _worth(basket)
    checkout = {**ordered, "CheckoutURL": f"{SHOP_ADDRESS}/checkout/{order_number}"}
    yield Moment(_seconds(random, 30, 240), "Started Checkout", checkout, worth)
    if random.random() > PAYS:
        return
    yield Moment(_seconds(random, 60, 400), "Placed Order", {**ordered, "OrderId": order_number}, worth)
    yield from _what_becomes_of(random, {**ordered, "OrderId": order_number}, worth)


def _what_becomes_of(random: Random, order: dict[str, Any], worth: Decimal) -> Iterator[Moment]:
    if random.random() < CANCELS:
        reason = random.choice(("Ordered twice", "Found it elsewhere", "Takes too long"))
        yield Moment(_seconds(random, 1800, 30_000), "Cancelled Order", {**order, "Reason": reason}, worth)
        return
    yield Moment(timedelta(hours=random.uniform(14, 60)), "Fulfilled Order", {**order, "Carrier": "Alpine Post"}, worth)
    if random.random() < RETURNS:
        reason = random.choice(("Does not fit", "Not as expected", "Damaged on the way"))
        yield Moment(timedelta(days=random.uniform(4, 14)), "Refunded Order", {**order, "Reason": reason}, worth)


def _looked_at(product: Product) -> dict[str, Any]:
    item = product.as_item(1)
    return {name: item[name] for name in ("ProductID", "ProductName", "ProductURL", "ProductCategories")} | {
        "Price": float(product.price)
    }


def _ordered(basket: Basket, order_number: str) -> dict[str, Any]:
    return {
        "CheckoutId": f"checkout-{order_number}",
        "Items": [product.as_item(quantity) for product, quantity in basket],
        "ItemNames": [product.name for product, _ in basket],
    }


def _worth(basket: Basket) -> Decimal:
    return sum((product.price * quantity for product, quantity in basket), Decimal(0))


def _seconds(random: Random, least: int, most: int) -> timedelta:
    return timedelta(seconds=random.randint(least, most))
