"""What an act makes of a cart, and which events it tells. No I/O, no clock."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from ferrata.carts.schemas import Act, CartAct, CartRecord, Item, Settings, State
from ferrata.commerce import visits
from ferrata.commerce.model import Cart, Line
from ferrata.commerce.terms import Terms
from ferrata.commerce.tracked import PersonRef, TrackedEvent

MOST_ITEMS = 500


class Changed(msgspec.Struct, frozen=True):
    """The cart afterwards, the events that tell of it, and one sentence for people."""

    cart: CartRecord
    events: tuple[TrackedEvent, ...]
    said: str


Making = Callable[[CartRecord, Cart, Terms], tuple[tuple[TrackedEvent, ...], str]]


def change(before: CartRecord, act: CartAct, settings: Settings, terms: Terms, url: str) -> Changed:
    """Apply an act to a cart; a new one is the cart of ``opened``. Every act is a sign of life, so the silence begins anew."""
    cart = before if before.state is not State.ORDERED or act.act is Act.PURCHASE else _reopened(before, act.at)
    cart = _known(cart, act)
    after = msgspec.structs.replace(cart, items=_items(cart, act), updated_at=max(cart.updated_at, act.at), state=State.OPEN)
    events, said = _tell(cart, after, act, terms, url)
    if act.act is Act.PURCHASE:
        return Changed(ordered(after, act.at, act.order_id), (), said)
    return Changed(armed(after, settings), events, said)


def opened(store_id: str, act: CartAct, recovery_id: str, currency: str) -> CartRecord:
    return CartRecord(
        store_id=store_id,
        cart_id=act.cart_id,
        recovery_id=recovery_id,
        state=State.OPEN,
        currency=act.currency or currency,
        opened_at=act.at,
        updated_at=act.at,
    )


def armed(cart: CartRecord, settings: Settings) -> CartRecord:
    """With the moment at which silence becomes abandonment: only a cart with something in it, of somebody who can be reached."""
    waits = cart.items and cart.person.known and cart.state is State.OPEN
    return msgspec.structs.replace(cart, abandon_at=cart.updated_at + settings.silence if waits else None)


def ordered(cart: CartRecord, at: datetime, order_id: str | None) -> CartRecord:
    return msgspec.structs.replace(cart, state=State.ORDERED, ordered_at=at, order_id=order_id, abandon_at=None)


def abandoned(cart: CartRecord, now: datetime, terms: Terms, url: str) -> Changed:
    """The silence has lasted long enough. Until the next sign of life it is not told again."""
    after = msgspec.structs.replace(
        cart, state=State.ABANDONED, abandoned_at=now, abandonments=cart.abandonments + 1, abandon_at=None
    )
    event = visits.abandoned_checkout(cart.cart(url), now, terms)
    minutes = event.properties["MinutesSinceLastActivity"]
    return Changed(after, (event,), f"Abandoned: nothing happened for {minutes} minutes.")


def _reopened(cart: CartRecord, at: datetime) -> CartRecord:
    """After an order the same id is a new cart: what was bought is out of it."""
    return msgspec.structs.replace(cart, state=State.OPEN, items=(), coupons=(), opened_at=at, ordered_at=None, order_id=None)


def _known(cart: CartRecord, act: CartAct) -> CartRecord:
    """What an act says about the person, the currency and the address is kept; what it does not say stays."""
    person = PersonRef(
        act.person.email or cart.person.email,
        act.person.phone or cart.person.phone,
        act.person.external_id or cart.person.external_id,
    )
    return msgspec.structs.replace(
        cart,
        person=person,
        currency=act.currency or cart.currency,
        url=act.url or cart.url,
        coupons=cart.coupons if act.coupons is None else act.coupons,
    )


def _items(cart: CartRecord, act: CartAct) -> tuple[Item, ...]:
    match act.act:
        case Act.ITEMS:
            return _with(cart.items, act.items or ())
        case Act.REMOVE:
            return tuple(item for item in cart.items if item.line_id != act.line_id)
        case Act.CLEAR:
            return ()
        case _:
            return cart.items if act.items is None else tuple(item for item in act.items if item.quantity)


def _with(items: Sequence[Item], added: Sequence[Item]) -> tuple[Item, ...]:
    """An item that is in the cart already grows by what is added, and takes over what is new about it."""
    lines = {item.line_id: item for item in items}
    for item in added:
        known = lines.get(item.line_id)
        lines[item.line_id] = msgspec.structs.replace(item, quantity=item.quantity + known.quantity) if known else item
    return tuple(lines.values())


def _tell(before: CartRecord, after: CartRecord, act: CartAct, terms: Terms, url: str) -> tuple[tuple[TrackedEvent, ...], str]:
    cart = msgspec.structs.replace(after.cart(url), updated_at=act.at, change=act.act_id)
    by_id = {item.line_id: item.line(after.currency) for item in before.items}
    making: Mapping[Act, Callable[[], tuple[tuple[TrackedEvent, ...], str]]] = {
        Act.ITEMS: lambda: _added(cart, [item.line(after.currency) for item in act.items or ()], terms),
        Act.REMOVE: lambda: _removed(cart, by_id.get(act.line_id or ""), terms),
        Act.CLEAR: lambda: _updated(before, after, cart, terms, "Cleared."),
        Act.UPDATE: lambda: _updated(before, after, cart, terms, "Updated."),
        Act.CHECKOUT: lambda: ((visits.started_checkout(cart, terms),), "Started the checkout."),
        Act.PURCHASE: lambda: ((), f"Bought{f', order {act.order_id}' if act.order_id else ''}."),
        Act.PERSON: lambda: ((), "Known now." if not before.person.known and after.person.known else "Seen again."),
    }
    return making[act.act]()


def _added(cart: Cart, lines: Sequence[Line], terms: Terms) -> tuple[tuple[TrackedEvent, ...], str]:
    names = ", ".join(f"{line.quantity} × {line.product.name}" for line in lines)
    return tuple(visits.added_to_cart(cart, line, terms) for line in lines), f"Added {names}."


def _removed(cart: Cart, line: Line | None, terms: Terms) -> tuple[tuple[TrackedEvent, ...], str]:
    if line is None:
        return (), "Nothing to remove: this line was not in the cart."
    return (visits.removed_from_cart(cart, line, terms),), f"Removed {line.product.name}."


def _updated(before: CartRecord, after: CartRecord, cart: Cart, terms: Terms, said: str) -> tuple[tuple[TrackedEvent, ...], str]:
    """Nothing is told where nothing changed: a shop may send its carts as often as it likes."""
    if before.items == after.items:
        return (), "Seen again, unchanged."
    return (visits.updated_cart(cart, terms),), said
