"""Hands the events of carts to the events room. A guest's are held as JSON until they are known, then sent with their times."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from hashlib import sha256

import msgspec

from ferrata.commerce.tracked import PersonRef, TrackedEvent, json_of
from ferrata.events.schemas import Frozen
from ferrata.events.service import Events

SOURCE = "carts"
MOST_HELD = 100
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Held(msgspec.Struct, frozen=True):
    """An event without its person. ``key`` names it within the store."""

    key: str
    unique_id: str
    body: str


_held = msgspec.json.Decoder(Held).decode


def hold(event: TrackedEvent) -> str:
    """The event as JSON, digit by digit, but for whose it is."""
    document = {
        "eventName": event.metric,
        "eventAttributes": event.properties,
        "eventId": event.key,
        "time": event.occurred_at.astimezone(UTC).isoformat(),
        "value": event.value,
        "currency": event.currency,
    }
    return msgspec.json.encode(Held(event.key, event.unique_id, json_of(document).decode())).decode()


def freeze(events: Events, store_id: str, held: Sequence[str], person: PersonRef) -> list[Frozen]:
    """These events about this person, ready to be kept. Raises Rejected if one breaks Klaviyo's limits."""
    incoming = []
    for text in held:
        one = _held(text.encode())
        identity: Mapping[str, str | None] = {"email": person.email, "phone": person.phone, "externalId": person.external_id}
        given = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in identity.items() if value}
        read = events.read(msgspec.json.encode({**_members(one.body.encode()), **given}))
        incoming.append(msgspec.structs.replace(read, unique_id=one.unique_id))
    return events.prepare(store_id, incoming, SOURCE) if incoming else []


def act_id_of(event: TrackedEvent) -> str:
    """Under which an event that nobody told, but time, is noted in the story."""
    return sha256(event.key.encode()).hexdigest()
