"""What messages about customers mean: the customer as it is now, as a profile."""

from collections.abc import Sequence

from ferrata.sources.commercetools import customers
from ferrata.sources.commercetools.found import Found
from ferrata.sources.commercetools.notification import Notification
from ferrata.sources.commercetools.order_rules import nothing
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import Erased, Lookup, Mapped, PersonRef, Skipped


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


def is_erased(seen: Notification, settings: CommercetoolsSettings) -> bool:
    """Whether this tells that a customer was deleted, and the merchant wants them forgotten here too."""
    if settings.customer.erase == "never":
        return False
    if seen.kind == "ResourceDeleted":
        return settings.customer.erase == "always" or seen.body.get("dataErasure") is True
    return settings.customer.erase == "always" and not seen.is_change and seen.type == "CustomerDeleted"


def erased(seen: Notification, _found: Found) -> Mapped:
    email = seen.body.get("email")
    person = PersonRef(email if isinstance(email, str) and email else None, None, seen.resource_id or None)
    if not person.known:
        return nothing("customer", "it names nobody who could be forgotten")
    told = Skipped("customer", "deleted in commercetools: everything kept here of this person is deleted, this message too")
    return Mapped(skipped=(told,), erased=(Erased(person, "deleted in commercetools"),))


def changed(seen: Notification, found: Found) -> Mapped:
    customer = found.one("customer", seen.resource_id)
    if customer is None:
        return nothing("customer", "commercetools has no such customer any more")
    at = seen.at or found.at
    change, skipped = customers.change(customer, found.settings, at)
    taken_away = customers.cleared(seen, customer, at)
    return Mapped(profiles=tuple(each for each in (change, taken_away) if each), skipped=skipped)
