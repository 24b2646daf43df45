"""What messages about orders mean: placed, fulfilled, cancelled, returned."""

from collections.abc import Sequence
from datetime import datetime

from ferrata.commerce import orders as commerce
from ferrata.commerce.model import Fulfilment, Order, Part
from ferrata.sources.commercetools.found import Found
from ferrata.sources.commercetools.notification import BACKFILLED, Notification
from ferrata.sources.commercetools.purchases import has_identity, purchase, with_own_fields
from ferrata.sources.commercetools.reading import Json, first_instant, listed, pieces, within
from ferrata.sources.contract import Lookup, Mapped, Skipped, TrackedEvent


def product_lookups(order: Json | None) -> list[Lookup]:
    """The products of an order, for their categories."""
    ids = dict.fromkeys(str(line.get("productId")) for line in listed(within(order, "lineItems")) if line.get("productId"))
    return [Lookup("product", id_) for id_ in ids]


def order_of(seen: Notification, found: Found) -> Json | None:
    """The order as the message holds it, else as it was read."""
    told = seen.body.get("order")
    return told if isinstance(told, dict) else found.one("order", seen.resource_id)


def lookups(seen: Notification, found: Found) -> Sequence[Lookup]:
    if not isinstance(seen.body.get("order"), dict) and not found.has("order", seen.resource_id):
        return [Lookup("order", seen.resource_id)]
    return product_lookups(order_of(seen, found))


def changed_lookups(seen: Notification, found: Found) -> Sequence[Lookup]:
    """Nothing, for a state that means nothing."""
    states, state = found.settings.order.states.changed, seen.body.get("orderState")
    if state and state not in (*states.cancelled_order, *states.fulfilled_order):
        return ()
    return lookups(seen, found)


def placed(seen: Notification, found: Found) -> Mapped:
    """Placed Order, and Ordered Product for each line."""
    order = order_of(seen, found)
    if seen.type == "OrderCustomerSet" and not seen.payload_missing and not seen.body.get("customer"):
        return nothing("order", "its customer was taken away from it")
    if (unfit := _unfit(order)) or order is None:
        return nothing("order", unfit or "")
    states, state = found.settings.order.states.created.placed_order, order.get("orderState")
    if state not in states and not _moved_on(seen, order):
        return nothing("order", f"its state {state} is none in which an order counts as placed ({', '.join(states)})")
    return Mapped(events=tuple(placed_events(order, model_of(order, found), found)))


def _moved_on(seen: Notification, order: Json) -> bool:
    """Whether the order was read late, after further changes: it was placed then, whatever has become of it since."""
    read_later = not isinstance(seen.body.get("order"), dict) and seen.version is not None
    return read_later and isinstance(order.get("version"), int) and order["version"] > (seen.version or 0)


def placed_events(order: Json, model: Order, found: Found) -> list[TrackedEvent]:
    own_lines = with_own_fields(model, order, found.settings)
    return [commerce.placed_order(model, found.terms), *commerce.ordered_products(own_lines, found.terms)]


def changed(seen: Notification, found: Found) -> Mapped:
    """Fulfilled Order or Cancelled Order, as the merchant's settings read the new state."""
    if seen.body.get("orderState") and not changed_lookups(seen, found) and not found.has("order", seen.resource_id):
        return nothing("order", f"its new state {seen.body['orderState']} means no event")
    order = order_of(seen, found)
    if (unfit := _unfit(order)) or order is None:
        return nothing("order", unfit or "")
    state = seen.body.get("orderState") or order.get("orderState")
    events = state_events(model_of(order, found), str(state), _when(seen, order, found), found)
    return Mapped(events=events) if events else nothing("order", f"its new state {state} means no event")


def state_events(model: Order, state: str, at: datetime, found: Found) -> tuple[TrackedEvent, ...]:
    states = found.settings.order.states.changed
    events = []
    if state in states.cancelled_order:
        events.append(commerce.cancelled_order(model, at, found.terms))
    if state in states.fulfilled_order:
        events.append(commerce.fulfilled_order(model, Fulfilment(id=model.id, at=at), found.terms))
    return tuple(events)


def shipped(seen: Notification, found: Found) -> Mapped:
    """Fulfilled Order by the state of shipment, or Fulfilled Partial Order by delivery, where the merchant wants it."""
    order = order_of(seen, found)
    if (unfit := _unfit(order)) or order is None:
        return nothing("order", unfit or "")
    at, delivery = _when(seen, order, found), seen.body.get("delivery")
    if isinstance(delivery, dict) and found.settings.order.deliveries:
        fulfilment = _delivered(delivery, first_instant(delivery.get("createdAt")) or at)
        return Mapped(events=(commerce.fulfilled_order(model_of(order, found), fulfilment, found.terms),))
    state = seen.body.get("shipmentState") or order.get("shipmentState")
    if state not in found.settings.order.states.changed.fulfilled_shipment:
        return nothing("order", f"its shipment state {state} means no event")
    whole = Fulfilment(id=str(order.get("id")), at=at)
    return Mapped(events=(commerce.fulfilled_order(model_of(order, found), whole, found.terms),))


def _delivered(delivery: Json, at: datetime) -> Fulfilment:
    parcels = listed(delivery.get("parcels"))
    tracking = parcels[0].get("trackingData") if parcels else None
    parts = [Part(str(item.get("id")), pieces(item.get("quantity"))) for item in listed(delivery.get("items"))]
    return Fulfilment(
        id=str(delivery.get("id") or ""),
        at=at,
        completes=False,
        parts=tuple(parts),
        carrier=within(tracking, "carrier"),
        tracking_number=within(tracking, "trackingId"),
    )


def deleted(seen: Notification, found: Found) -> Mapped:
    """Deleting an order is tidying up, unless the merchant says that it means Cancelled Order."""
    if found.settings.order.deleted == "ignore":
        return nothing("order", "it was deleted; order.deleted says that this means no event")
    order = seen.body.get("order")
    if not isinstance(order, dict) or not has_identity(order):
        return nothing("order", "it was deleted, and the message does not tell whose it was")
    at = seen.at or found.at
    return Mapped(events=(commerce.cancelled_order(model_of(order, found), at, found.terms, reason="deleted"),))


def model_of(order: Json, found: Found) -> Order:
    products = {look.key: found.one("product", look.key) for look in product_lookups(order)}
    return purchase(order, products, found.settings, found.at)


def nothing(what: str, why: str) -> Mapped:
    return Mapped(skipped=(Skipped(what, why),))


def _unfit(order: Json | None) -> str | None:
    if order is None:
        return "commercetools has no such order any more"
    return None if has_identity(order) else "it has neither customerEmail nor customerId, so it is nobody's"


def _when(seen: Notification, order: Json, found: Found) -> datetime:
    """When the change was made: the order's last, unless it has changed again since; then the message's own time."""
    made, placed_at = first_instant(order.get("lastModifiedAt")), first_instant(order.get("createdAt"))
    newer = isinstance(order.get("version"), int) and seen.version is not None and order["version"] > seen.version
    if newer and seen.at and placed_at and seen.at >= placed_at and seen.kind != BACKFILLED:
        return seen.at
    return made or seen.at or placed_at or found.at
