"""How what comes of a message now differs from what was made of it before, field by field, and what becomes of that. No I/O."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ferrata.delivery.schemas import Delivery, State
from ferrata.sources import paths
from ferrata.sources.schemas import Made

_CHARACTERS = 300
_ATTRIBUTES = "/data/attributes"
_FATES: Mapping[State, str] = {
    State.DEAD: "Klaviyo refused it: what comes out now replaces it and is sent.",
    State.DELIVERED: "Klaviyo has it and never changes an event: it ignores a unique_id that it knows, so nothing is sent.",
    State.DISCARDED: "It was given up, and stays so.",
    State.HELD: "A flag holds it back, and it stays as it was.",
}
_UNDER_WAY = "It is on its way as it was, and stays so; Klaviyo would ignore a second one with its unique_id."
_FORGOTTEN = "It is not kept here any more: it is sent once more, and Klaviyo ignores it if it knows its unique_id."


class ChangedField(msgspec.Struct, frozen=True):
    """``pointer`` is a place in the event's attributes; ``before`` and ``after`` are JSON, None where there is nothing."""

    pointer: str
    before: str | None
    after: str | None


class ChangedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that comes out otherwise. ``sent``: mapping again sends it; ``fate`` says why, or why not."""

    name: str
    unique_id: str
    state: str
    sent: bool
    fate: str
    fields: tuple[ChangedField, ...] = ()


def changed_event(
    made: Made, name: str, stands: Delivery | None, before: bytes | None, after: bytes | None
) -> ChangedEvent | None:
    """None if it is as it was. ``before`` and ``after`` are bodies of requests; ``stands`` None: not kept here any more."""
    fields = tuple(_fields(before, after)) if before is not None and after is not None else ()
    if stands is not None and not fields:
        return None
    sent = after is not None and (stands is None or stands.state is State.DEAD)
    fate = _FORGOTTEN if stands is None else _FATES.get(stands.state, _UNDER_WAY)
    state = stands.state.value if stands else "forgotten"
    return ChangedEvent(name=name, unique_id=made.unique_id, state=state, sent=sent, fate=fate, fields=fields)


def _fields(before: bytes, after: bytes) -> Iterator[ChangedField]:
    old, new = _leaves(before), _leaves(after)
    for pointer in [*new, *(each for each in old if each not in new)]:
        was, will = old.get(pointer), new.get(pointer)
        if was != will:
            yield ChangedField(pointer, was, will)


def _leaves(body: bytes) -> dict[str, str]:
    """Every value of the request's attributes as it is written, by its place among them."""
    document: Any = json.loads(body, parse_float=_Number, parse_int=_Number)
    leaves = paths.leaves(document)
    return {pointer.removeprefix(_ATTRIBUTES): _text(value) for pointer, value in leaves.items()}


class _Number(str):
    """A number to the digit."""


def _text(value: Any) -> str:
    text = str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…"


def names(others: Sequence[Made]) -> set[str]:
    """Changes of profiles and of the catalogue, as they are called."""
    return {f"{each.title} {each.unique_id}" for each in others}
