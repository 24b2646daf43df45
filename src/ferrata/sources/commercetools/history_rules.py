"""What a resource that a backfill has read means: everything that its messages would have meant."""

from collections.abc import Sequence

from ferrata.sources.commercetools import catalogue_rules, customer_rules, products, refund_rules
from ferrata.sources.commercetools import order_rules as orders
from ferrata.sources.commercetools.found import Found
from ferrata.sources.commercetools.notification import Notification
from ferrata.sources.commercetools.purchases import has_identity
from ferrata.sources.commercetools.reading import first_instant
from ferrata.sources.contract import Lookup, Mapped, Refused


def order_lookups(seen: Notification, _found: Found) -> Sequence[Lookup]:
    return orders.product_lookups(seen.body.get("order"))


def order(seen: Notification, found: Found) -> Mapped:
    """Placed Order with its lines; and Fulfilled, Cancelled, Refunded Order where that is how the order stands."""
    known = seen.body.get("order")
    if not isinstance(known, dict):
        raise Refused("There is no order in this message.")
    if not has_identity(known):
        return orders.nothing("order", "it has neither customerEmail nor customerId, so it is nobody's")
    at = first_instant(known.get("lastModifiedAt"), known.get("createdAt")) or found.at
    model = orders.model_of(known, found)
    events = [
        *orders.placed_events(known, model, found),
        *orders.state_events(model, str(known.get("orderState")), at, found),
        *refund_rules.history(known, model, found),
    ]
    return Mapped(events=tuple(events))


def customer(seen: Notification, found: Found) -> Mapped:
    return customer_rules.created(seen, found)


def category(seen: Notification, found: Found) -> Mapped:
    known = seen.body.get("category")
    if not isinstance(known, dict):
        raise Refused("There is no category in this message.")
    return Mapped(catalog=(catalogue_rules.category_change(known, found, seen.at or found.at),))


def product_lookups(seen: Notification, _found: Found) -> Sequence[Lookup]:
    return catalogue_rules.standalone_lookups(seen.body.get("product"))


def product(seen: Notification, found: Found) -> Mapped:
    known = seen.body.get("product")
    if not isinstance(known, dict):
        raise Refused("There is no product in this message.")
    if not products.is_published(known):
        return orders.nothing("product", "it is not published")
    return catalogue_rules.product_changes(known, found, seen.at or found.at)
