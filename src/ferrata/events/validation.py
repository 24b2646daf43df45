"""Reads what senders post: every fault at once, each with its path, and nothing but a clean event passes. No I/O."""

from datetime import datetime
from typing import Any

import msgspec

from ferrata.events import limits
from ferrata.events.fields import UNREADABLE, EventFields, Fields
from ferrata.events.json_text import document_problems, shown
from ferrata.events.quick import read_plain, read_plain_bulk
from ferrata.events.schemas import Incoming, Refusal
from ferrata.infra.errors import Problem, Rejected

_fields = msgspec.json.Decoder(Fields).decode
_fields_of_all = msgspec.json.Decoder(list[Fields]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_LEVELS_OF_BODY = limits.NESTING + 3  # the body, its list and the event stand around the attributes


def read_event(body: bytes, now: datetime) -> Incoming:
    """The event in the body of ``POST /events``.

    Raises:
        Rejected: 400, with a problem for every fault.
    """
    plain = read_plain(body, now)
    if plain is not None:
        return plain
    try:
        fields = _fields(body)
    except UNREADABLE:
        raise _rejected(_body_problems(body)) from None
    return event_from_fields(fields, now)


def event_from_fields(fields: Fields, now: datetime) -> Incoming:
    """The event in a body's fields, each still as JSON. Raises Rejected as ``read_event``."""
    problems: list[Problem] = []
    event = EventFields(fields, "", now, problems).event()
    if event is None:
        raise _rejected(problems)
    return event


def read_bulk(body: bytes, now: datetime) -> list[Incoming | Refusal]:
    """The elements of the body of ``POST /events/bulk``, in their order: each an event, or why it is none.

    Raises:
        Rejected: 400, the body is no list of events at all.
    """
    plain = read_plain_bulk(body, now)
    if plain is not None:
        return plain
    try:
        envelope = _fields(body)
    except UNREADABLE:
        raise _rejected(_body_problems(body)) from None
    problems = [Problem(shown(name), f"{shown(name)} should not exist") for name in envelope if name != "events"]
    listed = envelope.get("events")
    if listed is None or not bytes(listed).startswith(b"["):
        raise _rejected([*problems, Problem("events", "events must be an array")])
    elements = _elements_of(listed)
    if len(elements) > limits.BULK_EVENTS:
        problems.append(Problem("events", f"events must contain no more than {limits.BULK_EVENTS} elements"))
    if problems:
        raise _rejected(problems)
    return [_element(fields, f"events.{index}", now) for index, fields in enumerate(elements)]


def event_from(document: dict[str, Any], now: datetime) -> Incoming:
    """The event in a dictionary of the same fields, for callers inside this process. Raises Rejected as ``read_event``."""
    return read_event(msgspec.json.encode(document), now)


def refuse_all(elements: list[Incoming | Refusal]) -> None:
    """Raise Rejected with every fault of every element, if there is any."""
    problems = [problem for element in elements if isinstance(element, Refusal) for problem in element.problems]
    if problems:
        raise _rejected(problems)


def _elements_of(listed: msgspec.Raw) -> list[Fields | None]:
    try:
        return [*_fields_of_all(listed)]
    except UNREADABLE:
        return [_fields_or_none(element) for element in _elements(listed)]


def _fields_or_none(element: msgspec.Raw) -> Fields | None:
    try:
        return _fields(element)
    except UNREADABLE:
        return None


def _element(fields: Fields | None, path: str, now: datetime) -> Incoming | Refusal:
    if fields is None:
        return Refusal(400, (Problem(path, f"{path} must be an object"),))
    problems: list[Problem] = []
    event = EventFields(fields, f"{path}.", now, problems).event()
    return Refusal(400, tuple(problems)) if event is None else event


def _body_problems(body: bytes) -> list[Problem]:
    """Why the decoder could not read the body, with the place where it can be named."""
    return document_problems(body, "", levels=_LEVELS_OF_BODY) or [Problem("", "body must be valid JSON")]


def _rejected(problems: list[Problem]) -> Rejected:
    return Rejected("The event cannot be taken as it is.", problems=tuple(problems[: limits.PROBLEMS_TOLD]))
