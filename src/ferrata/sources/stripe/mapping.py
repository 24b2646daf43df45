"""Which of Stripe's events mean what: one line for each type, as in docs/sources/stripe.md. No I/O."""

from collections.abc import Callable, Mapping, Sequence

from ferrata.sources.contract import REMEMBERED, Erased, LookedUp, Lookup, Mapped, Message, PersonRef, Skipped
from ferrata.sources.errors import Refused
from ferrata.sources.stripe import payments, purchases, shapes, subscriptions
from ferrata.sources.stripe.opening import HISTORY, document, is_thin, told_by
from ferrata.sources.stripe.settings import CustomerDeleted, StripeSettings, TestMode
from ferrata.sources.stripe.shapes import Thing
from ferrata.sources.stripe.telling import Telling, Told, email_in


def _customer(telling: Telling) -> None:
    """``customer.created`` and ``customer.updated``: whose events the customer's are, and what stands at their profile."""
    customer = telling.told.object
    id_ = shapes.id_of(customer)
    if not email_in(customer):
        return telling.skip("Customer without an e-mail address", "there is nobody to tell of yet")
    person = telling.person(customer, customer=id_)
    return purchases.who_bought(telling, person, {**customer, "customer_details": customer}, id_)


def _charge(telling: Telling) -> None:
    """Charges tell whose payment it is; the purchase itself is told by its intent or its session."""
    charge = telling.told.object
    customer, purchase = shapes.id_of(charge.get("customer")), purchases.purchase_id(charge)
    telling.learn(email_in(charge), customer=customer, purchase=purchase)
    if invoice := shapes.id_of(charge.get("invoice")):
        telling.note((f"invoice_of:{purchase}", invoice))
    telling.skip("Charge", "its payment intent or Checkout session tells of the purchase")


def _invoice_payment(telling: Telling) -> None:
    """``invoice_payment.paid``: since basil the only place that says which invoice a payment intent is for."""
    paid = telling.told.object
    intent, invoice = shapes.id_of(shapes.thing(paid.get("payment")).get("payment_intent")), shapes.id_of(paid.get("invoice"))
    if intent and invoice:
        telling.note((f"invoice_of:{intent}", invoice))
    telling.skip("Payment of an invoice", "the invoice tells of itself")


def _charge_of_history(telling: Telling) -> None:
    purchases.charge_of_history(telling)
    payments.refunds_of_history(telling)


def _invoice_of_history(telling: Telling) -> None:
    if telling.told.object.get("status") not in (None, "paid"):
        return telling.skip("Invoice that is not paid", "nothing was paid")
    return payments.invoice_paid(telling)


DELETED = "customer.deleted"
MEANINGS: Mapping[str, Callable[[Telling], None]] = {
    "checkout.session.completed": purchases.session_completed,
    "checkout.session.async_payment_succeeded": purchases.session_completed,
    "payment_intent.succeeded": purchases.intent_succeeded,
    "payment_intent.payment_failed": payments.payment_failed,
    "invoice.paid": payments.invoice_paid,
    "invoice.payment_succeeded": payments.invoice_paid,
    "invoice.payment_failed": payments.invoice_failed,
    "invoice_payment.paid": _invoice_payment,
    "customer.subscription.created": subscriptions.started,
    "customer.subscription.updated": subscriptions.updated,
    "customer.subscription.deleted": subscriptions.cancelled,
    "customer.subscription.trial_will_end": subscriptions.trial_ending,
    "charge.succeeded": _charge,
    "charge.updated": _charge,
    "charge.refunded": payments.charge_refunded,
    "customer.created": _customer,
    "customer.updated": _customer,
}
OF_HISTORY: Mapping[str, Callable[[Telling], None]] = {
    f"{HISTORY}charge": _charge_of_history,
    f"{HISTORY}invoice": _invoice_of_history,
    f"{HISTORY}subscription": subscriptions.of_history,
    f"{HISTORY}customer": _customer,
}


def lookups(message: Message, looked_up: LookedUp, settings: StripeSettings) -> Sequence[Lookup]:
    """What must be known first: asked again with the answers, until nothing new is wanted."""
    event = document(message.body)
    if is_thin(event) and f"{event.get('type')}".removeprefix("v1.") in MEANINGS:
        wanted = _of_thin(event)
        if settings.api_key is None or wanted is None or wanted not in looked_up:
            return [wanted] if wanted and settings.api_key else []
    told = told_by(message, _fetched(event, looked_up))
    if told.type not in MEANINGS and told.type not in OF_HISTORY:
        return []
    telling = Telling(told, looked_up, settings, settings.terms(backfill=message.history))
    return [*_of_type(telling), *_of_person(telling)]


def map_event(message: Message, looked_up: LookedUp, settings: StripeSettings) -> Mapped:
    """What an event of Stripe means for Klaviyo.

    Raises:
        Refused: it is of test mode and the settings refuse that, it is thin and cannot be fetched, or holds nothing.
        Later: nobody has told whose it is yet.
    """
    event = document(message.body)
    told = told_by(message, _fetched(event, looked_up))
    meaning = MEANINGS.get(told.type) or OF_HISTORY.get(told.type)
    if meaning is None and told.type != DELETED:
        return Mapped(skipped=(Skipped(told.type, "no event in Klaviyo belongs to this type"),))
    if not told.live and settings.test_mode is TestMode.REFUSE:
        raise Refused("This event is of Stripe's test mode (livemode is false), and the settings refuse that.")
    if settings.accounts and told.account not in settings.accounts:
        return Mapped(
            skipped=(Skipped(f"account {told.account or 'of the platform'}", "not one of the accounts in the settings"),)
        )
    if told.type == DELETED:
        return _deleted(told.object, settings)
    if is_thin(event) and not told.object:
        raise Refused(_why_not_fetched(settings))
    if not told.object:
        raise Refused("The event does not hold what it is about: data.object is no object.")
    telling = Telling(told, looked_up, settings, settings.terms(backfill=message.history))
    if meaning:
        meaning(telling)
    return telling.mapped()


def _deleted(customer: Thing, settings: StripeSettings) -> Mapped:
    person = PersonRef(shapes.text(customer.get("email")), None, shapes.text(customer.get("id")))
    if settings.customer_deleted is CustomerDeleted.KEEP or not person.known:
        return Mapped(skipped=(Skipped(DELETED, "the settings say that nothing is erased; Klaviyo keeps the profile"),))
    told = Skipped(DELETED, "everything kept here of this person is deleted, this message too")
    return Mapped(skipped=(told,), erased=(Erased(person, "deleted in Stripe"),))


def _of_type(telling: Telling) -> Sequence[Lookup]:
    about, type_ = telling.told.object, telling.told.type
    if type_.startswith("checkout.session."):
        return purchases.lookups_of_session(telling, about)
    if type_ == "payment_intent.succeeded":
        return purchases.lookups_of_payment(telling, about, sessions=True)
    if type_ == f"{HISTORY}charge":
        return purchases.lookups_of_payment(telling, about, sessions=False)
    if type_.startswith("invoice.") or type_ == f"{HISTORY}invoice":
        return [Lookup(REMEMBERED, f"purchase_of_invoice:{about.get('id')}")]
    return []


def _of_person(telling: Telling) -> Sequence[Lookup]:
    """Whose it is, if the object does not say: first what earlier events told, then what the API says."""
    about = telling.told.object
    if telling.told.type.startswith("customer.") and about.get("object") == "customer":
        return []
    inner = [
        *shapes.items_of(about.get("charges")),
        shapes.thing(shapes.thing(about.get("last_payment_error")).get("payment_method")),
    ]
    if email_in(about, *inner):
        return []
    customer, purchase = shapes.id_of(about.get("customer")), purchases.purchase_id(about)
    asked = [Lookup(REMEMBERED, f"purchase:{purchase}")]
    if customer:
        asked.append(Lookup(REMEMBERED, f"customer:{customer}"))
    if telling.settings.api_key is None or not customer:
        return asked
    if any(telling.answer(lookup.what, lookup.key) for lookup in asked):
        return asked
    key = telling.keyed(customer)
    known = all(telling.has(lookup) for lookup in asked)
    return [*asked, Lookup("customer", key)] if known and key else asked


def _of_thin(event: Thing) -> Lookup | None:
    """The object that a thin event refers to; only paths of Stripe's API are asked."""
    url = shapes.text(shapes.thing(event.get("related_object")).get("url")) or ""
    account = shapes.text(event.get("context"))
    return Lookup("object", f"{account}/{url}" if account else url) if url.startswith(("/v1/", "/v2/")) else None


def _fetched(event: Thing, looked_up: LookedUp) -> Thing | None:
    wanted = _of_thin(event) if is_thin(event) else None
    found = looked_up.get(wanted) if wanted else None
    return found if isinstance(found, Mapping) else None


def _why_not_fetched(settings: StripeSettings) -> str:
    if settings.api_key is None:
        return (
            "This is a thin event: it only names its object. Set an API key so that it can be fetched, or let the endpoint send "
            "snapshot events."
        )
    return "This is a thin event, and Stripe no longer has the object that it names."


__all__ = ["MEANINGS", "OF_HISTORY", "Told", "lookups", "map_event"]
