"""Money that came, failed or went back: invoices, failed payments, refunds."""

from datetime import datetime
from typing import Any

from ferrata.commerce.metrics import Lifecycle
from ferrata.commerce.model import Order, Refund
from ferrata.commerce.money import Money
from ferrata.commerce.orders import refunded_order
from ferrata.commerce.subscriptions import instant
from ferrata.commerce.terms import present
from ferrata.sources.errors import Refused
from ferrata.sources.stripe import shapes
from ferrata.sources.stripe.purchases import purchase_id
from ferrata.sources.stripe.shapes import Thing
from ferrata.sources.stripe.telling import Telling


def invoice_paid(telling: Telling) -> None:
    """``invoice.paid`` and ``invoice.payment_succeeded`` are one fact, under one ``unique_id``."""
    invoice = telling.told.object
    id_, customer = str(invoice.get("id")), shapes.id_of(invoice.get("customer"))
    if intent := shapes.intent_of(invoice):
        telling.note((f"invoice_of:{intent}", id_))
    if telling.remembered(f"purchase_of_invoice:{id_}"):
        return telling.skip("Invoice of a Checkout purchase", "it is a Placed Order already")
    person = telling.person(invoice, customer=customer)
    renewed = invoice.get("billing_reason") == "subscription_cycle"
    metric = Lifecycle.SUBSCRIPTION_RENEWED if renewed else Lifecycle.INVOICE_PAID
    paid = shapes.money(_first(invoice, "amount_paid", "total"), invoice.get("currency"))
    properties = {**of_invoice(invoice), **telling.beside(invoice)}
    event = telling.terms.event(metric, f"invoice_paid:{id_}", telling.told.at, person, properties, money=paid)
    return telling.send([event], unique_id="id", value="amount_paid", currency="currency")


def invoice_failed(telling: Telling) -> None:
    """``invoice.payment_failed``: each attempt is one event."""
    invoice = telling.told.object
    id_, attempt = str(invoice.get("id")), invoice.get("attempt_count")
    person = telling.person(invoice, customer=shapes.id_of(invoice.get("customer")))
    due = shapes.money(invoice.get("amount_due"), invoice.get("currency"))
    properties = {**of_invoice(invoice), **telling.beside(invoice)}
    unique_id = f"invoice_failed:{id_}:{attempt if attempt is not None else telling.told.id}"
    metric = Lifecycle.SUBSCRIPTION_PAYMENT_FAILED
    event = telling.terms.event(metric, unique_id, telling.told.at, person, properties, money=due)
    telling.send([event], unique_id="attempt_count", value="amount_due", currency="currency")


def of_invoice(invoice: Thing) -> dict[str, Any]:
    currency = invoice.get("currency")
    due, paid = shapes.money(invoice.get("amount_due"), currency), shapes.money(invoice.get("amount_paid"), currency)
    lines = shapes.items_of(invoice.get("lines"))
    return present(
        {
            "InvoiceID": invoice.get("id"),
            "InvoiceNumber": invoice.get("number"),
            "BillingReason": invoice.get("billing_reason"),
            "SubscriptionID": shapes.subscription_of(invoice),
            "AmountDue": due.amount if due else None,
            "AmountPaid": paid.amount if paid else None,
            "Currency": due.currency if due else None,
            "AttemptCount": invoice.get("attempt_count"),
            "NextPaymentAttempt": instant(shapes.at(invoice.get("next_payment_attempt"))),
            "PeriodStart": instant(shapes.at(invoice.get("period_start"))),
            "PeriodEnd": instant(shapes.at(invoice.get("period_end"))),
            "HostedInvoiceURL": invoice.get("hosted_invoice_url"),
            "InvoicePDF": invoice.get("invoice_pdf"),
            "ItemNames": list(dict.fromkeys(filter(None, map(_name_of, lines)))),
        }
    )


def payment_failed(telling: Telling) -> None:
    """``payment_intent.payment_failed``: why, in Stripe's codes and words; nothing of the card."""
    intent = telling.told.object
    id_, error = str(intent.get("id")), shapes.thing(intent.get("last_payment_error"))
    charges = shapes.items_of(intent.get("charges"))
    method = shapes.thing(error.get("payment_method"))
    person = telling.person(intent, method, *charges, customer=shapes.id_of(intent.get("customer")), purchase=id_)
    charge = (
        shapes.id_of(error.get("charge")) or shapes.id_of(intent.get("latest_charge")) or shapes.id_of(next(iter(charges), None))
    )
    money = shapes.money(intent.get("amount"), intent.get("currency"))
    properties = {
        "PaymentIntentID": id_,
        "Code": error.get("code"),
        "DeclineCode": error.get("decline_code"),
        "Message": error.get("message"),
        "PaymentMethod": method.get("type"),
        "Currency": money.currency if money else None,
        **telling.beside(intent),
    }
    unique_id = f"payment_failed:{id_}:{charge or telling.told.id}"
    event = telling.terms.event(Lifecycle.PAYMENT_FAILED, unique_id, telling.told.at, person, properties, money=money)
    telling.send([event], unique_id="last_payment_error/charge", value="amount", currency="currency")


def charge_refunded(telling: Telling) -> None:
    """``charge.refunded``: ``amount_refunded`` is the sum so far, so what is told is the difference to the event before.

    ``unique_id``: the charge and the sum so far. It is the one key that both shapes of a charge can give: refunds came along with
    it before 2022-11-15, and no longer since.

    Raises:
        Refused: nobody can say how much went back.
    """
    charge = telling.told.object
    so_far, before = charge.get("amount_refunded"), telling.told.previous.get("amount_refunded", 0)
    if type(so_far) is not int or type(before) is not int:
        raise Refused("The charge's amount_refunded is no number.")
    if so_far <= before:
        return telling.skip("Refund without an amount", "amount_refunded has not grown")
    refunds = shapes.items_of(charge.get("refunds"))
    reason = shapes.text(refunds[0].get("reason")) if refunds else None
    return _refund(telling, charge, (before, so_far), reason, telling.told.at)


def refunds_of_history(telling: Telling) -> None:
    """The refunds of a charge as the API lists it, oldest first, under the keys that their events had."""
    charge = telling.told.object
    so_far = 0
    for refund in sorted(shapes.items_of(charge.get("refunds")), key=lambda each: each.get("created") or 0):
        amount = refund.get("amount")
        if not isinstance(amount, int) or refund.get("status") not in (None, "succeeded"):
            continue
        at = shapes.at(refund.get("created")) or telling.told.at
        _refund(telling, charge, (so_far, so_far + amount), shapes.text(refund.get("reason")), at)
        so_far += amount


def _refund(telling: Telling, charge: Thing, sums: tuple[int, int], reason: str | None, at: datetime) -> None:
    """``sums``: how much had gone back before, and how much has now."""
    before, so_far = sums
    currency, id_ = charge.get("currency"), purchase_id(charge)
    back, total = shapes.money(so_far - before, currency), shapes.money(charge.get("amount"), currency)
    if back is None or total is None:
        return telling.skip("Refund without a currency", "there is nothing to tell without one")
    person = telling.person(charge, customer=shapes.id_of(charge.get("customer")), purchase=id_)
    charged = str(charge.get("id"))
    order = Order(
        id=id_,
        unique_id=f"purchase:{id_}",
        placed_at=shapes.at(charge.get("created")) or at,
        person=person,
        total=total,
        extra={"stripe_charge_id": charged, "RefundedSoFar": _amount(so_far, currency), **telling.beside(charge)},
    )
    refund = Refund(id=f"{charged}:{so_far}", at=at, amount=back, reason=reason, unique_id=f"refund:{charged}:{so_far}")
    return telling.send([refunded_order(order, refund, telling.terms)], value="amount_refunded", currency="currency")


def _amount(units: int, currency: Any) -> Any:
    found: Money | None = shapes.money(units, currency)
    return found.amount if found else None


def _first(about: Thing, *names: str) -> Any:
    return next((about[name] for name in names if about.get(name) is not None), None)


def _name_of(line: Thing) -> str | None:
    plan = shapes.thing(line.get("plan"))
    return shapes.text(line.get("description")) or shapes.text(plan.get("nickname")) or shapes.text(plan.get("name"))
