"""What each of Segment's calls means for Klaviyo. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

from ferrata.sources.contract import (
    Learned,
    LookedUp,
    Lookup,
    Mapped,
    Message,
    PersonRef,
    ProfileChange,
    Reason,
    Skipped,
    TrackedEvent,
)
from ferrata.sources.errors import Refused
from ferrata.sources.segment import commerce, people
from ferrata.sources.segment.calls import FAULT, document_of, occurred_at, sequence_of_things, type_of
from ferrata.sources.segment.people import text, thing
from ferrata.sources.segment.settings import SegmentSettings

METRIC_CHARACTERS = 127


def lookups(message: Message, looked_up: LookedUp) -> Sequence[Lookup]:
    return [] if FAULT in message.headers else people.lookups(document_of(message), looked_up)


def map_call(message: Message, looked_up: LookedUp, settings: SegmentSettings) -> Mapped:
    """Raises Refused: it names nobody at all, or a track names no event."""
    if fault := message.headers.get(FAULT):
        raise Refused(fault)
    call, type_ = document_of(message), type_of(message)
    if not text(call.get("userId")) and not text(call.get("anonymousId")):
        raise Refused("A call must have a userId or an anonymousId.")
    match type_:
        case "identify":
            return _identified(message, call, looked_up)
        case "group":
            return _grouped(message, call, looked_up)
        case "alias":
            return _aliased(message, call)
        case "page" | "screen" if not settings.pages:
            return Mapped(skipped=(Skipped(type_, "the settings say that pages are not sent"),))
        case _:
            return _tracked(message, call, looked_up, settings)


def _tracked(message: Message, call: Mapping[str, Any], looked_up: LookedUp, settings: SegmentSettings) -> Mapped:
    event, given = _event_of(type_of(message), call)
    metric = commerce.name_of(event)
    person, at = people.person_of(call, looked_up), occurred_at(message, call)
    properties = commerce.properties_of(event, given) | _context_of(call, settings)
    profile = _anonymous(call, person)
    tracked = TrackedEvent(
        metric=metric,
        unique_id=message.message_id,
        occurred_at=at,
        person=person,
        properties=properties,
        value=commerce.value_of(event, given),
        currency=commerce.currency_of(given),
        profile=profile,
        backfill=message.history,
    )
    events = [tracked]
    if event == "Order Completed" and settings.ordered_products:
        events += [_ordered(tracked, given, place, each) for place, each in enumerate(_products(given))]
    renamed = f"Segment's {event}" if metric != event else ""
    fields = (
        Reason("/events/0/metric", "/event" if "event" in call else "", renamed),
        Reason("/events/0/unique_id", "/messageId", "the same call sent again is the same event"),
        Reason("/events/0/occurred_at", "/timestamp", "by our clock: what the sender's is wrong by is taken off"),
        *_reasons_of_person(call, person),
        *(Reason(f"/events/0/properties/{name}", f"/properties/{name}") for name in given if "/" not in name and "~" not in name),
    )
    return Mapped(events=tuple(events), fields=fields, learned=_learned(message, call, person))


def _event_of(type_: str, call: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    given = thing(call.get("properties"))
    if type_ == "track":
        name = text(call.get("event"))
        if not name:
            raise Refused("A track call must name its event.")
        return name[:METRIC_CHARACTERS], given
    named = text(call.get("name")) or text(given.get("name"))
    told = {**given, **({"PageName": named} if named else {})}
    return ("Viewed Page" if type_ == "page" else "Viewed Screen"), told


def _ordered(order: TrackedEvent, given: Mapping[str, Any], place: int, product: Mapping[str, Any]) -> TrackedEvent:
    named = {name: given[name] for name in ("order_id", "currency") if given.get(name) is not None}
    properties = {**named, **product, **commerce.product_of(product)}
    if given.get("order_id") is not None:
        properties["OrderId"] = given["order_id"]
    return TrackedEvent(
        metric="Ordered Product",
        unique_id=f"{order.unique_id}:{place}",
        occurred_at=order.occurred_at,
        person=order.person,
        properties=properties,
        value=commerce.decimal_of(properties.get("RowTotal")),
        currency=order.currency,
        profile=order.profile,
        backfill=order.backfill,
    )


def _products(given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return sequence_of_things(given.get("products"))


def _identified(message: Message, call: Mapping[str, Any], looked_up: LookedUp) -> Mapped:
    person = people.person_of(call, looked_up)
    learned = _learned(message, call, person)
    if not person.known:
        nobody = Skipped("identify", "it names nobody whom Klaviyo could find: no e-mail, phone or user")
        return Mapped(skipped=(nobody,), learned=learned)
    traits = people.traits_of(call)
    change = ProfileChange(person, people.attributes_of(traits), occurred_at(message, call), message.message_id)
    fields = tuple(
        Reason(f"/profiles/0/attributes/{name}", "/traits")
        for name in change.attributes
        if name not in ("properties", "location")
    )
    return Mapped(profiles=(change,), fields=(*fields, *_reasons_of_person(call, person, "/profiles/0")), learned=learned)


def _grouped(message: Message, call: Mapping[str, Any], looked_up: LookedUp) -> Mapped:
    person, group = people.person_of(call, looked_up), text(call.get("groupId"))
    if not person.known or not group:
        return Mapped(skipped=(Skipped("group", "it names nobody, or no group"),))
    name = text(thing(call.get("traits")).get("name"))
    attributes = {"properties": {"group_id": group}} | ({"organization": name} if name else {})
    change = ProfileChange(person, attributes, occurred_at(message, call), message.message_id)
    return Mapped(profiles=(change,), fields=(Reason("/profiles/0/attributes/properties/group_id", "/groupId"),))


def _aliased(message: Message, call: Mapping[str, Any]) -> Mapped:
    """Klaviyo is told nothing; calls of the previous id are the user's from now on."""
    previous, user = text(call.get("previousId")), text(call.get("userId"))
    if not previous or not user:
        raise Refused("An alias call must have a previousId and a userId.")
    learned = (Learned(f"user_of:{previous}", user, occurred_at(message, call)),)
    return Mapped(skipped=(Skipped("alias", f"from now on calls of {previous[:60]} are taken for the user's"),), learned=learned)


def _learned(message: Message, call: Mapping[str, Any], person: PersonRef) -> tuple[Learned, ...]:
    at, user, anonymous = occurred_at(message, call), text(call.get("userId")), text(call.get("anonymousId"))
    found = []
    if user and (email := people.email_in(call)):
        found.append(Learned(f"email_of:{user}", email, at))
    if user and anonymous and type_of(message) == "identify":
        found.append(Learned(f"user_of:{anonymous}", user, at))
    return tuple(found)


def _anonymous(call: Mapping[str, Any], person: PersonRef) -> dict[str, Any]:
    """Klaviyo can keep what a browser does before anybody signs in, and bring it together later."""
    anonymous = text(call.get("anonymousId"))
    return {"anonymous_id": anonymous} if anonymous and not person.known else {}


def _context_of(call: Mapping[str, Any], settings: SegmentSettings) -> dict[str, Any]:
    found = {}
    for path in settings.context:
        value: Any = call.get("context")
        for part in path.split("."):
            value = thing(value).get(part)
        if value is not None:
            found[path] = value
    return found


def _reasons_of_person(call: Mapping[str, Any], person: PersonRef, at: str = "/events/0") -> list[Reason]:
    found = []
    if person.email:
        why = "" if people.email_in(call) else "an earlier call told it of this user"
        found.append(Reason(f"{at}/person/email", "" if why else "/traits/email", why))
    if person.external_id:
        found.append(Reason(f"{at}/person/external_id", "/userId"))
    return found
