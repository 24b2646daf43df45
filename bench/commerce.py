"""A shop at commercetools, as far as the benches need it: its messages, and an API that answers for its products.

``python -m bench.commerce PORT`` is that API. It answers at once, as no real one does: what a connector asks of it costs only the
asking.
"""

import base64
import json
import re
import sys
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.types import Receive, Scope, Send

PROJECT = "shop"
PRODUCTS = 500
CUSTOMERS = 5_000
LINES = 3
_ID = re.compile(r'"([\w-]+)"')


def message(run: str, number: int) -> dict[str, Any]:
    """``OrderCreated`` of order ``number``; ``run`` keeps the ids of one run apart from another's."""
    lines = [_line(run, number, place) for place in range(LINES)]
    total = sum(line["totalPrice"]["centAmount"] for line in lines)
    order = {
        "id": f"{run}-{number}",
        "version": 1,
        "orderNumber": f"{number}",
        "createdAt": "2026-11-20T10:00:00.000Z",
        "lastModifiedAt": "2026-11-20T10:00:00.000Z",
        "customerId": f"customer-{number % CUSTOMERS}",
        "customerEmail": f"customer{number % CUSTOMERS}@shop.example",
        "orderState": "Open",
        "totalPrice": _money(total),
        "billingAddress": {
            "firstName": "Ada",
            "lastName": "Example",
            "streetName": "Main Street",
            "city": "Berlin",
            "country": "DE",
        },
        "lineItems": lines,
        "customLineItems": [],
        "custom": {"type": {"typeId": "type", "id": "order-type"}, "fields": {"giftWrap": False, "channel": "web"}},
    }
    return {
        "notificationType": "Message",
        "projectKey": PROJECT,
        "id": f"message-{run}-{number}",
        "version": 1,
        "sequenceNumber": 1,
        "resource": {"typeId": "order", "id": order["id"]},
        "resourceVersion": 1,
        "createdAt": "2026-11-20T10:00:00.000Z",
        "lastModifiedAt": "2026-11-20T10:00:00.000Z",
        "type": "OrderCreated",
        "order": order,
    }


def pushed(run: str, number: int) -> bytes:
    """As Google Pub/Sub pushes it: the one envelope that the official plugin takes."""
    data = base64.b64encode(json.dumps(message(run, number)).encode()).decode()
    return json.dumps(
        {"message": {"data": data, "messageId": f"{run}-{number}"}, "subscription": "projects/p/subscriptions/s"}
    ).encode()


def products(ids: list[str]) -> list[dict[str, Any]]:
    return [_product(id_) for id_ in ids]


def _line(run: str, number: int, place: int) -> dict[str, Any]:
    product = f"product-{(number * LINES + place) % PRODUCTS}"
    return {
        "id": f"{run}-{number}-{place}",
        "productId": product,
        "name": {"en": f"Linen shirt {place}", "de": f"Leinenhemd {place}"},
        "productSlug": {"en": product, "de": product},
        "variant": {
            "id": 1,
            "sku": f"SKU-{product}",
            "images": [{"url": f"https://img.example/{product}.jpg"}],
            "attributes": [],
        },
        "price": {"id": "price", "value": _money(1995)},
        "quantity": 2,
        "totalPrice": _money(3990),
    }


def _money(cents: int) -> dict[str, Any]:
    return {"type": "centPrecision", "currencyCode": "EUR", "centAmount": cents, "fractionDigits": 2}


def _product(id_: str) -> dict[str, Any]:
    women = {"id": "women", "name": {"en": "Women", "de": "Damen"}, "ancestors": []}
    shirts = {
        "id": "shirts",
        "name": {"en": "Shirts", "de": "Hemden"},
        "ancestors": [{"typeId": "category", "id": "women", "obj": women}],
    }
    current = {
        "name": {"en": "Linen shirt"},
        "slug": {"en": id_},
        "categories": [{"typeId": "category", "id": "shirts", "obj": shirts}],
        "masterVariant": {"id": 1, "sku": f"SKU-{id_}"},
        "variants": [],
    }
    return {"id": id_, "version": 1, "masterData": {"published": True, "current": current}}


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """Tokens for everybody; one product by its id, several by ``where``."""
    while (await receive()).get("more_body"):
        pass
    body = json.dumps(_answer(scope["path"], dict(parse_qsl(scope["query_string"].decode())))).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _answer(path: str, asked: dict[str, str]) -> dict[str, Any]:
    if path.endswith("/oauth/token"):
        return {"access_token": "token", "token_type": "Bearer", "expires_in": 172_800, "scope": f"manage_project:{PROJECT}"}
    if path.endswith("/products"):
        found = products(_ID.findall(asked.get("where", "")))
        return {"limit": len(found), "offset": 0, "count": len(found), "results": found}
    return _product(path.rpartition("/")[2])


if __name__ == "__main__":
    uvicorn.run(answering, port=int(sys.argv[1]), log_level="critical", lifespan="off")
