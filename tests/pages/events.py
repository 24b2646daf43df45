"""Events as a shop sends them, for page tests."""

from typing import Any


def order(number: int, **attributes: Any) -> dict[str, Any]:
    return {
        "eventName": "Placed Order",
        "email": f"mira{number}@example.org",
        "eventId": f"N-{number:05}:placed",
        "value": 126.9 + number,
        "currency": "EUR",
        "eventAttributes": {"OrderId": f"N-{number:05}", "Items": [{"SKU": "KB-PR-11", "Quantity": 2}], **attributes},
    }


def checkout(number: int, **attributes: Any) -> dict[str, Any]:
    return {"eventName": "Started Checkout", "email": f"mira{number}@example.org", "eventAttributes": {"Step": 1, **attributes}}
