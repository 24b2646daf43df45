"""Settings in the one spelling that their source's documentation uses, whatever they are kept under. No I/O."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ferrata.sources.form_shapes import shape_of


def spelled(model: type[BaseModel], document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the names that the model tells others; it is taken back under these."""
    return {told(model, name): _inner(model, name, value) for name, value in document.items()}


def told(model: type[BaseModel], name: str) -> str:
    info = model.model_fields.get(name)
    return (info.alias if info else None) or name


def spelled_path(model: type[BaseModel], path: str) -> str:
    """The same for a place, such as ``push.secret``."""
    name, _, rest = path.partition(".")
    inner = _model(model, name, None)
    return ".".join([told(model, name), *([spelled_path(inner, rest) if inner else rest] if rest else [])])


def _inner(model: type[BaseModel], name: str, value: Any) -> Any:
    inner = _model(model, name, value)
    return spelled(inner, value) if inner and isinstance(value, Mapping) else value


def _model(model: type[BaseModel], name: str, value: Any) -> type[BaseModel] | None:
    """The model of a part; of several that it may be, that which its ``type`` names, or the first."""
    info = model.model_fields.get(name)
    if info is None:
        return None
    shape = shape_of(info.annotation)
    if shape.kind == "variants":
        tag = value.get("type") if isinstance(value, Mapping) else None
        return shape.variants.get(str(tag), next(iter(shape.variants.values())))
    return shape.model if shape.kind == "group" else None
