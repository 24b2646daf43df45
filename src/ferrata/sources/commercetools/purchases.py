"""An order of commercetools as the commerce room's order.

Beside Klaviyo's own names go the order's own fields, as the official plugin sends them, so that segments and templates made with
it go on working.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from ferrata.commerce.model import Line, Order, Product
from ferrata.commerce.money import CurrencyMismatch, Money
from ferrata.sources.commercetools import addresses, taxonomy
from ferrata.sources.commercetools.links import NO_TEMPLATE, product_url
from ferrata.sources.commercetools.phones import e164
from ferrata.sources.commercetools.reading import Json, amount, first_instant, listed, pieces, selected, text_in, within, word
from ferrata.sources.commercetools.settings import CommercetoolsSettings, Selection
from ferrata.sources.contract import PersonRef, Refused

Products = Mapping[str, Json | None]
"""By id, as far as they could be read."""


def has_identity(order: Json) -> bool:
    return bool(word(order.get("customerEmail")) or word(order.get("customerId")))


def purchase(order: Json, products: Products, settings: CommercetoolsSettings, at: datetime) -> Order:
    """
    Raises:
        Refused: the order has no total, without which it is no purchase.
    """
    total = amount(within(order, *settings.order.total.split("."))) or amount(order.get("totalPrice"))
    if total is None:
        raise Refused("The order has no totalPrice.")
    billing = order.get("billingAddress")
    return Order(
        id=str(order.get("id") or ""),
        number=word(order.get("orderNumber")) or None,
        placed_at=first_instant(order.get("createdAt")) or at,
        person=PersonRef(word(order.get("customerEmail")) or None, None, word(order.get("customerId")) or None),
        total=total,
        lines=_lines(order, products, settings),
        subtotal=_subtotal(order),
        tax=_tax(order),
        shipping=_sum(amount(each.get("price")) for each in _shippings(order)),
        discount=_discount(order),
        discount_codes=_codes(order),
        payment_method=_payment_method(order),
        billing_address=addresses.shown(billing),
        shipping_address=addresses.shown(order.get("shippingAddress") or _first_address(order)),
        profile=_profile(billing, settings) if isinstance(billing, dict) else {},
        extra=_own_fields(order, settings),
    )


def with_own_fields(order: Order, raw: Json, settings: CommercetoolsSettings) -> Order:
    """The order for its Ordered Products: lines of products only, each with its own fields."""
    fields = {str(line.get("id")): line for line in listed(raw.get("lineItems"))}
    chosen = settings.order.line_properties
    lines = [
        msgspec.structs.replace(line, extra=_selection(fields[line.id], chosen)) for line in order.lines if line.id in fields
    ]
    return msgspec.structs.replace(order, lines=tuple(lines))


def _lines(order: Json, products: Products, settings: CommercetoolsSettings) -> tuple[Line, ...]:
    lines = [_line(each, products, settings) for each in listed(order.get("lineItems"))]
    return tuple(line for line in [*lines, *map(_custom_line(settings), listed(order.get("customLineItems")))] if line)


def _line(item: Json, products: Products, settings: CommercetoolsSettings) -> Line | None:
    total, id_ = amount(item.get("totalPrice")), str(item.get("id") or "")
    price = amount(within(item, "price", "discounted", "value")) or amount(within(item, "price", "value"))
    if (total is None and price is None) or not id_:
        return None
    quantity = pieces(item.get("quantity"))
    unit = price or Money((total.amount if total else Decimal()) / (quantity or 1), total.currency if total else "XXX")
    product = _product(item, products.get(str(item.get("productId"))), settings)
    return Line(id=id_, product=product, quantity=quantity, unit_price=unit, total=total, unique_id=id_)


def _product(item: Json, product: Json | None, settings: CommercetoolsSettings) -> Product:
    variant = item.get("variant") if isinstance(item.get("variant"), dict) else {}
    name = text_in(item.get("name"), settings.locales)
    known = {
        "productSlug": text_in(item.get("productSlug") or taxonomy.data_of(product).get("slug"), settings.locales),
        "productId": str(item.get("productId") or ""),
        "productKey": str(item.get("productKey") or ""),
        "productName": name,
        "sku": str(within(variant, "sku") or ""),
        "locale": settings.preferred_locale,
    }
    url = product_url(settings.product_url_template, known)
    images = listed(within(variant, "images"))
    return Product(
        id=known["productId"],
        name=name,
        sku=known["sku"] or None,
        variant_id=known["sku"] or None,
        url=None if url == NO_TEMPLATE else url,
        image_url=word(images[0].get("url")) or None if images else None,
        categories=taxonomy.of_product(product, settings.locales),
        brand=_brand(variant, settings),
        price=amount(within(item, "price", "value")),
    )


def _brand(variant: Any, settings: CommercetoolsSettings) -> str | None:
    for attribute in listed(within(variant, "attributes")):
        if attribute.get("name") == settings.product.brand_attribute:
            value = attribute.get("value")
            label = value.get("label", value) if isinstance(value, dict) else value
            return text_in(label, settings.locales) or None
    return None


def _custom_line(settings: CommercetoolsSettings) -> Any:
    def line(item: Json) -> Line | None:
        total = amount(item.get("totalPrice"))
        price = amount(item.get("money")) or total
        if price is None:
            return None
        product = Product(id=str(item.get("slug") or item.get("id") or ""), name=text_in(item.get("name"), settings.locales))
        id_ = str(item.get("id") or "")
        return Line(id=id_, product=product, quantity=pieces(item.get("quantity")), unit_price=price, total=total, unique_id=id_)

    return line


def _subtotal(order: Json) -> Money | None:
    return _sum(amount(line.get("totalPrice")) for line in _all_lines(order))


def _tax(order: Json) -> Money | None:
    """As commercetools says, or of the two totals that it names beside: ``totalTax`` may be absent."""
    if (told := amount(within(order, "taxedPrice", "totalTax"))) is not None:
        return told
    gross, net = amount(within(order, "taxedPrice", "totalGross")), amount(within(order, "taxedPrice", "totalNet"))
    return _sum((gross, -net)) if gross is not None and net is not None else None


def _discount(order: Json) -> Money | None:
    """Of the whole cart, its lines and its shipping together; None where there is none. A discounted price is a price."""
    total = amount(within(order, "discountOnTotalPrice", "discountedAmount"))
    parts = [(1, each) for one in _shippings(order) for each in listed(within(one, "discountedPrice", "includedDiscounts"))]
    for line in _all_lines(order):
        for some in listed(line.get("discountedPricePerQuantity")):
            included = listed(within(some, "discountedPrice", "includedDiscounts"))
            parts += [(pieces(some.get("quantity")), each) for each in included]
    found = [(number, amount(each.get("discountedAmount"))) for number, each in parts]
    return _sum((total, *(each * number for number, each in found if each is not None)))


def _shippings(order: Json) -> list[Json]:
    """How it is shipped: once, or in several ways to several addresses (``shippingMode`` Multiple)."""
    return listed([order.get("shippingInfo"), *(each.get("shippingInfo") for each in listed(order.get("shipping")))])


def _first_address(order: Json) -> Any:
    return next((each["shippingAddress"] for each in listed(order.get("shipping")) if each.get("shippingAddress")), None)


def _all_lines(order: Json) -> list[Json]:
    return [*listed(order.get("lineItems")), *listed(order.get("customLineItems"))]


def _sum(amounts: Iterable[Money | None]) -> Money | None:
    """Of those that there are; None if there is none, or if they are of several currencies."""
    found = [each for each in amounts if each is not None]
    try:
        return sum(found[1:], found[0]) if found else None
    except CurrencyMismatch:
        return None


def _codes(order: Json) -> tuple[str, ...]:
    """Codes as the customer typed them, where they came along; commercetools refers to them by id otherwise."""
    codes = [within(each, "discountCode", "obj", "code") for each in listed(order.get("discountCodes"))]
    return tuple(code for code in codes if word(code))


def _payment_method(order: Json) -> str | None:
    payments = listed(within(order, "paymentInfo", "payments"))
    methods = [within(each, "obj", "paymentMethodInfo", "method") for each in payments]
    return next((method for method in methods if word(method)), None)


def _profile(billing: Json, settings: CommercetoolsSettings) -> dict[str, Any]:
    told = {
        "location": addresses.location(billing),
        "first_name": billing.get("firstName"),
        "last_name": billing.get("lastName"),
        "phone_number": e164(addresses.phone(billing), billing.get("country")),
        "organization": billing.get("company"),
    }
    return {name: told[name] for name in settings.order.profile_from_address if told[name]}


def _own_fields(order: Json, settings: CommercetoolsSettings) -> dict[str, Any]:
    if "paymentInfo" in order:
        order = {**order, "paymentInfo": _unexpanded(order["paymentInfo"])}
    custom = _selection(within(order, "custom", "fields"), settings.order.custom_fields.properties)
    return {**_selection(order, settings.order.properties), **custom}


def _unexpanded(value: Any) -> Any:
    """References as such: the payments that we had expanded for ourselves are nobody else's business."""
    if isinstance(value, dict):
        return {name: _unexpanded(each) for name, each in value.items() if not (name == "obj" and "typeId" in value)}
    return [_unexpanded(each) for each in value] if isinstance(value, list) else value


def _selection(fields: Any, chosen: Selection) -> dict[str, Any]:
    return selected(fields, chosen.include, chosen.exclude, chosen.map)
