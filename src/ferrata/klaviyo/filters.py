"""Filter expressions, built from values and never concatenated: no value can end its term or begin another.

    str(equals("email", "ada@example.org") & greater_than("created", since))

Klaviyo does not publish how a quote inside a quoted value is escaped. So a value with one kind of quote is put into the other,
and a value with both, with a backslash or with control characters is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

Value = str | int | float | bool | datetime

_FIELD = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]{0,199}\Z")
_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\\\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Filter:
    """One or more terms that must all hold. Klaviyo knows no OR; `any_of` is the only choice."""

    terms: tuple[str, ...]

    def __and__(self, other: Filter) -> Filter:
        return Filter((*self.terms, *other.terms))

    def __str__(self) -> str:
        return ",".join(self.terms)


def equals(field: str, value: Value) -> Filter:
    return _compare("equals", field, value)


def greater_than(field: str, value: Value) -> Filter:
    return _compare("greater-than", field, value)


def greater_or_equal(field: str, value: Value) -> Filter:
    return _compare("greater-or-equal", field, value)


def less_than(field: str, value: Value) -> Filter:
    return _compare("less-than", field, value)


def less_or_equal(field: str, value: Value) -> Filter:
    return _compare("less-or-equal", field, value)


def contains(field: str, text: str) -> Filter:
    return _compare("contains", field, text)


def starts_with(field: str, text: str) -> Filter:
    return _compare("starts-with", field, text)


def ends_with(field: str, text: str) -> Filter:
    return _compare("ends-with", field, text)


def any_of(field: str, values: Iterable[str]) -> Filter:
    """The field equals one of the values. Raises ValueError if there is none."""
    return _choose("any", field, values)


def contains_any(field: str, values: Iterable[str]) -> Filter:
    return _choose("contains-any", field, values)


def contains_all(field: str, values: Iterable[str]) -> Filter:
    return _choose("contains-all", field, values)


def has(field: str) -> Filter:
    """The field is present."""
    return Filter((f"has({_named(field)})",))


def literal(value: Value) -> str:
    """A value in Klaviyo's notation: text quoted, datetimes as RFC 3339 in UTC without quotes, numbers bare.

    Raises ValueError for text that cannot be quoted safely, naive datetimes and numbers that are not finite.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, str):
        return _quoted(value)
    if not math.isfinite(value):
        raise ValueError("a filter compares with finite numbers only")
    return repr(value)


def _compare(operator: str, field: str, value: Value) -> Filter:
    return Filter((f"{operator}({_named(field)},{literal(value)})",))


def _choose(operator: str, field: str, values: Iterable[str]) -> Filter:
    quoted = [_quoted(value) for value in values]
    if not quoted:
        raise ValueError(f"{operator} needs at least one value")
    return Filter((f"{operator}({_named(field)},[{','.join(quoted)}])",))


def _named(field: str) -> str:
    if not _FIELD.match(field):
        raise ValueError("a filter's field is a plain name, with dots for nested ones")
    return field


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a filter compares with aware datetimes only")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _quoted(text: str) -> str:
    if _REFUSED.search(text):
        raise ValueError("a filter's text holds no control characters and no backslash")
    if '"' not in text:
        return f'"{text}"'
    if "'" not in text:
        return f"'{text}'"
    raise ValueError("a filter's text holds not both kinds of quotes")
