"""Stripe's events as a shop receives them, in the shape before 2025-03-31.basil and in the one since; and a reading of them.

Field names and nesting follow Stripe's API reference of both versions; every value is made up.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ferrata.sources.contract import REMEMBERED, SETTLED, Lookup, Mapped, Message, Received
from ferrata.sources.stripe import SOURCE
from ferrata.sources.stripe.settings import StripeSettings

NOW = 1_795_167_000
OLD, NEW = "2024-06-20", "2025-03-31.basil"
SECRET = "whsec_aT8x1bFkZ2"
SETTINGS = StripeSettings.model_validate({"webhook_secret": SECRET})
WITH_KEY = StripeSettings.model_validate({"webhook_secret": SECRET, "api_key": "rk_test_1"})
Thing = dict[str, Any]


def event(
    type_: str, about: Thing, *, id_: str = "evt_1", created: int = NOW, previous: Thing | None = None, **more: Any
) -> Thing:
    data: Thing = {"object": about}
    if previous is not None:
        data["previous_attributes"] = previous
    return {"id": id_, "object": "event", "type": type_, "created": created, "livemode": True, "data": data, **more}


def session(shape: str = NEW, **changed: Any) -> Thing:
    shipping = {"name": "Jane Roe", "address": {"line1": "Weg 2", "city": "Köln", "country": "DE", "postal_code": "50667"}}
    where = {"collected_information": {"shipping_details": shipping}} if shape == NEW else {"shipping_details": shipping}
    return {
        "id": "cs_1",
        "object": "checkout.session",
        "mode": "payment",
        "payment_status": "paid",
        "amount_subtotal": 2990,
        "amount_total": 3380,
        "total_details": {"amount_discount": 100, "amount_shipping": 490, "amount_tax": 0},
        "currency": "eur",
        "customer": "cus_1",
        "customer_email": None,
        "customer_details": {
            "email": "jane@example.com",
            "name": "Anna Maria Roe",
            "phone": "+4930901820",
            "address": {
                "line1": "Weg 1",
                "line2": None,
                "city": "Berlin",
                "state": None,
                "country": "DE",
                "postal_code": "10115",
            },
        },
        "payment_intent": "pi_1",
        "payment_method_types": ["card"],
        "metadata": {"campaign": "autumn", "internal": "no"},
        **where,
        **changed,
    }


LINE_ITEMS: Thing = {
    "object": "list",
    "data": [
        {
            "id": "li_1",
            "object": "item",
            "description": "Mug",
            "quantity": 2,
            "currency": "eur",
            "amount_subtotal": 2500,
            "amount_total": 2400,
            "price": {
                "id": "price_mug",
                "unit_amount": 1250,
                "currency": "eur",
                "product": {
                    "id": "prod_mug",
                    "name": "Mug",
                    "images": ["https://shop.example/mug.png"],
                    "metadata": {"sku": "MUG-1"},
                },
            },
        },
        {
            "id": "li_2",
            "object": "item",
            "description": "Tea",
            "quantity": 1,
            "currency": "eur",
            "amount_subtotal": 490,
            "price": {"id": "price_tea", "unit_amount": 490, "currency": "eur", "product": "prod_tea"},
        },
    ],
}


def intent(shape: str = NEW, **changed: Any) -> Thing:
    """Since basil an intent no longer says which invoice it is for."""
    old = {"invoice": None, "charges": {"object": "list", "data": []}} if shape == OLD else {"latest_charge": "ch_1"}
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 3380,
        "amount_received": 3380,
        "currency": "eur",
        "customer": "cus_1",
        "receipt_email": None,
        "status": "succeeded",
        "payment_method_types": ["card"],
        "metadata": {},
        **old,
        **changed,
    }


def invoice(shape: str = NEW, **changed: Any) -> Thing:
    line: Thing = {
        "id": "il_1",
        "object": "line_item",
        "amount": 1990,
        "currency": "eur",
        "description": "1 × Gold",
        "quantity": 1,
    }
    if shape == NEW:
        line["parent"] = {"type": "subscription_item_details", "subscription_item_details": {"subscription": "sub_1"}}
        of = {"parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}}}
    else:
        line["subscription"] = "sub_1"
        of = {"subscription": "sub_1", "payment_intent": "pi_9", "charge": "ch_9", "paid": True}
    return {
        "id": "in_1",
        "object": "invoice",
        "created": NOW - 60,
        "amount_due": 1990,
        "amount_paid": 1990,
        "attempt_count": 1,
        "billing_reason": "subscription_cycle",
        "currency": "eur",
        "customer": "cus_1",
        "customer_email": "jane@example.com",
        "hosted_invoice_url": "https://invoice.stripe.com/i/1",
        "lines": {"object": "list", "data": [line]},
        "next_payment_attempt": None,
        "number": "A-1",
        "status": "paid",
        **of,
        **changed,
    }


def subscription(shape: str = NEW, *, amount: int = 1990, price: str = "price_gold", **changed: Any) -> Thing:
    begin, end = NOW - 1000, NOW + 30 * 86_400
    goods = {"id": price, "currency": "eur", "unit_amount": amount, "nickname": "Gold", "product": "prod_gold"}
    goods["recurring"] = {"interval": "month", "interval_count": 1}
    item: Thing = {"id": "si_1", "object": "subscription_item", "price": goods, "quantity": 1}
    top: Thing = {}
    if shape == NEW:
        item |= {"current_period_start": begin, "current_period_end": end}
    else:
        top = {
            "current_period_start": begin,
            "current_period_end": end,
            "plan": {"id": price, "amount": amount, "interval": "month"},
        }
    return {
        "id": "sub_1",
        "object": "subscription",
        "status": "active",
        "created": NOW - 1000,
        "customer": "cus_1",
        "start_date": NOW - 1000,
        "cancel_at_period_end": False,
        "cancel_at": None,
        "canceled_at": None,
        "ended_at": None,
        "trial_end": None,
        "items": {"object": "list", "data": [item]},
        "metadata": {},
        **top,
        **changed,
    }


def charge(shape: str = NEW, **changed: Any) -> Thing:
    """Refunds come along with a charge only in the older shape."""
    refunds = {
        "refunds": {"object": "list", "data": [{"id": "re_1", "amount": 500, "created": NOW, "reason": "requested_by_customer"}]}
    }
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 3380,
        "amount_refunded": 500,
        "billing_details": {"email": "jane@example.com", "name": "Jane Roe", "address": None},
        "created": NOW - 5000,
        "currency": "eur",
        "customer": "cus_1",
        "payment_intent": "pi_1",
        "refunded": False,
        "status": "succeeded",
        **(refunds | {"invoice": None} if shape == OLD else {}),
        **changed,
    }


def signed(body: bytes, *secrets: str, at: int = NOW, scheme: str = "v1") -> str:
    signatures = [hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"{scheme}={signature}" for signature in signatures)])


def received(body: bytes, header: str, *, at: int = NOW) -> Received:
    return Received(body=body, at=datetime.fromtimestamp(at, UTC), headers={"stripe-signature": header})


def message(of: Thing, *, history: bool = False) -> Message:
    [raw] = SOURCE.open(Received(body=msgspec.json.encode(of), at=datetime.fromtimestamp(NOW, UTC)), SETTINGS)
    return Message(
        store_id="default",
        kind="stripe",
        message_id=raw.message_id,
        business_key=raw.business_key,
        received_at=datetime.fromtimestamp(NOW, UTC),
        body=raw.body,
        history=history,
    )


class Reading:
    """Maps events one after the other as the room around it does: looks up, remembers, and counts what would be new."""

    def __init__(self, settings: StripeSettings = SETTINGS, api: Mapping[Lookup, Any] | None = None) -> None:
        self.settings = settings
        self.api = api or {}
        self.memory: dict[str, tuple[datetime, str]] = {}
        self.asked: list[Lookup] = []
        self.sent: dict[tuple[str, str], Any] = {}
        self.settled = True

    def read(self, of: Thing, *, history: bool = False) -> Mapped:
        told = message(of, history=history)
        looked_up: dict[Lookup, Any] = {}
        while new := [lookup for lookup in SOURCE.lookups(told, looked_up, self.settings) if lookup not in looked_up]:
            for lookup in new:
                if lookup.what == REMEMBERED:
                    looked_up[lookup] = self.memory.get(lookup.key, (None, None))[1]
                elif lookup.what == SETTLED:
                    looked_up[lookup] = self.settled
                else:
                    self.asked.append(lookup)
                    looked_up[lookup] = self.api.get(lookup)
        mapped = SOURCE.map(told, looked_up, self.settings)
        for learned in mapped.learned:
            if learned.key not in self.memory or self.memory[learned.key][0] <= learned.at:
                self.memory[learned.key] = (learned.at, learned.value)
        for each in mapped.events:
            self.sent.setdefault((each.metric, each.unique_id), each)
        return mapped

    @property
    def metrics(self) -> list[str]:
        return sorted(metric for metric, _ in self.sent)
