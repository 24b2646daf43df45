"""The one rule of templates: ``{{ path }}`` stands for what is there. No code, no loops, nothing that could be run.

A template that is nothing but one ``{{ path }}`` gives the value itself; among other text values become text. What is not there
gives nothing: an absent value, or an empty piece of text.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_PLACE = re.compile(r"\{\{([^{}]*)\}\}")
_PATH = re.compile(r"[\w $@-]+(?:\.[\w $@-]+)*\Z")
LONGEST = 2_000
ABSENT: Any = object()


def complaint(template: str) -> str | None:
    """What is wrong with a template; None if nothing is."""
    if len(template) > LONGEST:
        return f"a template must have at most {LONGEST} characters"
    for path in map(str.strip, _PLACE.findall(template)):
        if not _PATH.match(path):
            return f"{{{{ {path} }}}} must be a path of names with dots, such as {{{{ properties.OrderId }}}}"
    if "{{" in _PLACE.sub("", template) or "}}" in _PLACE.sub("", template):
        return "a template has braces that do not belong together"
    return None


def fill(template: str, values: Mapping[str, Any]) -> Any:
    """The template with its places filled; ABSENT if it is one place and nothing is there."""
    whole = _PLACE.fullmatch(template)
    if whole:
        return value_at(values, whole[1].strip())
    return _PLACE.sub(lambda found: _text(value_at(values, found[1].strip())), template)


def value_at(values: Any, path: str) -> Any:
    """What stands at a path with dots; numbers count within lists; ABSENT if nothing does."""
    for name in path.split("."):
        if isinstance(values, Mapping) and name in values:
            values = values[name]
        elif isinstance(values, list | tuple) and name.isdecimal() and int(name) < len(values):
            values = values[int(name)]
        else:
            return ABSENT
    return values


def _text(value: Any) -> str:
    if value is ABSENT or value is None:
        return ""
    if isinstance(value, bool | Mapping | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
