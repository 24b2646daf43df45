"""Settings as a form: fields out of their types, and settings again out of what was posted. No I/O.

A field is named by its place, as problems are: ``settings.order.states.created.placed_order``. One of several parts by names has
a number, ``mapping.properties.0.drop``, and its name beside it: ``mapping.properties.0.key``.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ferrata.infra.errors import Problem
from ferrata.sources.form_shapes import Shape, shape_of

KEY, REMOVE, SEALED = "key", "remove", "sealed"
_WORDS = {"api": "API", "url": "URL", "id": "id", "sns": "SNS", "arns": "ARNs"}
_HIDDEN = frozenset({"type", "person_fields"})
"""Chosen elsewhere: the variant of a part, and what of a person may leave."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field. ``hint``: how the secret that is set ends; ``sealed``: one that was typed just now, encrypted."""

    name: str
    label: str
    kind: str
    help: str = ""
    value: str = ""
    options: tuple[tuple[str, str], ...] = ()
    optional: bool = True
    error: str = ""
    hint: str = ""
    sealed: str = ""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that belong together. ``open``: something in it is set, or wrong."""

    title: str
    help: str = ""
    fields: tuple["Field | Group", ...] = ()
    open: bool = False


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a form: what is kept, hints of secrets by their place, what was posted, and what is wrong with it."""

    hints: Mapping[str, str] = {}
    posted: Mapping[str, str] | None = None
    errors: Mapping[str, str] = {}


def fields_of(model: type[BaseModel], at: str, document: Mapping[str, Any], filled: Filled) -> tuple[Field | Group, ...]:
    """The form of a part of the settings; plain fields first."""
    found: list[Field | Group] = []
    for name, info in model.model_fields.items():
        if name not in _HIDDEN:
            value = document[name] if name in document else _default(info)
            found += _of_field(f"{at}.{name}", name, info, value, filled)
    return tuple(sorted(found, key=lambda each: isinstance(each, Group)))


def _default(info: FieldInfo) -> Any:
    return None if info.is_required() else to_jsonable_python(info.get_default(call_default_factory=True), by_alias=False)


def _of_field(at: str, name: str, info: FieldInfo, value: Any, filled: Filled) -> Iterator[Field | Group]:
    shape, label, words = _shape(info), info.title or _label(name), info.description or ""
    inner: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    if shape.kind == "group" and shape.model:
        yield _group(label, words, fields_of(shape.model, at, inner, filled))
    elif shape.kind == "variants":
        chosen = str(inner.get("type") or "")
        options = (("", "none"), *((tag, tag) for tag in shape.variants))
        yield _field(at, label, Shape("choice"), chosen, filled, words, options)
        for tag, model in shape.variants.items():
            yield _group(f"{label}: {tag}", "", fields_of(model, f"{at}.{tag}", inner if tag == chosen else {}, filled))
    elif shape.kind == "keyed" and shape.model:
        yield from _keyed(at, label, words, shape.model, inner, filled)
    else:
        choices = tuple((option, option) for option in shape.options)
        yield _field(at, label, shape, _written(shape.kind, value), filled, words, choices, required=info.is_required())


def _keyed(  # noqa: PLR0917 - what its groups are made of
    at: str, label: str, words: str, model: type[BaseModel], inner: Mapping[str, Any], filled: Filled
) -> Iterator[Group]:
    """One group for each, and an empty one for a new one."""
    keys, numbers = list(inner), list(range(len(inner)))
    if filled.posted is not None:
        numbers = [number for number in _numbers(at, filled.posted) if filled.posted[f"{at}.{number}.{KEY}"].strip()]
        keys = [filled.posted[f"{at}.{number}.{KEY}"] for number in numbers]
    for number, key in zip([*numbers, max(numbers, default=-1) + 1], [*keys, ""], strict=True):
        field = Field(name=f"{at}.{number}.{KEY}", label="Name", kind="text", value=key, help=words)
        fields = (field, *fields_of(model, f"{at}.{number}", inner.get(key, {}), filled))
        group = _group(f"{label}: {key or 'one more'}", "", fields)
        yield msgspec.structs.replace(group, open=bool(key))


def _group(title: str, words: str, fields: Sequence[Field | Group]) -> Group:
    is_open = any(each.open if isinstance(each, Group) else bool(each.error) for each in fields)
    return Group(title=title, help=words, fields=tuple(fields), open=is_open)


def _field(  # noqa: PLR0917 - what a field is made of
    at: str, label: str, shape: Shape, value: str, filled: Filled, words: str = "",
    options: tuple[tuple[str, str], ...] = (), *, required: bool = False,
) -> Field:  # fmt: skip
    if filled.posted is not None:
        value = filled.posted.get(at, "") if shape.kind != "secret" else ""
    wrong = filled.errors.get(at, "")
    sealed = (filled.posted or {}).get(f"{at}.{SEALED}", "") if not wrong else ""
    hint = filled.hints.get(at, "")
    optional = not required or bool(hint or sealed)
    return Field(
        name=at, label=label, kind=shape.kind, help=words, value=value, options=options, optional=optional,
        error=wrong, hint=hint, sealed=sealed,
    )  # fmt: skip


def _shape(info: FieldInfo) -> Shape:
    return shape_of(info.annotation)


def _label(name: str) -> str:
    words = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def _written(kind: str, value: Any) -> str:
    if value is None or kind == "secret":
        return ""
    if kind == "lines":
        return "\n".join(map(str, value))
    if kind == "pairs":
        return "\n".join(f"{name} = {text}" for name, text in value.items())
    if kind == "check":
        return "true" if value else ""
    return json.dumps(value, indent=2, ensure_ascii=False) if kind == "json" else str(value)


def document_of(model: type[BaseModel], at: str, form: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    """What was posted, as the settings are kept. A secret that was not typed is left out, which keeps it."""
    found: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        place, shape = f"{at}.{name}", _shape(info)
        if name in _HIDDEN:
            continue
        if shape.kind == "group" and shape.model:
            found[name] = document_of(shape.model, place, form, problems)
        elif shape.kind == "variants":
            chosen = shape.variants.get(form.get(place, ""))
            tag = form.get(place, "")
            found[name] = {"type": tag, **document_of(chosen, f"{place}.{tag}", form, problems)} if chosen else None
        elif shape.kind == "keyed" and shape.model:
            found[name] = {
                form[f"{place}.{number}.{KEY}"].strip(): document_of(shape.model, f"{place}.{number}", form, problems)
                for number in _numbers(place, form)
                if form[f"{place}.{number}.{KEY}"].strip()
            }
        else:
            found |= _plain(name, info, shape, place, form, problems)
    return found


def _plain(  # noqa: PLR0917 - what a field is read from
    name: str, info: FieldInfo, shape: Shape, place: str, form: Mapping[str, str], problems: list[Problem]
) -> dict[str, Any]:  # fmt: skip
    text = form.get(place, "").strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    match shape.kind:
        case "check":
            return {name: place in form}
        case "secret":
            return {name: "" if f"{place}.{REMOVE}" in form else text} if text or f"{place}.{REMOVE}" in form else {}
        case "lines":
            return {name: lines or (None if shape.optional else [])}
        case "pairs":
            pairs = (line.partition("=") for line in lines)
            return {name: {old.strip(): new.strip() for old, _, new in pairs}}
        case "json" if text:
            try:
                return {name: json.loads(text)}
            except (ValueError, RecursionError) as error:
                problems.append(Problem(place, f"{place} is not JSON: {error}"))
                return {}
    if not text and (shape.optional or not info.is_required()):
        return {} if info.get_default(call_default_factory=True) != "" else {name: ""}
    return {name: int(text) if shape.kind == "number" and re.fullmatch(r"-?\d{1,18}", text) else text}


def _numbers(place: str, form: Mapping[str, str]) -> list[int]:
    found = (re.fullmatch(rf"{re.escape(place)}\.(\d{{1,3}})\.{KEY}", name) for name in form)
    return sorted(int(match[1]) for match in found if match)


def errors_of(problems: Sequence[Problem], names: Sequence[str], form: Mapping[str, str]) -> dict[str, str]:
    """Which field each problem belongs to; under the problem's own path where there is none."""
    known = {_spelled(_with_key(name, form)): name for name in names}
    found: dict[str, str] = {}
    for problem in problems:
        path, place = _spelled(problem.path), ""
        while path and not place:
            place = known.get(path, "")
            path = path.rpartition(".")[0]
        words = problem.message.removeprefix(f"{problem.path}: ").removeprefix("Value error, ")
        found.setdefault(place or problem.path, words[:1].upper() + words[1:])
    return found


def _with_key(name: str, form: Mapping[str, str]) -> str:
    """A place with the name of its part, not the number."""
    match = re.fullmatch(r"(.*)\.(\d{1,3})\.([^.]+)", name)
    key = form.get(f"{match[1]}.{match[2]}.{KEY}") if match else None
    return f"{match[1]}.{key.strip()}.{match[3]}" if match and key is not None else name


def _spelled(path: str) -> str:
    return path.replace("_", "").lower()


def names_of(fields: Sequence[Field | Group]) -> Iterator[str]:
    for each in fields:
        if isinstance(each, Group):
            yield from names_of(each.fields)
        else:
            yield each.name


def secrets_of(fields: Sequence[Field | Group]) -> Iterator[str]:
    """The places of all secrets."""
    for each in fields:
        if isinstance(each, Group):
            yield from secrets_of(each.fields)
        elif each.kind == "secret":
            yield each.name
