"""What kind of field on a page each setting is, read from its type. No I/O."""

import types
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, SecretStr

_PLAIN = (type(None),)


class Shape(msgspec.Struct, frozen=True):
    """``kind``: text, secret, check, number, choice, lines, pairs, group, variants, keyed or json.

    ``options`` of a choice; ``model`` of a group and of each entry of a keyed one; ``variants`` by the name that chooses them.
    """

    kind: str
    optional: bool = False
    options: tuple[str, ...] = ()
    model: type[BaseModel] | None = None
    variants: Mapping[str, type[BaseModel]] = {}


def shape_of(annotation: Any) -> Shape:
    bare, optional = _bare(annotation)
    if len(bare) == 1:
        return msgspec.structs.replace(_single(bare[0]), optional=optional)
    if all(_is_model(each) for each in bare):
        return Shape("variants", optional, variants={_tag(each): each for each in bare})
    return Shape("json", optional)


def _bare(annotation: Any) -> tuple[list[Any], bool]:
    """The types that are meant, and whether there may be none."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        parts = [_bare(each) for each in get_args(annotation) if each not in _PLAIN]
        optional = any(each in _PLAIN for each in get_args(annotation)) or any(inner for _, inner in parts)
        return [each for found, _ in parts for each in found], optional
    return [annotation], False


def _single(kind: Any) -> Shape:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return Shape("choice", options=tuple(map(str, arguments)))
    if origin in (tuple, list):
        inner, _ = _bare(arguments[0])
        return Shape("lines") if len(inner) == 1 and not _is_model(inner[0]) else Shape("json")
    if origin is not None:
        return _mapping(arguments) if len(arguments) == 2 else Shape("json")
    if not isinstance(kind, type):
        return Shape("json")
    if _is_model(kind):
        return Shape("group", model=kind)
    if issubclass(kind, Enum):
        return Shape("choice", options=tuple(str(each.value) for each in kind))
    known = {SecretStr: "secret", bool: "check", int: "number", dict: "json", list: "json"}
    return Shape(known.get(kind, "text"))


def _mapping(arguments: tuple[Any, ...]) -> Shape:
    """Texts by names are pairs; a part of the settings by names is one that can be there several times."""
    values, _ = _bare(arguments[1])
    if len(values) == 1 and _is_model(values[0]):
        return Shape("keyed", model=values[0])
    return Shape("pairs" if values == [str] else "json")


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _tag(model: type[BaseModel]) -> str:
    return str(model.model_fields["type"].default) if "type" in model.model_fields else model.__name__
