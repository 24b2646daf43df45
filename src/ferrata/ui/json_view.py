"""JSON as lines of safe markup, with the differences to another value marked: `+` added, `−` removed, `~` changed.

Rendered on the server, so it reads without a script. Long values are cut, with a sentence that says how many lines are
left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from markupsafe import Markup

Mark = Literal["same", "added", "removed", "changed"]
MOST_LINES = 400
DEEPEST = 100
"""What lies deeper is nobody's order: it is said that there is more, and not shown."""
_INDENT = "  "
_SIGNS: Mapping[Mark, tuple[str, str]] = {
    "same": (" ", ""),
    "added": ("+", "added: "),
    "removed": ("−", "removed: "),
    "changed": ("~", "changed: "),
}


class _Nothing:
    """Stands where the other value has no such key; None is a value of JSON."""


_NOTHING = _Nothing()


@dataclass(frozen=True, slots=True)
class Line:
    """One line: depth, the key in front (already JSON), content, its mark, and the former value of a changed one."""

    depth: int
    key: str
    content: str
    kind: str
    mark: Mark = "same"
    comma: bool = False
    was: str = ""


def json_view(value: Any, before: Any = _NOTHING, label: str = "JSON", most_lines: int = MOST_LINES) -> Markup:
    """``value`` as formatted JSON; with ``before`` given, each line shows whether it was added, removed or changed since."""
    marked = before is not _NOTHING
    lines = list(_lines(value, before if marked else value, 0, ""))
    shown = Markup("").join(_markup(line, marked) for line in lines[:most_lines])
    rest = len(lines) - most_lines
    cut = Markup('<span class="f-json-cut">{:,} more lines: copy it to see them all</span>').format(rest) if rest > 0 else ""
    attributes = Markup(" data-marked") if marked else ""
    return Markup('<pre class="f-json" tabindex="0" role="group" aria-label="{}"{}><code>{}</code>{}</pre>').format(
        label, attributes, shown, cut
    )


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "word"
    return "text" if isinstance(value, str) else "number"


def _lines(value: Any, before: Any, depth: int, key: str, mark: Mark = "same") -> Iterator[Line]:
    if depth == DEEPEST and isinstance(value, Mapping | list | tuple):
        yield Line(depth, key, "… nested deeper than is shown here", "word", mark)
    elif isinstance(value, Mapping):
        yield from _container(_pairs(value, before), "{}", depth, key, mark)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        yield from _container(_items(value, before), "[]", depth, key, mark)
    elif mark == "same" and not _same(value, before):
        yield Line(depth, key, _text(value), _kind(value), "changed", was=_text(before))
    else:
        yield Line(depth, key, _text(value), _kind(value), mark)


def _same(value: Any, before: Any) -> bool:
    # In JSON true is not 1, though Python finds them equal.
    return bool(value == before) and isinstance(value, bool) == isinstance(before, bool)


def _pairs(value: Mapping[str, Any], before: Any) -> Iterator[tuple[str, Any, Any]]:
    """Key in front, value, former value: those that are gone come last."""
    former = before if isinstance(before, Mapping) else {}
    for key, item in value.items():
        yield f"{_text(str(key))}: ", item, former.get(key, _NOTHING)
    for key in former:
        if key not in value:
            yield f"{_text(str(key))}: ", _NOTHING, former[key]


def _items(value: Sequence[Any], before: Any) -> Iterator[tuple[str, Any, Any]]:
    former = list(before) if isinstance(before, Sequence) and not isinstance(before, str | bytes) else []
    for position in range(max(len(value), len(former))):
        item = value[position] if position < len(value) else _NOTHING
        yield "", item, former[position] if position < len(former) else _NOTHING


def _container(children: Iterator[tuple[str, Any, Any]], brackets: str, depth: int, key: str, mark: Mark) -> Iterator[Line]:
    entries = list(children)
    if not entries:
        yield Line(depth, key, brackets, "bracket", mark)
        return
    yield Line(depth, key, brackets[0], "bracket", mark)
    for position, (child_key, item, former) in enumerate(entries):
        lines = list(_child(item, former, depth + 1, child_key, mark))
        lines[-1] = replace(lines[-1], comma=position + 1 < len(entries))
        yield from lines
    yield Line(depth, "", brackets[1], "bracket", mark)


def _child(item: Any, former: Any, depth: int, key: str, mark: Mark) -> Iterator[Line]:
    if mark != "same":
        return _lines(item, item, depth, key, mark)
    if item is _NOTHING:
        return _lines(former, former, depth, key, "removed")
    if former is _NOTHING:
        return _lines(item, item, depth, key, "added")
    return _lines(item, former, depth, key)


def _markup(line: Line, marked: bool) -> Markup:
    sign, spoken = _SIGNS[line.mark]
    gutter = Markup('<span class="f-json-sign" aria-hidden="true">{}</span>').format(sign) if marked else ""
    aloud = Markup('<span class="visually-hidden">{}</span>').format(spoken) if spoken else ""
    key = Markup('<span class="f-json-key">{}</span>').format(line.key) if line.key else ""
    content = Markup('<span class="f-json-{}">{}</span>').format(line.kind, line.content)
    was = Markup(' <span class="f-json-was">was {}</span>').format(line.was) if line.was else ""
    body = Markup('<span class="f-json-line" data-mark="{}">{}{}{}{}{}{}{}\n</span>')
    comma = "," if line.comma else ""
    return body.format(line.mark, gutter, aloud, _INDENT * line.depth, key, content, comma, was)
