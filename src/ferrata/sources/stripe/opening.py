"""From a delivery's bytes to messages, and from a message to the event that it tells. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ferrata.sources.contract import Message, RawMessage
from ferrata.sources.errors import Refused, Unreadable
from ferrata.sources.stripe import shapes
from ferrata.sources.stripe.shapes import Thing
from ferrata.sources.stripe.telling import Told

THIN = "v2.core.event"
HISTORY = "history:"
_decode = msgspec.json.Decoder().decode


def document(body: bytes) -> Thing:
    """The JSON object in a body. Raises Unreadable."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"The body is no JSON: {error}") from None
    if not isinstance(found, Mapping):
        raise Unreadable("The body is JSON, but no event of Stripe: it must be an object.")
    return found


def messages_in(body: bytes) -> Sequence[RawMessage]:
    """The one event in a body, snapshot or thin, also inside the envelopes of Amazon EventBridge and Azure Event Grid.

    Raises:
        Unreadable: it is no event of Stripe.
    """
    event = document(body)
    if not _is_event(event):
        inner = shapes.thing(event.get("detail")) or shapes.thing(event.get("data"))
        if not _is_event(inner):
            raise Unreadable("This is no event of Stripe: it has no object = event with an id and a type.")
        return [raw(inner, msgspec.json.encode(inner))]
    return [raw(event, body)]


def raw(event: Thing, body: bytes) -> RawMessage:
    """Messages about one object stay in order; those about others pass them, also when it waits for an e-mail address."""
    about = shapes.thing(shapes.thing(event.get("data")).get("object")) or shapes.thing(event.get("related_object"))
    return RawMessage(message_id=str(event["id"]), business_key=str(about.get("id") or event["id"])[:255], body=body)


def told_by(message: Message, fetched: Thing | None = None) -> Told:
    """The event in a message. ``fetched``: the object that a thin event only refers to.

    Raises:
        Refused: it lacks what every event has.
    """
    event = document(message.body)
    at = shapes.at(event.get("created"))
    if at is None or not isinstance(event.get("type"), str):
        raise Refused("The event has no time (created) or no type.")
    data = shapes.thing(event.get("data"))
    about = shapes.thing(data.get("object")) if event.get("object") != THIN else shapes.thing(fetched)
    type_ = str(event["type"])
    return Told(
        id=str(event["id"]),
        type=type_.removeprefix("v1.") if event.get("object") == THIN else type_,
        at=at,
        object=about,
        previous=shapes.thing(data.get("previous_attributes")),
        account=_account_of(event),
        live=event.get("livemode") is not False,
        history=message.history,
    )


def is_thin(event: Thing) -> bool:
    return event.get("object") == THIN


def _account_of(event: Thing) -> str | None:
    """With Connect, whose event it is: ``account`` in a snapshot, ``context`` in a thin one."""
    return shapes.text(event.get("account")) or shapes.text(event.get("context"))


def of_history(kind: str, about: Mapping[str, Any], created: Any) -> RawMessage:
    """An object of the API as the event that would have told of it."""
    event = {
        "id": f"{HISTORY}{kind}:{about.get('id')}",
        "object": "event",
        "type": f"{HISTORY}{kind}",
        "created": created,
        "livemode": about.get("livemode"),
        "data": {"object": about},
    }
    return raw(event, msgspec.json.encode(event))


def _is_event(event: Thing) -> bool:
    known = event.get("object") in ("event", THIN)
    id_ = event.get("id")
    return known and isinstance(id_, str) and 0 < len(id_) <= 255 and isinstance(event.get("type"), str)
