"""Orders, carts, products and subscriptions as every source describes them: the one model that the events are made of.

Absent is None or empty, never a guess. Amounts are :class:`Money`; instants are aware. ``extra`` holds properties of the source's
own, which go into the events beside Klaviyo's names and never replace them.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from ferrata.commerce.money import Money
from ferrata.commerce.tracked import PersonRef


class Address(msgspec.Struct, frozen=True, kw_only=True):
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    region: str | None = None
    region_code: str | None = None
    country: str | None = None
    country_code: str | None = None
    zip: str | None = None
    phone: str | None = None


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` must be the external id of the catalogue item, or product blocks and recommendations cannot join."""

    id: str
    name: str
    sku: str | None = None
    variant_id: str | None = None
    url: str | None = None
    image_url: str | None = None
    categories: tuple[str, ...] = ()
    brand: str | None = None
    price: Money | None = None
    compare_at: Money | None = None
    extra: Mapping[str, Any] = {}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an order or a cart. ``total`` is before discounts on the whole order; None: unit price times quantity.

    A quantity of 0 stays 0. ``unique_id`` replaces the rule for the id of its Ordered Product.
    """

    id: str
    product: Product
    quantity: Decimal | int = 1
    unit_price: Money
    total: Money | None = None
    unique_id: str | None = None
    extra: Mapping[str, Any] = {}

    @property
    def row_total(self) -> Money:
        return self.total if self.total is not None else self.unit_price * self.quantity


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase. ``total`` is what the customer pays: with shipping and tax, without discounts.

    ``unique_id`` names it towards Klaviyo; None: ``id``. ``profile`` holds what the order tells about the person, under
    Klaviyo's names.
    """

    id: str
    placed_at: datetime
    person: PersonRef
    total: Money
    lines: tuple[Line, ...] = ()
    unique_id: str | None = None
    number: str | None = None
    subtotal: Money | None = None
    tax: Money | None = None
    shipping: Money | None = None
    discount: Money | None = None
    discount_codes: tuple[str, ...] = ()
    payment_method: str | None = None
    billing_address: Address | None = None
    shipping_address: Address | None = None
    profile: Mapping[str, Any] = {}
    extra: Mapping[str, Any] = {}

    @property
    def key(self) -> str:
        return self.unique_id or self.id


class Part(msgspec.Struct, frozen=True):
    """So many pieces of one line of an order."""

    line_id: str
    quantity: Decimal | int


class Fulfilment(msgspec.Struct, frozen=True, kw_only=True):
    """A shipment of an order. ``parts`` empty: everything. ``completes``: after it nothing of the order is left to ship."""

    id: str
    at: datetime
    completes: bool = True
    parts: tuple[Part, ...] = ()
    carrier: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money given back, this time; never the sum so far. ``unique_id`` replaces the rule for its event."""

    id: str
    at: datetime
    amount: Money
    reason: str | None = None
    parts: tuple[Part, ...] = ()
    unique_id: str | None = None


class Cart(msgspec.Struct, frozen=True, kw_only=True):
    """A cart as it stands at ``updated_at``. ``total`` None: the sum of its lines. ``url`` opens this very cart again.

    ``change`` is the shop's own id of what happened last; without one the moment names it, and two within a millisecond are one.
    """

    id: str
    person: PersonRef
    currency: str
    updated_at: datetime
    lines: tuple[Line, ...] = ()
    total: Money | None = None
    url: str | None = None
    coupons: tuple[str, ...] = ()
    change: str | None = None
    extra: Mapping[str, Any] = {}

    @property
    def value(self) -> Money:
        if self.total is not None:
            return self.total
        return sum((line.row_total for line in self.lines), Money.zero(self.currency))


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as it stands. ``amount`` is what one period costs; the day of billing is a day of UTC."""

    id: str
    person: PersonRef
    status: str
    product_name: str | None = None
    tier: str | None = None
    interval: str | None = None
    interval_count: int | None = None
    amount: Money | None = None
    quantity: Decimal | int | None = None
    started_at: datetime | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    trial_end: datetime | None = None
    cancel_at: datetime | None = None
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None
    profile: Mapping[str, Any] = {}
    extra: Mapping[str, Any] = {}
