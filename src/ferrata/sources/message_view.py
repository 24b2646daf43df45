"""One message as its page tells it: its bytes readable, and how everything that it made stands with Klaviyo."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferrata.delivery.schemas import Delivery, State
from ferrata.sources.schemas import KeptMessage, Made

MOST_BYTES_SHOWN = 200_000


@dataclass(frozen=True, slots=True)
class MadeView:
    """``state`` is the kit's word; ``href`` leads to the event's own page."""

    made: Made
    state: str
    note: str | None
    href: str | None


@dataclass(frozen=True, slots=True)
class MessageView:
    """``document`` where the body is JSON, else ``text``."""

    document: Any
    is_json: bool
    text: str
    size: int
    made: tuple[MadeView, ...]


def view(kept: KeptMessage, deliveries: Mapping[str, Delivery]) -> MessageView:
    body = kept.message.body
    document, is_json = _read(body)
    made = tuple(_made(each, deliveries.get(each.id or "")) for each in kept.made)
    return MessageView(document, is_json, body[:MOST_BYTES_SHOWN].decode(errors="replace"), len(body), made)


def _read(body: bytes) -> tuple[Any, bool]:
    if len(body) > MOST_BYTES_SHOWN:
        return None, False
    try:
        return json.loads(body), True
    except (ValueError, RecursionError):
        return None, False


def _made(made: Made, delivery: Delivery | None) -> MadeView:
    href = f"/ui/events/{made.id}" if made.what == "event" and made.id else None
    note = "was there already" if made.repeated else None
    if made.what != "event":
        return MadeView(made, "accepted", "handed over", href)
    if delivery is None:
        return MadeView(made, "not_sent", note or "names nobody, or is forgotten", href)
    if delivery.state is State.DEAD:
        note = delivery.reason_detail or delivery.reason_code
    known = {"waiting", "sending", "delivered", "dead", "discarded"}
    state = delivery.state.value if delivery.state.value in known else "not_sent"
    return MadeView(made, state, note, href)
