"""A source for tests: a small shop whose messages are signed JSON, with an API in memory. Only tests install it."""

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import Field, SecretStr

from ferrata.infra.errors import Transient
from ferrata.sources.contract import (
    Backfill,
    BackfillPage,
    Flow,
    Later,
    Learned,
    LookedUp,
    Lookup,
    Mapped,
    Message,
    PersonRef,
    RawMessage,
    Reader,
    Reason,
    Received,
    Refused,
    Reply,
    Skipped,
    Source,
    SourceSettings,
    Span,
    Surroundings,
    TrackedEvent,
    Unreadable,
    Unverified,
)

SECRET = "whsec_shop_0123456789"
FIRST = datetime(2026, 11, 1, 12, tzinfo=UTC)


class ShopSettings(SourceSettings):
    """How the shop is reached."""

    secret: SecretStr = Field(description="What its messages are signed with.")
    with_api: bool = Field(default=True, description="Whether its API may be asked.")
    page_size: int = Field(default=10, ge=1, le=500, description="Orders on a page of history.")


@dataclass
class ShopApi:
    """The shop's own side: how many orders it has, what it knows, and how it fails."""

    orders: int = 0
    known: dict[str, Any] = field(default_factory=dict)
    failures: int = 0
    asked: list[Lookup] = field(default_factory=list)
    pages: list[str | None] = field(default_factory=list)
    closed: int = 0
    odd: dict[int, dict[str, Any]] = field(default_factory=dict)
    on_page: Callable[[], object] = lambda: None

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Transient("The shop is being redecorated.")


@dataclass
class ShopReader:
    api: ShopApi
    page_size: int

    async def look_up(self, lookups: Sequence[Lookup]) -> LookedUp:
        self.api.asked += lookups
        self.api._fail()
        return {each: self.api.known.get(f"{each.what}/{each.key}") for each in lookups}

    async def page(self, backfill: str, cursor: str | None, span: Span) -> BackfillPage:
        self.api.pages.append(cursor)
        self.api.on_page()
        self.api._fail()
        start = int(cursor or 0)
        numbers = range(start, min(start + self.page_size, self.api.orders))
        messages = tuple(raw(order(number, **self.api.odd.get(number, {}))) for number in numbers if _within(number, span))
        more = start + self.page_size < self.api.orders
        return BackfillPage(messages, str(start + self.page_size) if more else None, self.api.orders)

    async def check(self) -> str:
        return "The shop answers."

    async def close(self) -> None:
        self.api.closed += 1


def _within(number: int, span: Span) -> bool:
    at = _at(number)
    return (span.since is None or at >= span.since) and at < span.until


def _at(number: int) -> datetime:
    return FIRST + timedelta(seconds=number)


class Shop(Source):
    kind = "shop"
    title = "Shop"
    settings_type = ShopSettings
    backfills = (Backfill("orders", "Orders", by="ordered"), Backfill("missed", "What was missed", live=True))
    flows = (
        Flow(
            "event Placed Order",
            "order",
            {"OrderId": "id", "Items": "items", "email": "email", "Address": "address"},
            personal=("email",),
        ),
    )

    def __init__(self, api: ShopApi | None = None) -> None:
        self.api = api or ShopApi()

    def verify(self, received: Received, settings: ShopSettings) -> None:
        secret = settings.secret.get_secret_value()
        if not received.trusted and not hmac.compare_digest(received.headers.get("x-shop", ""), signature(received.body, secret)):
            raise Unverified("The signature does not fit.")

    def handshake(self, received: Received, settings: ShopSettings) -> Reply | None:
        return Reply(200, b"hello", {"x-hello": "shop"}) if received.method == "OPTIONS" else None

    def open(self, received: Received, settings: ShopSettings) -> Sequence[RawMessage]:
        try:
            document = json.loads(received.body)
        except ValueError:
            raise Unreadable("This is no JSON.") from None
        return [raw(each) for each in (document if isinstance(document, list) else [document])]

    def lookups(self, message: Message, looked_up: LookedUp, settings: ShopSettings) -> Sequence[Lookup]:
        document = json.loads(message.body)
        wanted = [Lookup("product", each) for each in document.get("products", [])]
        return [*wanted, *(Lookup("remembered", each) for each in document.get("remembers", []))]

    def map(self, message: Message, looked_up: LookedUp, settings: ShopSettings) -> Mapped:
        document = json.loads(message.body)
        match document["type"]:
            case "order":
                return _placed(document, looked_up)
            case "refuse":
                raise Refused("Nobody can make sense of this.")
            case "later" if not looked_up.get(Lookup("remembered", "go")):
                raise Later("The shop has not said go yet.", seconds=10)
            case "teach":
                at = datetime.fromisoformat(document["at"])
                learned = tuple(Learned(name, value, at) for name, value in document["teaches"].items())
                return Mapped(learned=learned, skipped=(Skipped("teach", "this only tells something for later"),))
            case "crash":
                return Mapped(events=(document["nothing"],))
        return Mapped(skipped=(Skipped(document["type"], "no event belongs to this"),))

    def reader(self, settings: ShopSettings, around: Surroundings) -> Reader | None:
        return ShopReader(self.api, settings.page_size) if settings.with_api else None

    def title_of(self, message: Message) -> str:
        return f"Message {message.message_id}"


def _placed(document: dict[str, Any], looked_up: LookedUp) -> Mapped:
    products = {lookup.key: answer for lookup, answer in looked_up.items() if lookup.what == "product"}
    properties = {"OrderId": document["id"], "Items": document.get("items", []), "Address": document.get("address")}
    event = TrackedEvent(
        metric=document.get("metric", "Placed Order"),
        unique_id=f"shop:{document['id']}:placed",
        occurred_at=datetime.fromisoformat(document["at"]),
        person=PersonRef(document.get("email"), document.get("phone"), document.get("customer")),
        properties=properties | ({"Products": products} if products else {}),
        value=Decimal(document["total"]),
        currency=document.get("currency", "EUR"),
        profile=document.get("profile", {}),
    )
    reasons = (
        Reason("/events/0/properties/OrderId", "/id", "the shop's number of the order"),
        Reason("/events/0/value", "/total", "the total of the order"),
        Reason("/events/0/person/email", "/email", "who ordered"),
        Reason("/events/0/occurred_at", "/at", "when it was ordered"),
    )
    return Mapped(events=(event,), fields=reasons)


def raw(document: dict[str, Any]) -> RawMessage:
    body = json.dumps(document).encode()
    return RawMessage(message_id=document.get("message", ""), business_key=f"order:{document.get('id')}", body=body)


def order(number: int, **more: Any) -> dict[str, Any]:
    """The message that order ``number`` was placed; its message id is ``m<number>``."""
    return {
        "message": f"m{number}",
        "type": "order",
        "id": f"o{number}",
        "at": _at(number).isoformat(),
        "email": f"person{number % 50}@shop.example",
        "total": f"{number % 90 + 10}.90",
        "items": [{"name": "Boots", "sku": f"b-{number % 7}", "cost": 3}],
        **more,
    }


def signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(document: Any) -> dict[str, Any]:
    """The body and headers of a genuine request, for a client's ``post``."""
    body = json.dumps(document).encode()
    return {"content": body, "headers": {"x-shop": signature(body)}}


def received(document: Any, at: datetime = FIRST) -> Received:
    body = json.dumps(document).encode()
    return Received(body=body, at=at, headers={"x-shop": signature(body)})
