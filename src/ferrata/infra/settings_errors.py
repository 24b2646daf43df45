"""What is wrong with the settings, in sentences: which one, what it must be; never what stood there, which may be a secret."""

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ferrata.infra.settings import Settings

_BY_KIND = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_parsing": "must be true or false",
    "url_parsing": "must be an address such as https://example.com",
    "url_scheme": "must be an address that begins with https:// or http://",
    "url_too_long": "is too long",
    "path_not_file": "must name a file that is there and can be read",
    "missing": "is needed",
}
_BY_BOUND = {
    "greater_than": ("gt", "must be more than {}"),
    "greater_than_equal": ("ge", "must be {} or more"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be {} or less"),
    "enum": ("expected", "must be {}"),
    "literal_error": ("expected", "must be {}"),
}


def sentences(error: ValidationError) -> list[str]:
    """One for each setting that cannot be used."""
    return [f"{name} {said}." for name, said in faults(error)]


def faults(error: ValidationError) -> list[tuple[str, str]]:
    """Each setting's name in the environment, and what is wrong with it."""
    return [_fault(detail) for detail in error.errors(include_input=False, include_url=False)]


def _fault(detail: ErrorDetails) -> tuple[str, str]:
    place = str(detail["loc"][0]) if detail["loc"] else ""
    field = Settings.model_fields.get(place) or next(
        (each for each in Settings.model_fields.values() if place in _names(each)), None
    )
    name = next(iter(_names(field)), place) if field and place in Settings.model_fields else place
    return name or "The settings", _said(detail, field)


def _names(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return [str(choice) for choice in getattr(alias, "choices", ())]


def _said(detail: ErrorDetails, field: FieldInfo | None) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    if kind in _BY_BOUND and (bound := context.get(_BY_BOUND[kind][0])) is not None:
        return _BY_BOUND[kind][1].format(bound)
    if kind == "value_error":
        return f"cannot be used: {context.get('error', detail['msg'])}".rstrip(".")
    if kind == "string_pattern_mismatch" and field and field.description:
        return f"must be {field.description.split('.')[0]}"
    return f"cannot be used: {detail['msg'][:1].lower()}{detail['msg'][1:]}".rstrip(".")
