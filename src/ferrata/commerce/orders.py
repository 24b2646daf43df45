"""Orders as events: placed, each product ordered, fulfilled in whole or in part, cancelled, refunded.

Each function says which ``unique_id`` its event has. The id never depends on when or how often the source tells of it, so a
repeat, a replay and a backfill of the same order are the same event to Klaviyo.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ferrata.commerce.metrics import Metric
from ferrata.commerce.model import Fulfilment, Line, Order, Refund
from ferrata.commerce.properties import of_line, of_order, of_parts
from ferrata.commerce.terms import Terms, present
from ferrata.commerce.tracked import TrackedEvent

BETWEEN_LINES = timedelta(seconds=1)
"""How far apart the lines of one order stand in a profile's history."""


def placed_order(order: Order, terms: Terms) -> TrackedEvent:
    """``unique_id``: the order's. Value: what the customer pays, with shipping and tax."""
    return terms.event(
        Metric.PLACED_ORDER,
        order.key,
        order.placed_at,
        order.person,
        of_order(order),
        money=order.total,
        profile=order.profile,
    )


def ordered_products(order: Order, terms: Terms) -> list[TrackedEvent]:
    """One event per line. ``unique_id``: the order's and the line's; with the order's alone Klaviyo would keep only the first.

    Klaviyo keeps time to the second and sorts by it: so the first line stands one second after the order and every further one a
    second later. In a profile's history the order comes first and its lines stand in their order, on every replay the same.
    Value: the line before shipping and before discounts on the whole order.
    """
    return [_ordered(order, line, place, terms) for place, line in enumerate(order.lines, 1)]


def placed(order: Order, terms: Terms) -> list[TrackedEvent]:
    """A purchase in full: Placed Order, then Ordered Product for each line."""
    return [placed_order(order, terms), *ordered_products(order, terms)]


def fulfilled_order(order: Order, fulfilment: Fulfilment, terms: Terms) -> TrackedEvent:
    """A shipment that leaves nothing is Fulfilled Order under the order's ``unique_id``: once, however often it is told.

    Any other is Fulfilled Partial Order under the order's and the shipment's id. Value: the order's total, or what the shipped
    pieces cost where the shipment names them.
    """
    shipped = present(
        {
            "FulfillmentID": fulfilment.id,
            "Carrier": fulfilment.carrier,
            "TrackingNumber": fulfilment.tracking_number,
            "TrackingURL": fulfilment.tracking_url,
            "FulfilledItems": of_parts(order, fulfilment.parts),
        }
    )
    whole = fulfilment.completes
    by_id = {line.id: line for line in order.lines}
    pieces = [by_id[part.line_id].unit_price * part.quantity for part in fulfilment.parts if part.line_id in by_id]
    money = order.total if whole or not pieces else sum(pieces[1:], pieces[0])
    return terms.event(
        Metric.FULFILLED_ORDER if whole else Metric.FULFILLED_PARTIAL_ORDER,
        order.key if whole else f"{order.key}:{fulfilment.id}",
        fulfilment.at,
        order.person,
        {**of_order(order), **shipped, "Partial": not whole},
        money=money,
    )


def cancelled_order(order: Order, at: datetime, terms: Terms, *, reason: str | None = None) -> TrackedEvent:
    """``unique_id``: that of Placed Order, as Klaviyo's guide demands: it corrects predicted values by it. Value: the total."""
    properties = {**of_order(order), "Reason": reason}
    return terms.event(Metric.CANCELLED_ORDER, order.key, at, order.person, properties, money=order.total)


def refunded_order(order: Order, refund: Refund, terms: Terms) -> TrackedEvent:
    """One event per refund. Value: what is given back this time, so that the events of an order add up.

    ``unique_id``: a refund of the whole order has that of Placed Order, as Klaviyo's guide demands; a partial one the order's and
    the refund's id, or the second partial refund would be dropped as a repeat of the first.
    """
    partial = refund.amount.currency != order.total.currency or refund.amount < order.total
    return terms.event(
        Metric.REFUNDED_ORDER,
        refund.unique_id or (f"{order.key}:{refund.id}" if partial else order.key),
        refund.at,
        order.person,
        {
            **of_order(order),
            **present({"Reason": refund.reason, "RefundedItems": of_parts(order, refund.parts)}),
            "RefundID": refund.id,
            "RefundAmount": refund.amount.amount,
            "Partial": partial,
        },
        money=refund.amount,
    )


def refunded(order: Order, refunds: Iterable[Refund], terms: Terms) -> list[TrackedEvent]:
    """All refunds of an order, each with its own id: of two that are the whole order, the first."""
    told: dict[str, TrackedEvent] = {}
    for refund in refunds:
        event = refunded_order(order, refund, terms)
        told.setdefault(event.unique_id, event)
    return [*told.values()]


def _ordered(order: Order, line: Line, place: int, terms: Terms) -> TrackedEvent:
    product = {**of_line(line), **present({"ProductBrand": line.product.brand})}
    of_whole = {"OrderId": order.id, "OrderNumber": order.number, "Currency": line.unit_price.currency}
    return terms.event(
        Metric.ORDERED_PRODUCT,
        line.unique_id or f"{order.key}:{line.id}",
        order.placed_at + place * BETWEEN_LINES,
        order.person,
        {**product, **of_whole},
        money=line.row_total,
    )
