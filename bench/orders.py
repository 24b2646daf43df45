"""The events of every bench: orders of a shop with five thousand customers, about 600 bytes each as posted."""

import json
from typing import Any

CUSTOMERS = 5_000


def order(run: str, number: int) -> dict[str, Any]:
    """Order ``number``; ``run`` keeps the event ids of one run apart from another's."""
    return {
        "eventName": "Placed Order",
        "email": f"customer{number % CUSTOMERS}@shop.example",
        "eventId": f"{run}-{number}",
        "value": 49.9,
        "currency": "EUR",
        "eventAttributes": {
            "OrderId": str(number),
            "Items": [
                {"ProductID": "1001", "ProductName": "Linen shirt", "Quantity": 2, "ItemPrice": 19.95},
                {"ProductID": "1002", "ProductName": "Cotton socks", "Quantity": 1, "ItemPrice": 10.0},
            ],
            "Note": "x" * 200,
        },
        "profileAttributes": {"firstName": "Ada", "lastName": "Example"},
    }


def one(run: str, number: int) -> bytes:
    """The body of POST /events."""
    return json.dumps(order(run, number), separators=(",", ":")).encode()


def many(run: str, first: int, count: int) -> bytes:
    """The body of POST /events/bulk."""
    orders = [order(run, number) for number in range(first, first + count)]
    return json.dumps({"events": orders}, separators=(",", ":")).encode()
