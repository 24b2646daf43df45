"""Stripe fulfils the contract that every source must."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from ferrata.sources.contract import Received
from ferrata.sources.stripe import SOURCE
from tests.conftest import START
from tests.sources.contract import SourceContract
from tests.sources.stripe.shop import LINE_ITEMS, SECRET, charge, event, intent, invoice, session, signed


def _signed(of: dict[str, Any], at: datetime, secret: str = SECRET) -> Received:
    body = msgspec.json.encode(of)
    return Received(body=body, at=at, headers={"stripe-signature": signed(body, secret, at=int(at.timestamp()))})


class TestStripe(SourceContract):
    source = SOURCE
    settings: ClassVar = {"webhook_secret": SECRET, "api_key": "rk_test_1"}
    lookups: ClassVar = {"line_items/cs_1": LINE_ITEMS, "session_of/pi_1": {"data": [session()]}}

    def deliveries(self) -> Sequence[Received]:
        told = [
            event("checkout.session.completed", session(), id_="evt_1"),
            event("payment_intent.succeeded", intent(), id_="evt_2"),
            event("charge.succeeded", charge(), id_="evt_3"),
            event("charge.refunded", charge(), previous={"amount_refunded": 0}, id_="evt_4"),
            event("invoice.paid", invoice(), id_="evt_5"),
            event("invoice.payment_succeeded", invoice(), id_="evt_6"),
            event("price.created", {"id": "price_1", "object": "price"}, id_="evt_7"),
        ]
        return [_signed(each, START) for each in told]

    def forged(self) -> Received:
        return _signed(event("invoice.paid", invoice()), START, "whsec_forged")
