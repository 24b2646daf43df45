"""Reaching into nested data by names with dots; a list on the way means each of its elements. Inputs are never changed."""

from collections.abc import Callable, Mapping
from typing import Any

Change = Callable[[dict[str, Any], str], None]
"""Told the object (its own copy) and the name in it that a path ends with."""


def changed(data: Mapping[str, Any], path: str, change: Change) -> dict[str, Any]:
    """A copy of ``data`` in which ``change`` was applied wherever ``path`` leads to something that is there."""
    name, _, rest = path.partition(".")
    copy = dict(data)
    if path in copy:  # names may have dots of their own
        change(copy, path)
    elif name in copy:
        if rest:
            copy[name] = _inside(copy[name], rest, change)
        else:
            change(copy, name)
    return copy


def _inside(value: Any, path: str, change: Change) -> Any:
    if isinstance(value, Mapping):
        return changed(value, path, change)
    if isinstance(value, list | tuple):
        return [_inside(element, path, change) for element in value]
    return value


def only(data: Mapping[str, Any], paths: list[str]) -> dict[str, Any]:
    """A copy of ``data`` with nothing but what these paths lead to."""
    inner: dict[str, list[str]] = {}
    whole: set[str] = set()
    for path in paths:
        name, _, rest = path.partition(".")
        if path in data or not rest:
            whole.add(path)
        else:
            inner.setdefault(name, []).append(rest)
    return {
        name: value if name in whole else _only_inside(value, inner[name])
        for name, value in data.items()
        if name in whole or name in inner
    }


def _only_inside(value: Any, paths: list[str]) -> Any:
    if isinstance(value, Mapping):
        return only(value, paths)
    if isinstance(value, list | tuple):
        return [_only_inside(element, paths) for element in value]
    return None


def leaves(data: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Every value that is no object or list, by its JSON pointer."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        _gather(found, f"{before}/{escaped(name)}", value)
    return found


def _gather(found: dict[str, Any], pointer: str, value: Any) -> None:
    if isinstance(value, Mapping) and value:
        found.update(leaves(value, pointer))
    elif isinstance(value, list | tuple) and value:
        for index, element in enumerate(value):
            _gather(found, f"{pointer}/{index}", element)
    else:
        found[pointer] = value


def escaped(name: object) -> str:
    """A name as a step of a JSON pointer."""
    return str(name).replace("~", "~0").replace("/", "~1")
