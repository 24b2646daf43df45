"""An explanation as its page shows it: the message and each request as lines, tied together where one comes of the other."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ferrata.sources.explaining import ExplainedMessage, ExplainedRequest, Tie
from ferrata.sources.paths import escaped

MOST_LINES = 2_000
DEEPEST = 100
_LOOKUP = "lookup:"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of JSON. ``id`` names it on the page; ``tie`` is the id of the line that it comes of, ``source`` says where."""

    id: str
    depth: int
    key: str
    value: str
    pointer: str
    tie: str = ""
    source: str = ""
    why: str = ""


class _Number(str):
    """A number as it is written: the page shows what is sent, to the digit."""


@dataclass(frozen=True, slots=True)
class RequestView:
    request: ExplainedRequest
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class MessageView:
    message: ExplainedMessage
    lines: tuple[Line, ...]
    requests: tuple[RequestView, ...]


def view(message: ExplainedMessage, number: int) -> MessageView:
    left = tuple(_lines(_read(message.body), f"m{number}"))
    places = {line.pointer: line.id for line in left}
    requests = tuple(
        RequestView(request, tuple(_tied(request, f"m{number}r{index}", places)))
        for index, request in enumerate(message.requests)
    )
    return MessageView(message, left, requests)


def _read(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_Number, parse_int=_Number)
    except (ValueError, RecursionError):
        return text


def _tied(request: ExplainedRequest, prefix: str, places: Mapping[str, str]) -> Iterator[Line]:
    if request.body is None:
        return
    ties = {tie.target: tie for tie in request.ties}
    for line in _lines(_read(request.body), prefix):
        tie = _nearest(ties, line.pointer)
        if tie is None or not (tie.source or tie.why):
            yield line
            continue
        place = places.get(tie.source, "")
        yield Line(line.id, line.depth, line.key, line.value, line.pointer, place, tie.source.removeprefix(_LOOKUP), tie.why)


def _nearest(ties: Mapping[str, Tie], pointer: str) -> Tie | None:
    return ties.get(pointer)


def _lines(value: Any, prefix: str) -> Iterator[Line]:
    for number, (depth, key, text, pointer) in enumerate(_walk(value, 0, "", "")):
        if number == MOST_LINES:
            return
        yield Line(f"{prefix}l{number}", depth, key, text, pointer)


def _walk(value: Any, depth: int, key: str, pointer: str) -> Iterator[tuple[int, str, str, str]]:
    label = f"{json.dumps(key, ensure_ascii=False)}: " if key else ""
    if depth == DEEPEST and isinstance(value, dict | list) and value:
        yield depth, label, "… nested deeper than is shown here", pointer
    elif isinstance(value, dict) and value:
        yield depth, label, "{", pointer
        for name, inner in value.items():
            yield from _walk(inner, depth + 1, name, f"{pointer}/{escaped(name)}")
        yield depth, "", "}", ""
    elif isinstance(value, list) and value:
        yield depth, label, "[", pointer
        for index, inner in enumerate(value):
            yield from _walk(inner, depth + 1, "", f"{pointer}/{index}")
        yield depth, "", "]", ""
    else:
        yield depth, label, value if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False), pointer
