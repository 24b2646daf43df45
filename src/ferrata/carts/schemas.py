"""What goes into the carts room and what comes out of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import msgspec

from ferrata.commerce.model import Cart, Line, Product
from ferrata.commerce.money import Money, exponent
from ferrata.commerce.tracked import PersonRef


class Act(StrEnum):
    """What may happen to a cart, as it stands in addresses."""

    ITEMS = "items"
    UPDATE = "update"
    REMOVE = "remove"
    CLEAR = "clear"
    CHECKOUT = "checkout"
    PURCHASE = "purchase"
    PERSON = "person"


class State(StrEnum):
    OPEN = "open"
    ABANDONED = "abandoned"
    ORDERED = "ordered"


class Recovery(StrEnum):
    """What a recovery link does: lead to the shop, or answer what is in the cart."""

    REDIRECT = "redirect"
    CONTENTS = "contents"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a cart. ``price`` is that of one piece, in the cart's currency."""

    line_id: str
    product_id: str
    name: str
    quantity: Decimal
    price: Decimal
    variant_id: str | None = None
    sku: str | None = None
    url: str | None = None
    image_url: str | None = None
    categories: tuple[str, ...] = ()
    brand: str | None = None

    def line(self, currency: str) -> Line:
        product = Product(
            id=self.product_id,
            name=self.name,
            variant_id=self.variant_id,
            sku=self.sku,
            url=self.url,
            image_url=self.image_url,
            categories=self.categories,
            brand=self.brand,
        )
        quantity = int(self.quantity) if self.quantity == int(self.quantity) else self.quantity
        return Line(id=self.line_id, product=product, quantity=quantity, unit_price=Money(self.price, currency))


class CartAct(msgspec.Struct, frozen=True, kw_only=True):
    """One act. ``act_id`` is the shop's own: the same again changes nothing. ``at`` is when it happened, not when it arrived."""

    act: Act
    cart_id: str
    act_id: str
    at: datetime
    person: PersonRef = PersonRef()
    currency: str | None = None
    url: str | None = None
    items: tuple[Item, ...] | None = None
    line_id: str | None = None
    order_id: str | None = None
    coupons: tuple[str, ...] | None = None


class CartRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A cart as it is kept. ``abandon_at``: when it counts as abandoned unless something happens; None where nothing can.

    ``held`` are events of a guest, as JSON, that wait for somebody to become known. ``version`` guards against two at once.
    """

    store_id: str
    cart_id: str
    recovery_id: str
    state: State
    currency: str
    opened_at: datetime
    updated_at: datetime
    person: PersonRef = PersonRef()
    items: tuple[Item, ...] = ()
    coupons: tuple[str, ...] = ()
    url: str | None = None
    abandon_at: datetime | None = None
    abandoned_at: datetime | None = None
    abandonments: int = 0
    ordered_at: datetime | None = None
    order_id: str | None = None
    held: tuple[str, ...] = ()
    version: int = 0

    @property
    def total(self) -> Decimal:
        """Exact; with at least the decimals of the currency."""
        exact = sum((item.price * item.quantity for item in self.items), Decimal(0))
        padded = exact.quantize(Decimal(1).scaleb(-exponent(self.currency)))
        return padded if padded == exact else exact

    def cart(self, url: str | None) -> Cart:
        """As the events show it. ``url`` is the link that opens it again."""
        return Cart(
            id=self.cart_id,
            person=self.person,
            currency=self.currency,
            updated_at=self.updated_at,
            lines=tuple(item.line(self.currency) for item in self.items),
            coupons=self.coupons,
            url=url,
        )


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a cart's story. ``event_ids`` are those of the events that it made."""

    id: str
    act_id: str
    at: datetime
    what: str
    said: str
    event_ids: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a store wants its carts. ``names`` maps default names of events to its own; ``silent`` events are not sent.

    ``shop_url``: where a recovery link leads; ``{cart_id}`` in it is replaced.
    """

    silence_minutes: int = 10
    names: Mapping[str, str] = {}
    silent: tuple[str, ...] = ()
    recovery: Recovery = Recovery.REDIRECT
    recovery_days: int = 30
    shop_url: str | None = None
    keep_days: int = 90

    @property
    def silence(self) -> timedelta:
        return timedelta(minutes=self.silence_minutes)


class CartFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which carts: all given conditions hold. ``text`` is a cart's id or an e-mail address."""

    state: State | None = None
    text: str = ""
    known: bool | None = None


class Told(msgspec.Struct, frozen=True):
    """What an act has come to. ``repeated``: it was told before, and nothing changed."""

    cart: CartRecord
    repeated: bool = False
    event_ids: tuple[str, ...] = ()
    recovery_url: str | None = None


class Swept(msgspec.Struct, frozen=True):
    """What a look at the silent carts has come to."""

    abandoned: int = 0
    ordered: int = 0
    overtaken: int = 0
    looked_at: int = 0
