"""What people look at and look for, and what they do with a cart, as events.

A visit has no id of its own, so the rule is person, thing and second: the same look told twice is one look.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ferrata.commerce.metrics import Metric
from ferrata.commerce.model import Cart, Line, Product
from ferrata.commerce.properties import of_lines
from ferrata.commerce.terms import Terms, present
from ferrata.commerce.tracked import PersonRef, TrackedEvent


def viewed_product(person: PersonRef, product: Product, at: datetime, terms: Terms) -> TrackedEvent:
    """``unique_id``: the product and the second. No value: looking costs nothing. ``Price`` is a property."""
    properties = {
        **product.extra,
        "ProductName": product.name,
        "ProductID": product.id,
        "SKU": product.sku,
        "Categories": list(product.categories),
        "ImageURL": product.image_url,
        "URL": product.url,
        "Brand": product.brand,
        "Price": product.price.amount if product.price else None,
        "CompareAtPrice": product.compare_at.amount if product.compare_at else None,
        "Currency": product.price.currency if product.price else None,
    }
    return terms.event(Metric.VIEWED_PRODUCT, f"viewed:{product.id}:{_second(at)}", at, person, properties)


def viewed_category(person: PersonRef, category: str, at: datetime, terms: Terms, *, url: str | None = None) -> TrackedEvent:
    """``unique_id``: the category and the second."""
    properties = {"Category": category, "Categories": [category], "URL": url}
    return terms.event(Metric.VIEWED_CATEGORY, f"category:{category[:200]}:{_second(at)}", at, person, properties)


def searched_site(person: PersonRef, term: str, at: datetime, terms: Terms, *, results: int | None = None) -> TrackedEvent:
    """``unique_id``: the words, shortened, and the second."""
    properties = {"SearchTerm": term, "ResultCount": results}
    return terms.event(Metric.SEARCHED_SITE, f"searched:{term.strip().lower()[:200]}:{_second(at)}", at, person, properties)


def added_to_cart(cart: Cart, line: Line, terms: Terms) -> TrackedEvent:
    """``unique_id``: cart, line and the shop's id of the change, else its moment. Value: the whole cart afterwards."""
    return _changed(Metric.ADDED_TO_CART, "Added", cart, line, terms)


def removed_from_cart(cart: Cart, line: Line, terms: Terms) -> TrackedEvent:
    """As ``added_to_cart``, with the line as it was before it went."""
    return _changed(Metric.REMOVED_FROM_CART, "Removed", cart, line, terms)


def updated_cart(cart: Cart, terms: Terms) -> TrackedEvent:
    """Quantities changed, or the cart was cleared: ``Items`` is then absent and the value 0."""
    return terms.event(
        Metric.UPDATED_CART,
        f"{cart.id}:updated:{_mark(cart)}",
        cart.updated_at,
        cart.person,
        {**of_cart(cart), "Cleared": not cart.lines},
        money=cart.value,
    )


def applied_coupon(cart: Cart, code: str, terms: Terms, *, accepted: bool, reason: str | None = None) -> TrackedEvent:
    """``unique_id``: cart, code and the moment. ``Accepted`` false: the shop refused the code, and ``Reason`` says why."""
    properties = {**of_cart(cart), "CouponCode": code, "Accepted": accepted, "Reason": reason}
    return terms.event(Metric.APPLIED_COUPON, f"{cart.id}:coupon:{code}:{_mark(cart)}", cart.updated_at, cart.person, properties)


def started_checkout(cart: Cart, terms: Terms) -> TrackedEvent:
    """``unique_id``: cart and second, as in the guide. Value: the cart."""
    at = cart.updated_at
    return terms.event(Metric.STARTED_CHECKOUT, f"{cart.id}_{_second(at)}", at, cart.person, of_cart(cart), money=cart.value)


def abandoned_checkout(cart: Cart, abandoned_at: datetime, terms: Terms) -> TrackedEvent:
    """``unique_id``: cart and last activity, so one silence is one event whoever tells of it and however often."""
    silence = abandoned_at - cart.updated_at
    properties = {
        **of_cart(cart),
        "LastActivityAt": cart.updated_at.astimezone(UTC).isoformat(timespec="seconds"),
        "AbandonedAt": abandoned_at.astimezone(UTC).isoformat(timespec="seconds"),
        "MinutesSinceLastActivity": silence // timedelta(minutes=1),
    }
    unique_id = f"{cart.id}:abandoned:{_moment(cart.updated_at)}"
    return terms.event(Metric.ABANDONED_CHECKOUT, unique_id, abandoned_at, cart.person, properties, money=cart.value)


def of_cart(cart: Cart) -> dict[str, Any]:
    """A cart under the names of the guide; ``CheckoutURL`` is the link that abandoned-cart mails use."""
    return {
        **cart.extra,
        "CartID": cart.id,
        "CheckoutURL": cart.url,
        **present(of_lines(cart.lines)),
        "CartTotal": cart.value.amount,
        "Currency": cart.currency,
        "CouponCodes": list(cart.coupons),
    }


def _changed(metric: Metric, word: str, cart: Cart, line: Line, terms: Terms) -> TrackedEvent:
    product = line.product
    item = present(
        {
            "ProductName": product.name,
            "ProductID": product.id,
            "SKU": product.sku,
            "Categories": list(product.categories),
            "ImageURL": product.image_url,
            "URL": product.url,
            "Price": line.unit_price.amount,
            "Quantity": line.quantity,
        }
    )
    return terms.event(
        metric,
        f"{cart.id}:{word.lower()}:{line.id}:{_mark(cart)}",
        cart.updated_at,
        cart.person,
        {**of_cart(cart), **{f"{word}Item{name}": value for name, value in item.items()}},
        money=cart.value,
    )


def _mark(cart: Cart) -> str:
    return cart.change or _moment(cart.updated_at)


def _second(at: datetime) -> int:
    return int(at.timestamp())


def _moment(at: datetime) -> str:
    """To the millisecond: two changes of a cart within one second are two changes."""
    return f"{Decimal(at.timestamp()):.3f}"
