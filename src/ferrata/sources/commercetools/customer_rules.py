"""What messages about customers mean: the customer as it is now, as a profile."""

from collections.abc import Sequence

from ferrata.sources.commercetools import customers
from ferrata.sources.commercetools.found import Found
from ferrata.sources.commercetools.notification import Notification
from ferrata.sources.commercetools.order_rules import nothing
from ferrata.sources.contract import Lookup, Mapped


def created_lookups(seen: Notification, found: Found) -> Sequence[Lookup]:
    return () if isinstance(seen.body.get("customer"), dict) else lookups(seen, found)


def created(seen: Notification, found: Found) -> Mapped:
    told = seen.body.get("customer")
    customer = told if isinstance(told, dict) else found.one("customer", seen.resource_id)
    if customer is None:
        return nothing("customer", "commercetools has no such customer any more")
    if not customer.get("email"):
        return nothing("customer", "it has no e-mail address")
    change, skipped = customers.change(customer, found.settings, seen.at or found.at)
    return Mapped(profiles=(change,) if change else (), skipped=skipped)


def lookups(seen: Notification, _found: Found) -> Sequence[Lookup]:
    return [Lookup("customer", seen.resource_id)]


def changed(seen: Notification, found: Found) -> Mapped:
    customer = found.one("customer", seen.resource_id)
    if customer is None:
        return nothing("customer", "commercetools has no such customer any more")
    at = seen.at or found.at
    change, skipped = customers.change(customer, found.settings, at)
    taken_away = customers.cleared(seen, customer, at)
    return Mapped(profiles=tuple(each for each in (change, taken_away) if each), skipped=skipped)
