"""Why a field of the result is there, and of what field of commercetools it was made: for the explain page."""

from collections.abc import Iterator

import msgspec

from ferrata.sources.commercetools.notification import Notification
from ferrata.sources.contract import CatalogChange, Mapped, ProfileChange, Reason, TrackedEvent

_EVENT = {
    "unique_id": ("/id", "the same for the same thing that happened, however often it is told"),
    "value": ("/totalPrice", "in major units"),
    "currency": ("/totalPrice/currencyCode", ""),
    "occurred_at": ("/createdAt", "when it happened, not when it arrived"),
    "person/email": ("/customerEmail", ""),
    "person/external_id": ("/customerId", ""),
}
_PROPERTIES = {
    "OrderId": ("/id", "Klaviyo's guide"),
    "OrderNumber": ("/orderNumber", "Klaviyo's guide"),
    "Items": ("/lineItems", "Klaviyo's guide"),
    "ItemNames": ("/lineItems", "names in the preferred locale"),
    "SKUs": ("/lineItems", "Klaviyo's guide"),
    "ProductIDs": ("/lineItems", "the ids of catalogue items"),
    "Categories": ("/lineItems", "of the products' categories, each with those above it"),
    "Brands": ("/lineItems", "the attribute that product.brandAttribute names"),
    "Total": ("/totalPrice", "Klaviyo's guide"),
    "Currency": ("/totalPrice/currencyCode", "Klaviyo's guide"),
    "Tax": ("/taxedPrice/totalTax", "Klaviyo's guide"),
    "Shipping": ("/shippingInfo/price", "Klaviyo's guide"),
    "BillingAddress": ("/billingAddress", "Klaviyo's guide"),
    "ShippingAddress": ("/shippingAddress", "Klaviyo's guide"),
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


def explained(mapped: Mapped, seen: Notification) -> Mapped:
    fields = [
        *(reason for place, event in enumerate(mapped.events) for reason in _of_event(place, event, seen)),
        *(reason for place, change in enumerate(mapped.profiles) for reason in _of_profile(place, change, seen)),
        *(reason for place, change in enumerate(mapped.catalog) for reason in _of_change(place, change, seen)),
    ]
    return msgspec.structs.replace(mapped, fields=tuple(fields))


def _of_event(place: int, event: TrackedEvent, seen: Notification) -> Iterator[Reason]:
    base = _base(seen, "order")
    for name, (source, why) in _EVENT.items():
        yield Reason(f"/events/{place}/{name}", base + source, why)
    for name in event.properties:
        source, why = _PROPERTIES.get(name, (f"/{_escaped(name)}", "the order's or the line's own field"))
        yield Reason(f"/events/{place}/properties/{_escaped(name)}", base + source, why)


def _of_profile(place: int, change: ProfileChange, seen: Notification) -> Iterator[Reason]:
    base = _base(seen, "customer")
    for name, value in change.attributes.items():
        why = "taken away by this message" if value is None else ""
        yield Reason(f"/profiles/{place}/attributes/{_escaped(name)}", base + _CUSTOMER.get(name, ""), why)


def _of_change(place: int, change: CatalogChange, seen: Notification) -> Iterator[Reason]:
    base = _base(seen, seen.resource)
    for name in change.attributes:
        source, why = _ITEM.get(name, ("", "always so"))
        yield Reason(f"/catalog/{place}/attributes/{_escaped(name)}", base + source if source else "", why)


def _base(seen: Notification, what: str) -> str:
    """Where the thing was read: in the message, or looked up."""
    return f"/{what}" if isinstance(seen.body.get(what), dict) else f"lookup:{what}/{seen.resource_id}#"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
