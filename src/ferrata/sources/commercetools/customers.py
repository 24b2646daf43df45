"""Customers as profiles.

A message or change of a customer makes us read the customer anew, so that whatever arrives late or twice tells the newest. What
is absent there stays as it is in Klaviyo, which may know it from elsewhere; only a message that says so takes a value away.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ferrata.sources.commercetools import addresses
from ferrata.sources.commercetools.notification import Notification
from ferrata.sources.commercetools.phones import e164
from ferrata.sources.commercetools.reading import Json, first_instant, selected, within, word
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import PersonRef, ProfileChange, Skipped

_NAMES = {"first_name": "firstName", "last_name": "lastName", "title": "title", "organization": "companyName"}
_CLEARED = {
    "CustomerFirstNameSet": ("firstName", "first_name"),
    "CustomerLastNameSet": ("lastName", "last_name"),
    "CustomerTitleSet": ("title", "title"),
    "CustomerCompanyNameSet": ("companyName", "organization"),
}
"""Messages that tell a value, or by its absence that it was taken away."""


def change(customer: Json, settings: CommercetoolsSettings, at: datetime) -> tuple[ProfileChange | None, tuple[Skipped, ...]]:
    """What the customer's profile should hold, as of this state of the customer."""
    id_, email = word(customer.get("id")), word(customer.get("email"))
    if not email and not id_:
        return None, (Skipped("customer", "it has neither an e-mail address nor an id"),)
    chosen = addresses.of_customer(customer)
    said = None if chosen is None else addresses.phone(chosen)
    phone = None if chosen is None else e164(said, chosen.get("country"))
    attributes: dict[str, Any] = {name: customer[theirs] for name, theirs in _NAMES.items() if word(customer.get(theirs))}
    if chosen is not None:
        attributes["location"] = addresses.location(chosen)
    if properties := _properties(customer, settings):
        attributes["properties"] = properties
    skipped = (Skipped("phone number", "it is no number of its country's plan"),) if said and not phone else ()
    changed_at = first_instant(customer.get("lastModifiedAt"), customer.get("createdAt")) or at
    unique_id = f"commercetools:customer:{id_}:{customer.get('version', '')}"
    return ProfileChange(PersonRef(email or None, phone, id_ or None), attributes, changed_at, unique_id), skipped


def cleared(seen: Notification, customer: Json | None, at: datetime) -> ProfileChange | None:
    """What a message takes away from the profile: nothing, for most."""
    attributes = _taken_away(seen, customer)
    if not attributes:
        return None
    person = PersonRef(word(within(customer, "email")) or None, None, seen.resource_id)
    unique_id = f"commercetools:customer:{seen.resource_id}:{seen.version}:{seen.type}"
    return ProfileChange(person, attributes, seen.at or at, unique_id)


def _taken_away(seen: Notification, customer: Json | None) -> Mapping[str, Any]:
    if seen.type in _CLEARED and not seen.payload_missing:
        theirs, name = _CLEARED[seen.type]
        # The customer as it is now decides: a name that has been given again since is not taken away.
        return {} if seen.body.get(theirs) or within(customer, theirs) else {name: None}
    if seen.type == "CustomerAddressRemoved" and customer is not None and not customer.get("addresses"):
        return {"location": None}
    return {}


def _properties(customer: Json, settings: CommercetoolsSettings) -> dict[str, Any]:
    chosen = settings.customer.custom_fields.properties
    custom = selected(within(customer, "custom", "fields"), chosen.include, chosen.exclude, chosen.map)
    more = {name: customer[name] for name in settings.customer.fields if customer.get(name) not in (None, "")}
    return {**more, **custom}
