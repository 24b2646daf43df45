"""From a kept message to what it means for Klaviyo. Pure: the same message, answers and settings give the same result."""

from ferrata.commerce.terms import Terms
from ferrata.sources.commercetools import reasons
from ferrata.sources.commercetools.found import Found
from ferrata.sources.commercetools.notification import BACKFILLED, Notification, read
from ferrata.sources.commercetools.rules import Rule, matching
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import LookedUp, Lookup, Mapped, Message, Refused, Skipped, Unreadable


def lookups(message: Message, looked_up: LookedUp, settings: CommercetoolsSettings) -> list[Lookup]:
    """What must still be read; asked again with the answers, for products of an order are known only with the order."""
    seen = _read(message)
    found = _found(seen, message, looked_up, settings)
    wanted = [look for rule in _speaking(seen, settings) for look in rule.looks(seen, found)]
    return list(dict.fromkeys(wanted))


def mapped(message: Message, looked_up: LookedUp, settings: CommercetoolsSettings) -> Mapped:
    seen = _read(message)
    found = _found(seen, message, looked_up, settings)
    said = [rule.maps(seen, found) for rule in _speaking(seen, settings)]
    skipped = [*(each for one in said for each in one.skipped), *_silent(seen, settings)]
    whole = Mapped(
        events=tuple(each for one in said for each in one.events),
        profiles=tuple(each for one in said for each in one.profiles),
        catalog=tuple(each for one in said for each in one.catalog),
        skipped=tuple(skipped),
        erased=tuple(each for one in said for each in one.erased),
    )
    return reasons.explained(whole, seen, looked_up) if message.explained else whole


def _read(message: Message) -> Notification:
    """Raises Refused: one of several in a delivery that were kept, readable or not."""
    try:
        return read(message.body)
    except Unreadable as error:
        raise Refused(error.message) from error


def _found(seen: Notification, message: Message, looked_up: LookedUp, settings: CommercetoolsSettings) -> Found:
    terms = Terms(names=settings.metric_names(), backfill=message.history or seen.kind == BACKFILLED)
    return Found(settings=settings, looked_up=looked_up, terms=terms, at=message.received_at)


def _speaking(seen: Notification, settings: CommercetoolsSettings) -> list[Rule]:
    return [rule for rule in matching(seen, settings) if rule.name not in settings.disabled_events]


def _silent(seen: Notification, settings: CommercetoolsSettings) -> list[Skipped]:
    """Why nobody says anything, or less than could be said."""
    found = matching(seen, settings)
    off = [Skipped(rule.name, "disabledEvents switches it off") for rule in found if rule.name in settings.disabled_events]
    if found:
        return off
    return [Skipped(_called(seen), _why_unmatched(seen))]


def _called(seen: Notification) -> str:
    return " of ".join(part for part in (seen.type or seen.kind, seen.resource) if part)


_KNOWN: dict[tuple[str, str], str] = {
    ("ResourceCreated", "subscription"): "commercetools only tests the subscription with it",
    ("ResourceCreated", "customer"): "the message CustomerCreated tells more",
    ("ResourceDeleted", "customer"): "it was deleted without dataErasure: nothing is erased; Klaviyo keeps the profile",
    ("ResourceUpdated", "order"): "the messages about the order tell what has changed",
    ("ResourceUpdated", "product"): "the messages about the product tell what is published",
}


def _why_unmatched(seen: Notification) -> str:
    return _KNOWN.get((seen.kind, seen.resource), "no rule or setting says that this means something for Klaviyo")


def title_of(message: Message) -> str:
    """``OrderCreated``, or ``ResourceUpdated of customer``."""
    try:
        seen = read(message.body)
    except Unreadable:
        return message.business_key
    return seen.type if seen.kind == "Message" and seen.type else _called(seen)
