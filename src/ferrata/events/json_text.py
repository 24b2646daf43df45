"""JSON as text: checked against the limits, never parsed and written again, so that every number stays as it was written."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from ferrata.events import limits
from ferrata.infra.errors import Problem

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_PATH_CHARACTERS = 60
_SPACED_COLONS = (b" :", b"\t:", b"\n:", b"\r:")


class _Unfit:
    """Stands in a decoded document for something that JSON can write and no event may hold."""

    def __init__(self, complaint: str) -> None:
        self.complaint = complaint


_HUGE = _Unfit("must be an integer of at most 64 bits")
_INFINITE = _Unfit("must be a finite number")


def object_problems(raw: bytes, path: str) -> list[Problem]:
    """Everything in this JSON object that breaks a limit, with its path.

    Most objects are cleared by counting: what is short, has no long number and is not nested deeply can't break a limit.
    """
    try:
        if isinstance(document := _decode(raw), dict) and _is_surely_within_limits(raw, document):
            return []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # looked into below, where the place can be named
    return document_problems(raw, path)


def is_surely_fit(raw: bytes) -> bool:
    """Whether this is an object within every limit, no name twice in it. False: it has to be looked at closely."""
    try:
        document = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    # What reads back as it was written has lost nothing on the way, not even a member to another of the same name.
    return (
        isinstance(document, dict)
        and _is_surely_within_limits(raw, document)
        and (_encode(document) == raw or _loses_nothing(raw, document))
    )


def document_problems(raw: bytes, path: str, *, levels: int = limits.NESTING) -> list[Problem]:
    """As ``object_problems``, by reading all of it, for any bytes at all. An empty path means the whole body."""
    name = path or "body"
    try:
        document = json.loads(raw.decode(), parse_int=_integer, parse_float=_float, parse_constant=lambda _name: _INFINITE)
    except RecursionError:
        return [Problem(path, _too_deep(name, levels))]
    except UnicodeDecodeError:
        return [Problem(path, f"{name} must be valid UTF-8")]
    except ValueError as error:
        return [Problem(path, f"{name} must be valid JSON: {error}")]
    if not isinstance(document, dict):
        return [Problem(path, f"{name} must be an object")]
    found = [Problem(path, f"{name} must have at most {limits.PROPERTIES} properties, not {len(document)}")]
    found = found if len(document) > limits.PROPERTIES else []
    return [*found, *islice(_walk(document, path, levels), limits.PROBLEMS_TOLD)]


def without_duplicates(raw: bytes) -> str:
    """The text; where a name occurs twice in an object, only the last of them is left, as every common reader sees it."""
    return _rewritten(raw) if _has_duplicates(raw) else raw.decode()


def _has_duplicates(raw: bytes) -> bool:
    if _loses_nothing(raw, _decode(raw)):
        return False
    found = False

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({name for name, _ in pairs}) < len(pairs)

    json.loads(raw, object_pairs_hook=note)
    return found


def _loses_nothing(raw: bytes, document: Any) -> bool:
    """Whether reading the text has kept every name: each ends in a quote and a colon. False if that can't be told."""
    return not any(spaced in raw for spaced in _SPACED_COLONS) and raw.count(b'":') == _count_names(document)


def same_json(one: str | None, other: str | None) -> bool:
    """Whether two texts mean the same, numbers compared by how they are written (1.0 is not 1.00)."""
    return one == other or (one is not None and other is not None and _meaning(one) == _meaning(other))


def _meaning(text: str) -> Any:
    return json.loads(text, parse_int=_Written, parse_float=_Written)


class _Written(str):
    """A number by its text, which equals no string."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Written) and str.__eq__(self, other)

    def __hash__(self) -> int:
        return hash((_Written, str(self)))


def _is_surely_within_limits(raw: bytes, document: dict[str, Any]) -> bool:
    return (
        len(raw) <= limits.STRING_BYTES
        and len(document) <= limits.PROPERTIES
        and raw.count(b",") < limits.ARRAY_ITEMS
        and b"\\u0000" not in raw
        and not _LONG_NUMBER.search(raw)
        and (raw.count(b"{") + raw.count(b"[") <= limits.NESTING or _is_flat(document, limits.NESTING))
    )


def _is_flat(value: dict[str, Any] | list[Any], levels: int) -> bool:
    """Whether it has at most so many levels of nesting, its own included."""
    if levels == 0:
        return False
    members = value.values() if isinstance(value, dict) else value
    return all(_is_flat(member, levels - 1) for member in members if isinstance(member, (dict, list)))


def _integer(text: str) -> int | _Unfit:
    if len(text) > 20:
        return _HUGE
    number = int(text)
    return number if limits.SMALLEST_INTEGER <= number <= limits.LARGEST_INTEGER else _HUGE


def _float(text: str) -> float | _Unfit:
    number = float(text)
    return _INFINITE if number in (float("inf"), float("-inf")) else number


def _walk(value: Any, path: str, levels: int) -> Iterator[Problem]:
    """Problems of a value that may hold ``levels`` more levels of nesting, itself included."""
    if isinstance(value, str):
        yield from (Problem(path, f"{path} {complaint}") for complaint in _text_complaints(value))
    elif isinstance(value, _Unfit):
        yield Problem(path, f"{path} {value.complaint}")
    elif isinstance(value, (dict, list)) and levels == 0:
        yield Problem(path, _too_deep(path, limits.NESTING))
    elif isinstance(value, dict):
        for name, member in value.items():
            below = f"{path}.{shown(name)}".removeprefix(".")
            yield from (Problem(below, f"the name {below} {complaint}") for complaint in _text_complaints(name))
            yield from _walk(member, below, levels - 1)
    elif isinstance(value, list):
        if len(value) > limits.ARRAY_ITEMS:
            yield Problem(path, f"{path} must have at most {limits.ARRAY_ITEMS} items, not {len(value)}")
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}.{index}", levels - 1)


def _text_complaints(text: str) -> Iterator[str]:
    if len(text) < limits.STRING_BYTES // 4 and text.isascii() and "\0" not in text:
        return
    if "\0" in text:
        yield "must not contain the character U+0000"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        yield "must not contain half a surrogate pair"
    else:
        if size > limits.STRING_BYTES:
            yield f"must have at most {limits.STRING_BYTES} bytes, not {size}"


def text_complaint(text: str) -> str | None:
    """What is wrong with a string by itself, or None."""
    return next(_text_complaints(text), None)


def _too_deep(path: str, levels: int) -> str:
    return f"{path} must not be nested deeper than {levels} levels"


def shown(name: str) -> str:
    """A sender's name as it may stand in a path: short, and writable."""
    clean = name.replace("\0", "\\0").encode("utf-8", "replace").decode()
    return clean if len(clean) <= _PATH_CHARACTERS else clean[:_PATH_CHARACTERS] + "..."


def _count_names(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(_count_names(member) for member in value.values() if isinstance(member, (dict, list)))
    if isinstance(value, list):
        return sum(_count_names(item) for item in value if isinstance(item, (dict, list)))
    return 0


def _rewritten(raw: bytes) -> str:
    match raw.lstrip()[:1]:
        case b"{":
            members = _members.decode(raw).items()
            return "{" + ",".join(f"{json.dumps(name)}:{_rewritten(bytes(value))}" for name, value in members) + "}"
        case b"[":
            return "[" + ",".join(_rewritten(bytes(item)) for item in _items.decode(raw)) + "]"
        case _:
            return raw.decode()
