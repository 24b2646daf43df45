"""Why a field of the result is there, and of what field of commercetools it was made: for the explain page."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ferrata.sources.commercetools.notification import Notification
from ferrata.sources.commercetools.reading import Json, amount, first_instant, listed, within
from ferrata.sources.contract import CatalogChange, LookedUp, Lookup, Mapped, ProfileChange, Reason, TrackedEvent

_OWN = "the order's or the line's own field"
_GUIDE = "Klaviyo's guide"
_PERSON = {"person/email": "/customerEmail", "person/external_id": "/customerId"}
_SAME = "the same for the same thing that happened, however often it is told"
_ORDER = {
    "OrderId": ("/id", _GUIDE),
    "OrderNumber": ("/orderNumber", _GUIDE),
    "Items": ("/lineItems", _GUIDE),
    "ItemNames": ("/lineItems", "names in the preferred locale"),
    "ItemCount": ("/lineItems", "their quantities together"),
    "Subtotal": ("/lineItems", "their totals together"),
    "SKUs": ("/lineItems", _GUIDE),
    "ProductIDs": ("/lineItems", "the ids of catalogue items"),
    "Categories": ("/lineItems", "of the products' categories, each with those above it"),
    "Brands": ("/lineItems", "the attribute that product.brandAttribute names"),
    "Total": ("/totalPrice", _GUIDE),
    "Currency": ("/totalPrice/currencyCode", _GUIDE),
    "Tax": ("/taxedPrice/totalTax", _GUIDE),
    "Shipping": ("/shippingInfo/price", _GUIDE),
    "BillingAddress": ("/billingAddress", _GUIDE),
    "ShippingAddress": ("/shippingAddress", _GUIDE),
}
_LINE = {
    "ProductID": ("/productId", _GUIDE),
    "VariantID": ("/variant/sku", _GUIDE),
    "SKU": ("/variant/sku", _GUIDE),
    "ProductName": ("/name", "in the preferred locale"),
    "ProductURL": ("/productSlug", "put into productUrlTemplate"),
    "ImageURL": ("/variant/images/0/url", "the first image"),
    "Categories": ("/productId", "of the product's categories, each with those above it"),
    "Brand": ("/variant/attributes", "the attribute that product.brandAttribute names"),
    "ProductBrand": ("/variant/attributes", "the attribute that product.brandAttribute names"),
    "Quantity": ("/quantity", _GUIDE),
    "ItemPrice": ("/price", _GUIDE),
    "RowTotal": ("/totalPrice", _GUIDE),
    "Currency": ("/totalPrice/currencyCode", _GUIDE),
}
_CUSTOMER = {
    "first_name": "/firstName",
    "last_name": "/lastName",
    "title": "/title",
    "organization": "/companyName",
    "location": "/addresses",
    "properties": "/custom/fields",
}
_ITEM = {
    "title": ("/name", "in the preferred locale"),
    "description": ("/description", "in the preferred locale"),
    "url": ("/slug", "put into product_url_template"),
    "image_full_url": ("/masterVariant/images/0/url", "the first image"),
    "price": ("/masterVariant/prices", "the price for everybody, in the preferred currency"),
    "custom_metadata": ("/masterVariant/prices", "for templates in other languages, currencies and countries"),
    "inventory_quantity": ("/availability", "of the chosen channels"),
    "name": ("/name", "with the names of all categories above"),
}


def explained(mapped: Mapped, seen: Notification, looked_up: LookedUp) -> Mapped:
    order = _order(seen, looked_up)
    fields = [
        *(reason for place, event in enumerate(mapped.events) for reason in _of_event(place, event, seen, order)),
        *(reason for place, change in enumerate(mapped.profiles) for reason in _of_profile(place, change, seen)),
        *(reason for place, change in enumerate(mapped.catalog) for reason in _of_change(place, change, seen, looked_up)),
    ]
    return msgspec.structs.replace(mapped, fields=tuple(fields))


class _Read(msgspec.Struct, frozen=True):
    """Something that was read, and where it stands."""

    base: str
    thing: Json

    def at(self, pointer: str) -> str:
        """The place below it; empty if there is nothing, so that no reason names a place that is not there."""
        there: Any = self.thing
        for name in pointer.strip("/").split("/"):
            there = listed(there)[:1] if name == "0" else within(there[0] if isinstance(there, list) and there else there, name)
        return "" if there in (None, []) else self.base + pointer


def _order(seen: Notification, looked_up: LookedUp) -> _Read:
    """The order that events are about: in the message, read by its id, or found by its payment."""
    if isinstance(told := seen.body.get("order"), dict):
        return _Read("/order", told)
    if isinstance(read := looked_up.get(Lookup("order", seen.resource_id)), dict):
        return _Read(f"lookup:order/{seen.resource_id}#", read)
    paid = listed(looked_up.get(Lookup("orders_of_payment", seen.resource_id)))
    return _Read(f"lookup:orders_of_payment/{seen.resource_id}#/0", paid[0] if paid else {})


def _line(event: TrackedEvent, order: _Read) -> _Read | None:
    """The line that this is the Ordered Product of."""
    for name in ("lineItems", "customLineItems"):
        for place, line in enumerate(listed(order.thing.get(name))):
            if line.get("id") == event.unique_id:
                return _Read(f"{order.base}/{name}/{place}", line)
    return None


def _of_event(place: int, event: TrackedEvent, seen: Notification, order: _Read) -> Iterator[Reason]:
    line = _line(event, order)
    about = line or order
    at = f"/events/{place}"
    if about.thing.get("id") == event.unique_id:
        yield Reason(f"{at}/unique_id", about.at("/id"), _SAME)
    else:
        yield Reason(f"{at}/unique_id", "", f"{_SAME}: made of the order's id and that of what happened to it")
    if source := _value(event, seen, about):
        yield Reason(f"{at}/value", source, "in major units")
    yield Reason(f"{at}/currency", about.at("/totalPrice/currencyCode"))
    yield Reason(f"{at}/occurred_at", *_when(event, seen, order, is_line=line is not None))
    yield from (Reason(f"{at}/{name}", order.at(source)) for name, source in _PERSON.items())
    known = _ORDER if line is None else _LINE
    for name in event.properties:
        if found := _property(name, about, known):
            yield Reason(f"{at}/properties/{_escaped(name)}", *found)
        elif line is not None and name in _ORDER:
            yield Reason(f"{at}/properties/{name}", order.at(_ORDER[name][0]), _ORDER[name][1])


def _value(event: TrackedEvent, seen: Notification, about: _Read) -> str:
    """Whose amount it is: what has this very amount."""
    for base, money in (("/transaction/amount", within(seen.body, "transaction", "amount")), ("", about.thing.get("totalPrice"))):
        found = amount(money)
        if found is not None and found.amount == event.value:
            return base or about.at("/totalPrice")
    return ""


def _property(name: str, about: _Read, known: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """Where a property comes from; None where only its value can tell."""
    if name in known and (source := about.at(known[name][0])):
        return source, known[name][1]
    if about.thing.get(name) is not None:
        return f"{about.base}/{_escaped(name)}", _OWN
    is_custom = within(about.thing, "custom", "fields", name) is not None
    return (f"{about.base}/custom/fields/{_escaped(name)}", "a custom field") if is_custom else None


def _when(event: TrackedEvent, seen: Notification, order: _Read, *, is_line: bool) -> tuple[str, str]:
    why = "when it happened, not when it arrived"
    if is_line:
        return order.at("/createdAt"), f"{why}; each line a second after the one before"
    if first_instant(within(seen.body, "transaction", "timestamp")) == event.occurred_at:
        return "/transaction/timestamp", why
    for name in ("createdAt", "lastModifiedAt"):
        if first_instant(order.thing.get(name)) == event.occurred_at:
            return order.at(f"/{name}"), why
    return ("/createdAt" if first_instant(seen.body.get("createdAt")) == event.occurred_at else ""), why


def _of_profile(place: int, change: ProfileChange, seen: Notification) -> Iterator[Reason]:
    base = _base(seen, "customer")
    for name, value in change.attributes.items():
        why = "taken away by this message" if value is None else ""
        yield Reason(f"/profiles/{place}/attributes/{_escaped(name)}", base + _CUSTOMER.get(name, ""), why)


def _of_change(place: int, change: CatalogChange, seen: Notification, looked_up: LookedUp) -> Iterator[Reason]:
    base = _base(seen, seen.resource)
    told = seen.body.get(seen.resource)
    whole = told if isinstance(told, dict) else looked_up.get(Lookup(seen.resource, seen.resource_id))
    shown = within(whole, "masterData", "current")
    thing = _Read(f"{base}/masterData/current", shown) if isinstance(shown, dict) else _Read(base, whole or {})
    sku = change.attributes.get("sku")
    for name in change.attributes:
        if name == "sku":
            yield Reason(f"/catalog/{place}/attributes/sku", _variant(thing, sku, "/sku"), "which variant it is")
            continue
        pointer, why = _ITEM.get(name, ("", "always so"))
        _, is_variants, rest = pointer.partition("/masterVariant")
        source = _variant(thing, sku, rest) if is_variants and sku else thing.at(pointer) if pointer else ""
        if source or not pointer:
            yield Reason(f"/catalog/{place}/attributes/{_escaped(name)}", source, why)


def _variant(product: _Read, sku: Any, pointer: str) -> str:
    """A place of the variant with this SKU; empty where the product has none."""
    if within(product.thing, "masterVariant", "sku") == sku:
        return product.at(f"/masterVariant{pointer}")
    for place, variant in enumerate(listed(product.thing.get("variants"))):
        if variant.get("sku") == sku:
            return _Read(f"{product.base}/variants/{place}", variant).at(pointer)
    return ""


def _base(seen: Notification, what: str) -> str:
    """Where the thing was read: in the message, or looked up."""
    return f"/{what}" if isinstance(seen.body.get(what), dict) else f"lookup:{what}/{seen.resource_id}#"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
