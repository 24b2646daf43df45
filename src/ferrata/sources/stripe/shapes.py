"""Reads Stripe's objects in each shape that its API has had: before and since 2025-03-31.basil, and older ones still.

Since basil the period of a subscription stands at its items, and what an invoice belongs to under ``parent``.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ferrata.commerce.money import Money

Thing = Mapping[str, Any]

# Where Stripe's API counts otherwise than ISO 4217 (docs: currencies, special cases).
_STRIPES_OWN = {"ISK": 2, "UGX": 2, "MGA": 0, "IQD": 2, "LYD": 2, "CLF": 2}


def at(value: Any) -> datetime | None:
    """An instant: seconds since 1970, or ISO 8601 text as in API v2."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def money(units: Any, currency: Any) -> Money | None:
    """Smallest units of Stripe as money; None where either is missing."""
    if units is None or isinstance(units, bool) or not isinstance(currency, str) or len(currency) != 3:
        return None
    try:
        amount = Decimal(str(units))
        code = currency.upper()
        decimals = _STRIPES_OWN.get(code)
        zero = Money.of_minor(0, code, decimals)
        return Money(amount.scaleb(zero.amount.as_tuple().exponent), code)  # type: ignore[arg-type]  # finite, so an int
    except (InvalidOperation, ValueError):
        return None


def thing(value: Any) -> Thing:
    """An object; empty where there is none, or only its id."""
    return value if isinstance(value, Mapping) else {}


def id_of(value: Any) -> str | None:
    """The id of something that may be expanded or not."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) and found else None


def text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def items_of(value: Any) -> list[Thing]:
    """The elements of a list object, or of a plain list as in the oldest versions."""
    listed = value.get("data") if isinstance(value, Mapping) else value
    return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []


def subscription_items(subscription: Thing) -> list[Thing]:
    """Its items; a subscription of the oldest shape has one plan and no items."""
    found = items_of(subscription.get("items"))
    if found:
        return found
    plan = subscription.get("price") or subscription.get("plan")
    return [{"price": plan, "quantity": subscription.get("quantity", 1)}] if plan else []


def price_of(item: Thing) -> Thing:
    return thing(item.get("price")) or thing(item.get("plan"))


def unit_amount(price: Thing) -> Any:
    """What one of it costs, in smallest units, which may be a decimal text."""
    for name in ("unit_amount", "unit_amount_decimal", "amount", "amount_decimal"):
        if price.get(name) is not None:
            return price[name]
    return None


def recurring(price: Thing) -> tuple[str | None, int]:
    """How often: ``("month", 1)``."""
    rhythm = thing(price.get("recurring")) or price
    count = rhythm.get("interval_count")
    return text(rhythm.get("interval")), count if isinstance(count, int) and count > 0 else 1


def period(subscription: Thing) -> tuple[datetime | None, datetime | None]:
    """The current period, of the subscription or, since basil, of its items: of several, the one that ends first."""
    begin, end = at(subscription.get("current_period_start")), at(subscription.get("current_period_end"))
    if end is not None:
        return begin, end
    ends = [
        (until, at(item.get("current_period_start")))
        for item in items_of(subscription.get("items"))
        if (until := at(item.get("current_period_end")))
    ]
    if not ends:
        return begin, None
    until, since = min(ends, key=lambda pair: pair[0])
    return since, until


def subscription_of(invoice: Thing) -> str | None:
    """The subscription that an invoice is for."""
    since_basil = thing(thing(invoice.get("parent")).get("subscription_details")).get("subscription")
    return id_of(invoice.get("subscription")) or id_of(since_basil) or _subscription_of_lines(invoice)


def intent_of(invoice: Thing) -> str | None:
    """The payment intent that paid an invoice, where the invoice says it."""
    if found := id_of(invoice.get("payment_intent")):
        return found
    payments = items_of(invoice.get("payments"))
    return next(filter(None, (id_of(thing(each.get("payment")).get("payment_intent")) for each in payments)), None)


def parts_of_name(name: Any) -> dict[str, str]:
    """A full name as Klaviyo's two: the last word is the last name."""
    words = (text(name) or "").split()
    if len(words) < 2:
        return {"first_name": words[0]} if words else {}
    return {"first_name": " ".join(words[:-1]), "last_name": words[-1]}


def _subscription_of_lines(invoice: Thing) -> str | None:
    return next(filter(None, map(_subscription_of_line, items_of(invoice.get("lines")))), None)


def _subscription_of_line(line: Thing) -> str | None:
    details = thing(thing(line.get("parent")).get("subscription_item_details"))
    return id_of(line.get("subscription")) or id_of(details.get("subscription"))


def walk(value: Any) -> Iterator[Thing]:
    """Every object in a document, itself first."""
    if isinstance(value, Mapping):
        yield value
        for part in value.values():
            yield from walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from walk(part)
