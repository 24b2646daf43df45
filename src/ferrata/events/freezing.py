"""Makes of an accepted event the texts that will be sent to Klaviyo, byte for byte, now and at every retry. No I/O.

Frozen are: who it is about, the metric, the properties as they were written, an explicit time and an explicit ``unique_id``.
Without a time of its own a retry would move the event; without ``unique_id`` Klaviyo keys on profile, metric and second, and
two purchases in one second become one.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from ferrata.delivery.schemas import Deliver, Family, Held
from ferrata.events import limits
from ferrata.events.moments import write_time
from ferrata.events.schemas import Event, Frozen, Incoming
from ferrata.infra.errors import Problem
from ferrata.profiles.schemas import Sighting

NOBODY = "Kept, not sent: the event names nobody (no email, phone or externalId)"


Decide = Callable[[str, str, str], Held | None]
"""By store, metric and person: why an event is held back; None if it is sent."""


def freeze(incoming: Incoming, store_id: str, id_: str, source: str, now: datetime, *, decide: Decide) -> Frozen:
    """Fix everything about an event that was accepted at ``now``, whether it is sent included."""
    person = person_of(incoming)
    held = decide(store_id, incoming.metric, person) if person else None
    notes = (*incoming.notes, f"Not sent at once: {held.sentence}") if held else incoming.notes
    event = Event(
        id=id_,
        store_id=store_id,
        event_id=incoming.event_id,
        metric=incoming.metric,
        email=incoming.email,
        phone=incoming.phone,
        external_id=incoming.external_id,
        occurred_at=incoming.occurred_at or now,
        time_given=incoming.occurred_at is not None,
        value=incoming.value,
        currency=incoming.currency,
        attributes=incoming.attributes,
        profile_attributes=incoming.profile_attributes,
        source=source,
        backfill=incoming.backfill,
        deliverable=person is not None,
        notes="\n".join(notes) or None,
    )
    size = len(incoming.attributes or "") + len(incoming.profile_attributes or "")
    if person is None:
        return Frozen(event, None, None, size)
    return Frozen(event, _delivery(event, incoming, person, now, held), _sighting(event, incoming, person), size)


def person_of(incoming: Incoming) -> str | None:
    """The strongest identifier with its kind in front: whose events are kept in order, and whose profile this is."""
    if incoming.email:
        return f"email:{incoming.email}"
    if incoming.phone:
        return f"phone:{incoming.phone}"
    if incoming.external_id:
        return f"external:{incoming.external_id}"
    for name in ("anonymous_id", "_kx"):
        if incoming.profile.standard.get(name, "null") != "null":
            return f"{name}:{msgspec.json.decode(incoming.profile.standard[name], type=str)[:300]}"
    return None


def size_problem(frozen: Frozen, path: str) -> Problem | None:
    """Why an event is too large for Klaviyo, if it is."""
    delivery = frozen.delivery
    size = frozen.size if delivery is None else _bytes(delivery.subject_json) + _bytes(delivery.profile_json)
    if size <= limits.EVENT_BYTES:
        return None
    name = path or "the event"
    return Problem(path, f"{name} must have at most {limits.EVENT_BYTES} bytes as it is sent to Klaviyo, not {size}")


def _delivery(event: Event, incoming: Incoming, person: str, now: datetime, held: Held | None) -> Deliver:
    unique_id = incoming.unique_id or event.event_id or event.id
    return Deliver(
        id=event.id,
        store_id=event.store_id,
        family=Family.EVENTS,
        history=event.backfill,
        person=person,
        unique_id=unique_id,
        subject_json=_subject_json(event, unique_id),
        profile_json=_profile_json(incoming),
        accepted_at=now,
        held=held,
    )


def _subject_json(event: Event, unique_id: str) -> str:
    value = f',"value":{event.value}' if event.value is not None else ""
    currency = f',"value_currency":"{event.currency}"' if event.currency else ""
    backfill = ',"backfill":true' if event.backfill else ""
    return (
        f'{{"properties":{event.attributes or "{}"},"time":"{write_time(event.occurred_at)}"{value}{currency}'
        f',"unique_id":{_quoted(unique_id)}{backfill}'
        f',"metric":{{"data":{{"type":"metric","attributes":{{"name":{_quoted(event.metric)}}}}}}}}}'
    )


def _profile_json(incoming: Incoming) -> str:
    members = [
        f'"{name}":{_quoted(text)}'
        for name, text in (("email", incoming.email), ("phone_number", incoming.phone), ("external_id", incoming.external_id))
        if text
    ]
    about = incoming.profile
    if about.standard or about.location or about.properties:
        members.append(about.to_json()[1:-1])
    return f'{{"type":"profile","attributes":{{{",".join(members)}}}}}'


def _sighting(event: Event, incoming: Incoming, person: str) -> Sighting:
    return Sighting(
        store_id=event.store_id,
        person=person,
        attributes=incoming.profile,
        event_name=event.metric,
        event_id=event.id,
        event_at=event.occurred_at,
        email=event.email,
        phone=event.phone,
        external_id=event.external_id,
    )


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
