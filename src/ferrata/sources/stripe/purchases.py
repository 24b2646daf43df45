"""Purchases: a Checkout session, a payment intent, or a charge of history. Whichever tells first, it is one Placed Order."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ferrata.commerce.model import Address, Line, Order, Product
from ferrata.commerce.money import Money
from ferrata.commerce.orders import placed
from ferrata.commerce.properties import location_of
from ferrata.commerce.tracked import PersonRef
from ferrata.kit.contacts import normal_phone
from ferrata.sources.contract import REMEMBERED, SETTLED, Later, Lookup
from ferrata.sources.stripe import shapes
from ferrata.sources.stripe.settings import Purchases
from ferrata.sources.stripe.shapes import Thing
from ferrata.sources.stripe.telling import Telling, email_in

_OF_INVOICES = ("Subscription creation", "Subscription update")
"""Stripe's own descriptions of payments for invoices, which since basil no longer name their invoice."""
_SESSION_LOOKS_SECONDS = 5
_PAID = ("paid", "no_payment_required")


class Purchase(msgspec.Struct, frozen=True):
    """What a session, an intent or a charge says about the purchase. ``about`` is that object."""

    about: Thing
    id: str
    person: PersonRef
    total: Money | None
    lines: tuple[Line, ...] = ()


def purchase_id(about: Thing) -> str:
    """The payment intent's id, or the object's own where there is none: what all that tells of one purchase has in common."""
    return shapes.id_of(about.get("payment_intent")) or str(about.get("id"))


def session_completed(telling: Telling) -> None:
    """``checkout.session.completed`` and ``checkout.session.async_payment_succeeded``."""
    session = telling.told.object
    customer, mode = shapes.id_of(session.get("customer")), session.get("mode")
    telling.learn(email_in(session), customer=customer, purchase=shapes.id_of(session.get("payment_intent")))
    if invoice := shapes.id_of(session.get("invoice")):
        telling.note((f"purchase_of_invoice:{invoice}", purchase_id(session)))
    if mode == "setup":
        return telling.skip("Checkout session in mode setup", "it stores a payment method and sells nothing")
    if mode == "subscription":
        telling.skip("Checkout session in mode subscription", "its subscription and its invoice tell of themselves")
        if email_in(session):
            who_bought(telling, telling.person(session, customer=customer), session, customer)
        return None
    if session.get("payment_status") not in _PAID:
        return telling.skip("Checkout session not paid yet", "checkout.session.async_payment_succeeded tells when it is")
    if telling.settings.purchases is Purchases.PAYMENT_INTENTS:
        return telling.skip("Checkout session", "purchases are told by payment intents, as the settings say")
    telling.note((f"session_of:{purchase_id(session)}", str(session.get("id"))))
    return of_session(telling, session)


def intent_succeeded(telling: Telling) -> None:
    """``payment_intent.succeeded``: a purchase, unless it pays an invoice. What its Checkout session knows is told instead."""
    intent = telling.told.object
    id_ = str(intent.get("id"))
    if belongs_to_invoice(telling, intent):
        return telling.skip("Payment of an invoice", "the invoice tells of itself")
    if telling.settings.purchases is Purchases.CHECKOUT:
        return telling.skip("Payment intent", "purchases are told by Checkout sessions, as the settings say")
    session = next(iter(shapes.items_of(telling.answer("session_of", telling.keyed(id_)))), None)
    if session is not None and session.get("mode") == "payment":
        return of_session(telling, session)
    if telling.remembered(f"session_of:{id_}"):
        return telling.skip("Payment intent", "its Checkout session, which knows more, has told of the purchase")
    _await_session(telling, intent)
    charges = [*shapes.items_of(intent.get("charges")), shapes.thing(intent.get("latest_charge"))]
    person = telling.person(intent, *charges, customer=shapes.id_of(intent.get("customer")), purchase=id_)
    total = shapes.money(intent.get("amount_received") or intent.get("amount"), intent.get("currency"))
    return _place(telling, Purchase(intent, id_, person, total))


def _await_session(telling: Telling, intent: Thing) -> None:
    """Raises Later while a session that knows more of this purchase may still come."""
    if telling.answer(SETTLED, _wait(telling)) is False:
        raise Later(
            f"The Checkout session of {intent.get('id')} may tell more of this purchase, so it is given a little time to come.",
            seconds=min(_SESSION_LOOKS_SECONDS, telling.settings.checkout_wait_seconds),
        )


def _wait(telling: Telling) -> str:
    return str(telling.settings.checkout_wait_seconds)


def _may_have_session(telling: Telling, intent: Thing) -> bool:
    """Whether the intent may be that of a Checkout session: newer ones name it as their reference, older ones do not tell."""
    if telling.settings.purchases is not Purchases.BOTH or telling.settings.api_key is not None:
        return False
    if "payment_details" not in intent:
        return telling.settings.checkout_wait_seconds > 0
    reference = shapes.text(shapes.thing(intent.get("payment_details")).get("order_reference")) or ""
    return reference.startswith("cs_") and telling.settings.checkout_wait_seconds > 0


def charge_of_history(telling: Telling) -> None:
    """A charge as the API lists it: the only object that every purchase of the past has."""
    charge = telling.told.object
    if charge.get("status") not in (None, "succeeded") or charge.get("paid") is False:
        return telling.skip("Charge that did not succeed", "nothing was paid")
    if belongs_to_invoice(telling, charge):
        return telling.skip("Charge of an invoice", "the history of invoices tells of it")
    id_ = purchase_id(charge)
    person = telling.person(charge, customer=shapes.id_of(charge.get("customer")), purchase=id_)
    total = shapes.money(charge.get("amount_captured") or charge.get("amount"), charge.get("currency"))
    return _place(telling, Purchase(charge, id_, person, total))


def of_session(telling: Telling, session: Thing) -> None:
    id_ = purchase_id(session)
    person = telling.person(session, customer=shapes.id_of(session.get("customer")), purchase=id_)
    total = shapes.money(session.get("amount_total"), session.get("currency"))
    listed = session.get("line_items") or telling.answer("line_items", telling.keyed(str(session.get("id"))))
    lines = tuple(line for n, item in enumerate(shapes.items_of(listed), 1) if (line := line_of(item, id_, n)))
    _place(telling, Purchase(session, id_, person, total, lines))


def line_of(item: Thing, purchase: str, place: int) -> Line | None:
    """A line of a session, with the price and the product that came with it."""
    price = shapes.price_of(item)
    product = shapes.thing(price.get("product"))
    currency = item.get("currency") or price.get("currency")
    quantity = item.get("quantity")
    quantity = 1 if not isinstance(quantity, int) else quantity
    total = shapes.money(item.get("amount_subtotal"), currency)
    unit = shapes.money(shapes.unit_amount(price), currency)
    if unit is None and total is not None:
        unit = Money(total.amount / quantity, total.currency) if quantity else total
    if unit is None:
        return None
    images = product.get("images")
    shown = Product(
        id=str(shapes.id_of(price.get("product")) or shapes.id_of(price) or item.get("id")),
        variant_id=shapes.id_of(price),
        name=shapes.text(product.get("name")) or shapes.text(item.get("description")) or "Unknown Product",
        sku=shapes.text(shapes.thing(product.get("metadata")).get("sku")) or shapes.text(price.get("lookup_key")),
        url=shapes.text(product.get("url")),
        image_url=next((each for each in images if isinstance(each, str)), None) if isinstance(images, list) else None,
        categories=tuple(filter(None, [shapes.text(shapes.thing(product.get("metadata")).get("category"))])),
        brand=shapes.text(shapes.thing(product.get("metadata")).get("brand")),
    )
    return Line(
        id=str(place), product=shown, quantity=quantity, unit_price=unit, total=total, unique_id=f"purchase:{purchase}:{place}"
    )


def belongs_to_invoice(telling: Telling, about: Thing) -> bool:
    """Whether a payment is that of an invoice: by itself before basil, by what is known or asked since then."""
    if "invoice" in about:
        return about.get("invoice") is not None
    intent = purchase_id(about)
    reference = shapes.text(shapes.thing(about.get("payment_details")).get("order_reference")) or ""
    if reference.startswith("in_") or about.get("description") in _OF_INVOICES:
        return True
    asked = telling.answer("invoice_of", telling.keyed(intent))
    return bool(telling.remembered(f"invoice_of:{intent}") or shapes.items_of(asked))


def lookups_of_session(telling: Telling, session: Thing) -> Sequence[Lookup]:
    key = telling.keyed(str(session.get("id")))
    wanted = session.get("mode") == "payment" and not session.get("line_items") and key and telling.settings.api_key
    return [Lookup("line_items", key)] if wanted and key else []


def lookups_of_payment(telling: Telling, about: Thing, *, sessions: bool) -> Sequence[Lookup]:
    """What must be known of a payment intent or a charge: its invoice, and for an intent its Checkout session."""
    intent = purchase_id(about)
    found = [Lookup(REMEMBERED, f"invoice_of:{intent}")] if "invoice" not in about else []
    if sessions:
        found.append(Lookup(REMEMBERED, f"session_of:{intent}"))
        if _may_have_session(telling, about):
            found.append(Lookup(SETTLED, _wait(telling)))
    key = telling.keyed(intent)
    if telling.settings.api_key is None or not key or not intent.startswith("pi_"):
        return found
    if "invoice" not in about:
        found.append(Lookup("invoice_of", key))
    if sessions:
        found.append(Lookup("session_of", key))
        session = next(iter(shapes.items_of(telling.answer("session_of", key))), None)
        if session is not None:
            found += lookups_of_session(telling, session)
    return found


def who_bought(telling: Telling, person: PersonRef, about: Thing, customer: str | None) -> None:
    """What a purchase tells about the person: their name, number and place, and the customer that Stripe knows them by."""
    details = shapes.thing(about.get("customer_details")) or shapes.thing(about.get("billing_details"))
    phone = normal_phone(shapes.text(details.get("phone")) or "")
    attributes: dict[str, Any] = {
        **shapes.parts_of_name(details.get("individual_name") or details.get("name")),
        **({"phone_number": phone} if phone else {}),
        **({"location": place} if (place := location_of(address_of(details))) else {}),
        **({"properties": {"stripe_customer_id": customer}} if customer else {}),
    }
    if attributes:
        telling.change(person, attributes, str(about.get("id")))


def address_of(details: Thing) -> Address | None:
    """A name with an address, as billing and shipping have it; None without one."""
    address = shapes.thing(details.get("address"))
    if not any(address.values()):
        return None
    return Address(
        **shapes.parts_of_name(details.get("name")),
        address1=shapes.text(address.get("line1")),
        address2=shapes.text(address.get("line2")),
        city=shapes.text(address.get("city")),
        region=shapes.text(address.get("state")),
        country_code=shapes.text(address.get("country")),
        zip=shapes.text(address.get("postal_code")),
        phone=shapes.text(details.get("phone")),
    )


def _place(telling: Telling, purchase: Purchase) -> None:
    if purchase.total is None:
        return telling.skip("Purchase without an amount", "there is nothing to tell without one")
    about = purchase.about
    events = placed(_order(telling, purchase, purchase.total), telling.terms)
    value = "amount_total" if about.get("object") == "checkout.session" else "amount_received"
    key = "payment_intent" if about.get("payment_intent") else "id"
    telling.send(events[:1], unique_id=key, value=value, currency="currency")
    telling.send(events[1:], unique_id=key)
    return who_bought(telling, purchase.person, about, shapes.id_of(about.get("customer")))


def _order(telling: Telling, purchase: Purchase, total: Money) -> Order:
    about, id_ = purchase.about, purchase.id
    details, currency, kind = shapes.thing(about.get("total_details")), about.get("currency"), about.get("object")
    ids = {
        "stripe_payment_intent_id": id_ if id_.startswith("pi_") else None,
        "stripe_checkout_session_id": shapes.id_of(about) if kind == "checkout.session" else None,
        "stripe_charge_id": shapes.id_of(about) if kind == "charge" else shapes.id_of(about.get("latest_charge")),
    }
    return Order(
        id=id_,
        unique_id=f"purchase:{id_}",
        placed_at=telling.told.at,
        person=purchase.person,
        total=total,
        lines=purchase.lines,
        subtotal=shapes.money(about.get("amount_subtotal"), currency),
        tax=shapes.money(details.get("amount_tax"), currency),
        shipping=shapes.money(details.get("amount_shipping"), currency),
        discount=shapes.money(details.get("amount_discount"), currency),
        discount_codes=_codes(about),
        payment_method=_method(about),
        billing_address=address_of(shapes.thing(about.get("customer_details")) or shapes.thing(about.get("billing_details"))),
        shipping_address=address_of(_shipping(about)),
        extra={**{name: value for name, value in ids.items() if value}, **telling.beside(about)},
    )


def _shipping(about: Thing) -> Thing:
    """Where a purchase goes: since basil with what was collected, before that beside it, and older still under shipping."""
    collected = shapes.thing(shapes.thing(about.get("collected_information")).get("shipping_details"))
    return collected or shapes.thing(about.get("shipping_details")) or shapes.thing(about.get("shipping"))


def _method(about: Thing) -> str | None:
    details = shapes.thing(about.get("payment_method_details"))
    types = about.get("payment_method_types")
    return shapes.text(details.get("type")) or (types[0] if isinstance(types, list) and len(types) == 1 else None)


def _codes(about: Thing) -> tuple[str, ...]:
    """The codes that were entered, where they came along and not only their ids."""
    codes = [shapes.thing(each.get("promotion_code")).get("code") for each in shapes.items_of(about.get("discounts"))]
    return tuple(code for code in codes if isinstance(code, str) and code)
