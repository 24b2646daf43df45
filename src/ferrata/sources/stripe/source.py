"""The Stripe connector: the contract of sources, fulfilled by the files beside it."""

from collections.abc import Sequence
from typing import Any, ClassVar

from ferrata.sources.contract import (
    Backfill,
    Flow,
    LookedUp,
    Lookup,
    Mapped,
    Message,
    RawMessage,
    Reader,
    Received,
    Source,
    SourceSettings,
    Surroundings,
)
from ferrata.sources.stripe.mapping import MEANINGS, lookups, map_event
from ferrata.sources.stripe.opening import document, messages_in
from ferrata.sources.stripe.reader import MISSED, StripeReader
from ferrata.sources.stripe.settings import StripeSettings
from ferrata.sources.stripe.signature import prove

_PURCHASE = {
    "email": "customer_details.email, customer_email, billing_details.email, receipt_email, or the customer's",
    "OrderId": "payment_intent or the session's id",
    "Items": "line_items: description, quantity, price, product",
    "Total": "amount_total or amount_received",
    "BillingAddress": "customer_details",
    "ShippingAddress": "shipping_details",
}


class Stripe(Source):
    kind: ClassVar[str] = "stripe"
    title: ClassVar[str] = "Stripe"
    settings_type: ClassVar[type[SourceSettings]] = StripeSettings
    backfills: ClassVar[tuple[Backfill, ...]] = (
        Backfill("charges", "Purchases and refunds", by="created"),
        Backfill("invoices", "Paid invoices", by="created"),
        Backfill("subscriptions", "Subscriptions", by="created"),
        Backfill("customers", "Customers", by="created"),
        Backfill(MISSED, "Missed events of the last 30 days", by="created", live=True),
    )
    flows: ClassVar[tuple[Flow, ...]] = (
        Flow("event Placed Order", "checkout.session, payment_intent, charge", _PURCHASE, ("email",)),
        Flow("event Subscription Started and others", "subscription", {"Tier": "price, metadata", "Amount": "items"}),
        Flow(
            "profile",
            "customer, checkout.session, subscription",
            {
                "email": "customer_details.email, customer_email, billing_details.email, receipt_email",
                "first_name": "name",
                "last_name": "name",
                "phone_number": "phone",
                "location": "address",
                "stripe_customer_id": "customer",
                "stripe_subscription_status": "status",
                "subscription_tier": "price, metadata",
                "next_billing_date": "current_period_end",
            },
            ("email", "first_name", "last_name", "phone_number", "location", "properties"),
        ),
    )

    def verify(self, received: Received, settings: StripeSettings) -> None:
        if received.trusted:
            return
        secrets = [secret.get_secret_value() for secret in (settings.webhook_secret, settings.previous_webhook_secret) if secret]
        prove(received.headers.get("stripe-signature", ""), received.body, secrets, received.at)

    def open(self, received: Received, settings: StripeSettings) -> Sequence[RawMessage]:
        return messages_in(received.body)

    def lookups(self, message: Message, looked_up: LookedUp, settings: StripeSettings) -> Sequence[Lookup]:
        return lookups(message, looked_up, settings)

    def map(self, message: Message, looked_up: LookedUp, settings: StripeSettings) -> Mapped:
        return map_event(message, looked_up, settings)

    def reader(self, settings: StripeSettings, around: Surroundings) -> Reader | None:
        return StripeReader(settings, around, sorted(MEANINGS)) if settings.api_key is not None else None

    def title_of(self, message: Message) -> str:
        try:
            type_: Any = document(message.body).get("type")
        except Exception:  # noqa: BLE001 - a name for lists must not fail, whatever the bytes are
            return message.business_key
        return type_ if isinstance(type_, str) else message.business_key
