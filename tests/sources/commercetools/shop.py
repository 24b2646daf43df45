"""Orders, customers and products of commercetools, as tests need them."""

from typing import Any

CREATED, CHANGED = "2026-11-01T10:00:00.000Z", "2026-11-02T11:30:00.000Z"
CHANNEL = "03c22295-79b0-4838-bc4c-9724133a27ce"


def money(cents: int, currency: str = "EUR", digits: int = 2) -> dict[str, Any]:
    return {"type": "centPrecision", "currencyCode": currency, "centAmount": cents, "fractionDigits": digits}


def line(id_: str, cents: int, product: str = "shirt", quantity: int = 1) -> dict[str, Any]:
    return {
        "id": id_,
        "productId": product,
        "name": {"en": f"A {product}", "de": f"Ein {product}"},
        "productSlug": {"en": product},
        "variant": {"id": 1, "sku": f"SKU-{product}", "attributes": [{"name": "brand", "value": {"en": "Acme"}}]},
        "price": {"value": money(cents // quantity)},
        "quantity": quantity,
        "totalPrice": money(cents),
    }


def order(id_: str = "order-1", **fields: Any) -> dict[str, Any]:
    whole = {
        "id": id_,
        "version": 3,
        "orderNumber": "1001",
        "createdAt": CREATED,
        "lastModifiedAt": CHANGED,
        "customerEmail": "jane@example.com",
        "customerId": "customer-1",
        "orderState": "Open",
        "lineItems": [line("line-1", 3000, quantity=2), line("line-2", 2000, "hat")],
        "customLineItems": [],
        "totalPrice": money(5000),
    }
    return whole | fields


def payment(*transactions: dict[str, Any], id_: str = "payment-1") -> dict[str, Any]:
    return {
        "id": id_,
        "version": 2,
        "lastModifiedAt": CHANGED,
        "transactions": list(transactions),
        "interfaceInteractions": [{"card": "4242"}],
    }


def transaction(id_: str, cents: int, type_: str = "Refund", state: str = "Success", **fields: Any) -> dict[str, Any]:
    return {"id": id_, "type": type_, "state": state, "amount": money(cents), **fields}


def customer(**fields: Any) -> dict[str, Any]:
    whole = {
        "id": "customer-1",
        "version": 4,
        "email": "Jane@Example.com",
        "firstName": "Jane",
        "createdAt": CREATED,
        "lastModifiedAt": CHANGED,
        "addresses": [{"id": "a", "streetName": "Main St", "city": "Berlin", "country": "DE", "phone": "030 23125 000"}],
        "billingAddressIds": ["a"],
    }
    return whole | fields


def product(id_: str = "shirt", *, published: bool = True, variants: int = 1, **fields: Any) -> dict[str, Any]:
    def variant(number: int) -> dict[str, Any]:
        return {
            "id": number,
            "sku": f"SKU-{id_}" + (f"-{number}" if number > 1 else ""),
            "prices": [{"id": "p", "value": money(1500)}],
            "images": [{"url": f"https://img.example.com/{id_}-{number}.jpg"}],
            "availability": {"availableQuantity": 7, "channels": {CHANNEL: {"availableQuantity": 0}}},
        }

    current = {
        "name": {"en": f"A {id_}", "de": f"Ein {id_}"},
        "slug": {"en": id_},
        "description": {"en": "Fine"},
        "categories": [{"typeId": "category", "id": "pants"}],
        "masterVariant": variant(1),
        "variants": [variant(number) for number in range(2, variants + 1)],
    }
    data = {"published": published, "current": current, "staged": current}
    return {"id": id_, "version": 9, "createdAt": CREATED, "lastModifiedAt": CHANGED, "masterData": data} | fields


CATEGORIES = [
    {"id": "women", "version": 2, "name": {"en": "Women"}, "ancestors": [], "createdAt": CREATED},
    {
        "id": "pants",
        "version": 1,
        "name": {"en": "Pants"},
        "ancestors": [{"typeId": "category", "id": "women"}],
        "createdAt": CREATED,
    },
]


def message(type_: str, resource: str, id_: str, **fields: Any) -> dict[str, Any]:
    return {
        "notificationType": "Message",
        "id": f"message-{type_}-{fields.get('resourceVersion', 3)}",
        "projectKey": "shop",
        "type": type_,
        "resource": {"typeId": resource, "id": id_},
        "resourceVersion": 3,
        "sequenceNumber": 2,
        "version": 1,
        "createdAt": "2026-11-02T11:30:01.000Z",
        "lastModifiedAt": "2026-11-02T11:30:01.000Z",
    } | fields


def change(kind: str, resource: str, id_: str, **fields: Any) -> dict[str, Any]:
    return {
        "notificationType": kind,
        "projectKey": "shop",
        "resource": {"typeId": resource, "id": id_},
        "version": 5,
        "oldVersion": 4,
        "modifiedAt": CHANGED,
    } | fields


def not_included(type_: str, resource: str, id_: str, **fields: Any) -> dict[str, Any]:
    whole = message(type_, resource, id_, **fields)
    del whole["type"]
    return whole | {"payloadNotIncluded": {"reason": "Payload too big", "payloadType": type_}}
