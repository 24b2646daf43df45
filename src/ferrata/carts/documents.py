"""Carts as programs see them over HTTP: the JSON that is answered and the bodies that are taken."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import uuid4

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ferrata.carts.changing import MOST_ITEMS
from ferrata.carts.schemas import Act, CartAct, CartRecord, Entry, Item, Recovery, Settings, State, Told
from ferrata.commerce.metrics import Metric
from ferrata.commerce.tracked import PersonRef
from ferrata.infra.errors import Problem, Rejected
from ferrata.kit.contacts import normal_email, normal_phone

NAMES = tuple(
    metric.value
    for metric in (
        Metric.ADDED_TO_CART,
        Metric.REMOVED_FROM_CART,
        Metric.UPDATED_CART,
        Metric.STARTED_CHECKOUT,
        Metric.ABANDONED_CHECKOUT,
    )
)
AHEAD = timedelta(minutes=5)


def _printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("must be printable text")
    return text


def _web_address(text: str) -> str:
    if not text.startswith(("https://", "http://")) or not text.isprintable() or " " in text:
        raise ValueError("must be an address that begins with https:// or http://")
    return text


Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_printable)]
Id = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
WebAddress = Annotated[str, Field(max_length=2000), AfterValidator(_web_address)]
Amount = Annotated[Decimal, Field(ge=0, le=10**12, max_digits=18, decimal_places=6)]


class Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True, extra="forbid")


class ItemDocument(Document):
    """One line. `lineId` is the shop's own; without it, lines are told apart by product and variant."""

    line_id: Id | None = None
    product_id: Id
    name: Text
    quantity: Annotated[Decimal, Field(ge=0, le=10**9, max_digits=15, decimal_places=6)] = Decimal(1)
    price: Amount = Field(description="Of one piece, in the cart's currency.")
    variant_id: Id | None = None
    sku: Id | None = None
    url: WebAddress | None = None
    image_url: WebAddress | None = None
    categories: list[Text] = Field(default=[], max_length=50)
    brand: Text | None = None

    def item(self) -> Item:
        line_id = self.line_id or (f"{self.product_id}:{self.variant_id}" if self.variant_id else self.product_id)
        given = self.model_dump(exclude={"line_id", "categories"})
        return Item(line_id=line_id, categories=tuple(self.categories), **given)


class ActBody(Document):
    """What is said with an act. Only `items` and `lineId` belong to certain acts; what is said about the person always counts."""

    act_id: Id | None = Field(None, description="Your own id of this act: the same again changes nothing.")
    time: AwareDatetime | None = Field(None, description="When it happened. Default: now.")
    email: Annotated[str, Field(max_length=320)] | None = None
    phone: Annotated[str, Field(max_length=32)] | None = None
    external_id: Annotated[str, Field(max_length=255), AfterValidator(_printable)] | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    checkout_url: WebAddress | None = Field(None, description="Where this cart is in the shop: recovery links lead there.")
    items: Annotated[list[ItemDocument], Field(max_length=MOST_ITEMS)] | None = None
    line_id: Id | None = None
    order_id: Annotated[str, Field(max_length=255), AfterValidator(_printable)] | None = None
    coupons: Annotated[list[Id], Field(max_length=50)] | None = None

    def act(self, act: Act, cart_id: str, now: datetime, path: str = "") -> CartAct:
        """Raises Rejected with every fault."""
        problems: list[Problem] = []
        email = normal_email(self.email) if self.email else None
        phone = normal_phone(self.phone) if self.phone else None
        if self.email and not email:
            problems.append(Problem(f"{path}email", f"{path}email must be a valid email"))
        if self.phone and not phone:
            problems.append(Problem(f"{path}phone", f"{path}phone must be a valid phone number in E.164 format"))
        if act is Act.ITEMS and not self.items:
            problems.append(Problem(f"{path}items", f"{path}items must name what was added"))
        if act is Act.UPDATE and self.items is None:
            problems.append(Problem(f"{path}items", f"{path}items must be everything that is in the cart now"))
        if act is Act.REMOVE and not self.line_id:
            problems.append(Problem(f"{path}lineId", f"{path}lineId must name what was removed"))
        if self.time and self.time > now + AHEAD:
            problems.append(Problem(f"{path}time", f"{path}time must not lie in the future"))
        if not (0 < len(cart_id) <= 128 and cart_id.isprintable() and cart_id.strip()):
            problems.append(Problem(f"{path}cartId", f"{path}cartId must be 1 to 128 printable characters"))
        if problems:
            raise Rejected("The act cannot be taken as it is.", problems=tuple(problems))
        return CartAct(
            act=act,
            cart_id=cart_id,
            act_id=self.act_id or uuid4().hex,
            at=min(self.time or now, now),
            person=PersonRef(email, phone, self.external_id),
            currency=self.currency,
            url=self.checkout_url,
            items=None if self.items is None else tuple(item.item() for item in self.items),
            line_id=self.line_id,
            order_id=self.order_id,
            coupons=None if self.coupons is None else tuple(self.coupons),
        )


class OneAct(ActBody):
    """An act of any cart, as the Python client sends them."""

    act_name: Act = Field(alias="act")
    cart_id: Annotated[str, Field(max_length=500)]


class ActsBody(Document):
    acts: list[OneAct] = Field(max_length=500)


class ItemAnswer(Document):
    line_id: str
    product_id: str
    name: str
    quantity: Decimal
    price: Decimal
    variant_id: str | None
    sku: str | None
    url: str | None
    image_url: str | None
    categories: list[str]
    brand: str | None


class CartDocument(Document):
    """A cart as it stands. Amounts are texts, so that no digit is lost."""

    cart_id: str
    state: State
    email: str | None
    phone: str | None
    external_id: str | None
    currency: str
    total: Decimal
    items: list[ItemAnswer]
    coupons: list[str]
    opened_at: AwareDatetime
    updated_at: AwareDatetime
    abandon_at: AwareDatetime | None
    abandoned_at: AwareDatetime | None
    abandonments: int
    ordered_at: AwareDatetime | None
    order_id: str | None

    @classmethod
    def of(cls, cart: CartRecord) -> "CartDocument":
        return cls(**_fields(cart), email=cart.person.email, phone=cart.person.phone, external_id=cart.person.external_id)


class ToldDocument(CartDocument):
    """`repeated`: this act was told before and has changed nothing. `eventIds` are those of the events that came of it."""

    repeated: bool
    event_ids: list[str]
    recovery_url: str | None

    @classmethod
    def of_told(cls, told: Told) -> "ToldDocument":
        cart = CartDocument.of(told.cart).model_dump()
        return cls(**cart, repeated=told.repeated, event_ids=list(told.event_ids), recovery_url=told.recovery_url)


class EntryDocument(Document):
    at: AwareDatetime
    what: str
    said: str
    event_ids: list[str]

    @classmethod
    def of(cls, entry: Entry) -> "EntryDocument":
        return cls(at=entry.at, what=entry.what, said=entry.said, event_ids=list(entry.event_ids))


class CartStoryDocument(CartDocument):
    recovery_url: str | None
    story: list[EntryDocument]


class CartsQuery(Document):
    state: State | None = None
    q: str = Field("", max_length=320, description="A cart's id or an e-mail address.")
    known: bool | None = Field(None, description="Whether the person is known.")
    cursor: str | None = Field(None, max_length=1000)
    limit: int = Field(50, ge=1, le=200)


class CartsDocument(Document):
    carts: list[CartDocument]
    next_cursor: str | None


class ContentsDocument(Document):
    """What is in a cart, for whoever has its link. Nothing about the person."""

    cart_id: str
    currency: str
    total: Decimal
    items: list[ItemAnswer]
    coupons: list[str]

    @classmethod
    def of(cls, cart: CartRecord) -> "ContentsDocument":
        return cls(**{name: value for name, value in _fields(cart).items() if name in cls.model_fields})


class SettingsDocument(Document):
    """How a store wants its carts."""

    silence_minutes: int = Field(10, ge=1, le=43_200, description="After so long without a sign of life a cart is abandoned.")
    names: dict[str, Annotated[str, Field(min_length=1, max_length=127)]] = Field(
        {}, description="Your own names for events, by their default names."
    )
    silent: list[str] = Field([], description="Events that are not sent, by their default names.")
    recovery: Recovery = Field(
        Recovery.REDIRECT, description="What a recovery link does: redirect to the shop, or answer contents."
    )
    recovery_days: int = Field(30, ge=1, le=365, description="How long a recovery link is good.")
    shop_url: WebAddress | None = Field(None, description="Where recovery links lead; {cart_id} in it is replaced.")
    keep_days: int = Field(90, ge=1, le=3650, description="Carts that nobody touched for so long are deleted.")

    def settings(self) -> Settings:
        """Raises Rejected: an event's name is none."""
        known = {*NAMES, Metric.PLACED_ORDER.value}
        problems = [Problem(f"names.{name}", f"names.{name}: there is no such event") for name in self.names if name not in known]
        problems += [Problem("silent", f"silent: there is no event {name}") for name in self.silent if name not in NAMES]
        if problems:
            raise Rejected(problems=tuple(problems))
        return Settings(**{**self.model_dump(), "silent": tuple(self.silent)})

    @classmethod
    def of(cls, settings: Settings) -> "SettingsDocument":
        return cls(
            **{name: getattr(settings, name) for name in cls.model_fields if name != "silent"}, silent=list(settings.silent)
        )


def _fields(cart: CartRecord) -> dict[str, Any]:
    names = CartDocument.model_fields.keys() - {"email", "phone", "external_id", "items", "coupons", "total"}
    items = [ItemAnswer(**{name: getattr(item, name) for name in ItemAnswer.model_fields}) for item in cart.items]
    return {name: getattr(cart, name) for name in names} | {"items": items, "coupons": list(cart.coupons), "total": cart.total}
