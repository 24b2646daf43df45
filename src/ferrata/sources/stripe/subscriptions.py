"""Subscriptions: started, changed, about to end their trial, cancelled; and what of it stands at the profile."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ferrata.commerce.metrics import Lifecycle
from ferrata.commerce.model import Subscription
from ferrata.commerce.money import Money
from ferrata.commerce.subscriptions import instant, told
from ferrata.commerce.tracked import PersonRef
from ferrata.sources.stripe import shapes
from ferrata.sources.stripe.shapes import Thing
from ferrata.sources.stripe.telling import Telling

NOT_YET = ("incomplete", "incomplete_expired")
_RUNNING = ("active", "trialing")
_A_MONTH: Mapping[str, Decimal] = {
    "day": Decimal(365) / 12,
    "week": Decimal(52) / 12,
    "month": Decimal(1),
    "year": Decimal(1) / 12,
}
_OF_THE_PERIOD = {"current_period_start", "current_period_end"}
_SILENT = _OF_THE_PERIOD | {
    "latest_invoice",
    "billing_cycle_anchor",
    "billing_thresholds",
    "default_payment_method",
    "default_source",
    "default_tax_rates",
    "invoice_settings",
    "metadata",
    "next_pending_invoice_item_invoice",
    "payment_settings",
    "pending_setup_intent",
    "automatic_tax",
    "test_clock",
}
"""Changes of these alone are no event: a period that rolls over, a card that is replaced."""
_SCHEDULING = {"cancel_at", "cancel_at_period_end", "canceled_at", "cancellation_details"}
_GOODS = {"items", "plan", "price", "quantity"}


def started(telling: Telling) -> None:
    """``customer.subscription.created``; one that is still incomplete starts when its first payment has come."""
    subscription = telling.told.object
    if subscription.get("status") in NOT_YET:
        return telling.skip("Subscription not paid yet", "customer.subscription.updated tells when it becomes active")
    return _start(telling, subscription)


def updated(telling: Telling) -> None:
    """``customer.subscription.updated``: which change it was is told by ``previous_attributes``."""
    subscription, before = telling.told.object, telling.told.previous
    if before.get("status") in NOT_YET and subscription.get("status") in _RUNNING:
        return _start(telling, subscription)
    person = _person(telling, subscription)
    state(telling, person, subscription)
    metric = change(subscription, before)
    if metric is None:
        return telling.skip("Subscription unchanged for people", "its period rolled over, or only how it is paid changed")
    id_ = str(subscription.get("id"))
    more = {"PreviousStatus": before.get("status"), "Changed": sorted(set(before) - _SILENT)}
    model = _model(telling, person, subscription)
    event = told(metric, model, f"sub_updated:{id_}:{telling.told.id}", telling.told.at, telling.terms, more=more)
    return telling.send([event], unique_id="id")


def cancelled(telling: Telling) -> None:
    """``customer.subscription.deleted``."""
    subscription = telling.told.object
    person = _person(telling, subscription)
    state(telling, person, subscription)
    details = shapes.thing(subscription.get("cancellation_details"))
    more = {"Reason": details.get("reason"), "Feedback": details.get("feedback")}
    id_ = f"sub_cancelled:{subscription.get('id')}"
    model = _model(telling, person, subscription)
    event = told(Lifecycle.SUBSCRIPTION_CANCELLED, model, id_, telling.told.at, telling.terms, more=more)
    telling.send([event], unique_id="id")


def trial_ending(telling: Telling) -> None:
    """``customer.subscription.trial_will_end``: three days before, or at once for a shorter trial; once per end."""
    subscription = telling.told.object
    person = _person(telling, subscription)
    state(telling, person, subscription)
    id_ = f"trial_ending:{subscription.get('id')}:{subscription.get('trial_end')}"
    model = _model(telling, person, subscription)
    event = told(Lifecycle.TRIAL_ENDING, model, id_, telling.told.at, telling.terms)
    telling.send([event], unique_id="trial_end")


def of_history(telling: Telling) -> None:
    """A subscription as the API lists it: that it started, that it ended if it did, and how it stands."""
    subscription = telling.told.object
    if subscription.get("status") in NOT_YET:
        return telling.skip("Subscription that was never paid", "it never started")
    _start(telling, subscription)
    ended = shapes.at(subscription.get("ended_at"))
    if ended is None:
        return None
    person = _person(telling, subscription)
    details = shapes.thing(subscription.get("cancellation_details"))
    more = {"Reason": details.get("reason"), "Feedback": details.get("feedback")}
    id_ = f"sub_cancelled:{subscription.get('id')}"
    model = _model(telling, person, subscription)
    return telling.send([told(Lifecycle.SUBSCRIPTION_CANCELLED, model, id_, ended, telling.terms, more=more)], unique_id="id")


def change(subscription: Thing, before: Thing) -> Lifecycle | None:
    """Which event a change is; None if it is none. A plan of another price counts before a cancellation that is taken back."""
    touched = {name for name in before if name not in _SILENT and before[name] != subscription.get(name)}
    if touched & _GOODS and not _same_goods(subscription, before):
        return _direction(subscription, before)
    touched -= _GOODS
    if touched & {"cancel_at", "cancel_at_period_end"}:
        ending = bool(subscription.get("cancel_at_period_end") or subscription.get("cancel_at"))
        return Lifecycle.SUBSCRIPTION_CANCEL_SCHEDULED if ending else Lifecycle.SUBSCRIPTION_RESUMED
    paused_before = before.get("status") == "paused" or bool(before.get("pause_collection"))
    if paused_before and subscription.get("status") in _RUNNING and not subscription.get("pause_collection"):
        return Lifecycle.SUBSCRIPTION_RESUMED
    return Lifecycle.SUBSCRIPTION_UPDATED if touched - _SCHEDULING else None


def state(telling: Telling, person: PersonRef, subscription: Thing) -> None:
    """How a subscription stands, at the profile. Stripe may tell out of order; the later time of Stripe's counts."""
    _, until = shapes.period(subscription)
    over = subscription.get("status") in ("canceled", *NOT_YET)
    ending = over or bool(subscription.get("cancel_at_period_end") or subscription.get("cancel_at"))
    properties = {
        "stripe_customer_id": shapes.id_of(subscription.get("customer")),
        "stripe_subscription_id": shapes.id_of(subscription),
        "stripe_subscription_status": subscription.get("status"),
        "subscription_tier": None if over else _tier(telling, subscription),
        "next_billing_date": None if ending else instant(until),
    }
    telling.change(person, {"properties": properties}, str(subscription.get("id")))


def _start(telling: Telling, subscription: Thing) -> None:
    person = _person(telling, subscription)
    state(telling, person, subscription)
    since = shapes.at(subscription.get("start_date")) or shapes.at(subscription.get("start"))
    at = since if telling.told.history and since else telling.told.at
    model = _model(telling, person, subscription)
    event = told(Lifecycle.SUBSCRIPTION_STARTED, model, f"sub_started:{subscription.get('id')}", at, telling.terms)
    telling.send([event], unique_id="id")


def _person(telling: Telling, subscription: Thing) -> PersonRef:
    return telling.person(subscription, customer=shapes.id_of(subscription.get("customer")))


def _model(telling: Telling, person: PersonRef, subscription: Thing) -> Subscription:
    items = shapes.subscription_items(subscription)
    first = shapes.price_of(items[0]) if items else {}
    interval, count = shapes.recurring(first)
    since, until = shapes.period(subscription)
    at_end = until if subscription.get("cancel_at_period_end") else None
    return Subscription(
        id=str(subscription.get("id")),
        person=person,
        status=str(subscription.get("status")),
        product_name=_name(first),
        tier=_tier(telling, subscription),
        interval=interval,
        interval_count=count if interval else None,
        amount=_amount(items),
        quantity=sum(each.get("quantity") or 1 for each in items) if items else None,
        started_at=shapes.at(subscription.get("start_date")) or shapes.at(subscription.get("start")),
        period_start=since,
        period_end=until,
        trial_end=shapes.at(subscription.get("trial_end")),
        cancel_at=shapes.at(subscription.get("cancel_at")) or at_end,
        cancelled_at=shapes.at(subscription.get("canceled_at")),
        ended_at=shapes.at(subscription.get("ended_at")),
        extra={"stripe_customer_id": shapes.id_of(subscription.get("customer")), **telling.beside(subscription)},
    )


def _tier(telling: Telling, subscription: Thing) -> str | None:
    """The plan's name for people: the store's own, the one in metadata, or the price's nickname."""
    prices = [shapes.price_of(item) for item in shapes.subscription_items(subscription)]
    for price in prices:
        for id_ in (shapes.id_of(price), shapes.id_of(price.get("product"))):
            if id_ and id_ in telling.settings.tiers:
                return telling.settings.tiers[id_]
    metadata = shapes.thing(subscription.get("metadata"))
    named = [
        metadata.get("plan_tier"),
        metadata.get("tier"),
        *(shapes.thing(price.get("metadata")).get("tier") for price in prices),
    ]
    return next(filter(None, map(shapes.text, [*named, *map(_name, prices)])), None)


def _name(price: Thing) -> str | None:
    product = shapes.thing(price.get("product"))
    return shapes.text(product.get("name")) or shapes.text(price.get("nickname")) or shapes.text(price.get("name"))


def _amount(items: list[Thing]) -> Money | None:
    """What one period costs; None where items have several currencies or usage decides."""
    total: Money | None = None
    for item in items:
        price = shapes.price_of(item)
        each = shapes.money(shapes.unit_amount(price), price.get("currency"))
        if each is None or (total is not None and total.currency != each.currency):
            return None
        row = each * (item.get("quantity") or 1)
        total = row if total is None else total + row
    return total


def _same_goods(subscription: Thing, before: Thing) -> bool:
    """Whether plan and quantities are the same: since basil a period that rolls over changes the items too."""
    return bool(_goods(subscription) == _goods(_as_before(subscription, before)))


def _goods(subscription: Thing) -> Any:
    return [
        (shapes.id_of(price), str(shapes.unit_amount(price)), shapes.recurring(price), item.get("quantity") or 1)
        for item in shapes.subscription_items(subscription)
        for price in [shapes.price_of(item)]
    ]


def _direction(subscription: Thing, before: Thing) -> Lifecycle:
    now, then = _monthly(subscription), _monthly(_as_before(subscription, before))
    if now is None or then is None or now[1] != then[1] or now[0] == then[0]:
        return Lifecycle.SUBSCRIPTION_UPDATED
    return Lifecycle.SUBSCRIPTION_UPGRADED if now[0] > then[0] else Lifecycle.SUBSCRIPTION_DOWNGRADED


def _as_before(subscription: Thing, before: Thing) -> Thing:
    """The subscription before the change; an older shape tells only of its one plan, and items may name only what has changed."""
    if items := shapes.items_of(before.get("items")):
        now = {str(item.get("id")): item for item in shapes.subscription_items(subscription)}
        return {
            "items": [each if each.keys() & {"price", "plan"} else {**now.get(str(each.get("id")), {}), **each} for each in items]
        }
    plan = before.get("price") or before.get("plan")
    items = shapes.subscription_items(subscription)
    quantity = before.get("quantity") or (items[0].get("quantity") if items else 1)
    return {"items": [{"price": plan or (shapes.price_of(items[0]) if items else {}), "quantity": quantity}]}


def _monthly(subscription: Thing) -> tuple[Decimal, str] | None:
    items = shapes.subscription_items(subscription)
    amount = _amount(items)
    if amount is None:
        return None
    interval, count = shapes.recurring(shapes.price_of(items[0]))
    if interval is None or interval not in _A_MONTH:
        return None
    return round(amount.amount * _A_MONTH[interval] / count, 6), amount.currency
