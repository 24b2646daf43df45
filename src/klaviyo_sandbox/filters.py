"""Klaviyo's filter language: read the `filter` parameter and check it against what an endpoint allows.

Grammar (the filtering guide): `op(field,value)`, joined by commas or `and(a,b)`; there is no OR. Strings stand in
double or single quotes, lists in brackets; date-times, numbers and booleans are bare. How Klaviyo reads an escaped
quote is not documented, so a backslash inside a string is refused here rather than guessed at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

Scalar = str | int | float | bool | datetime
Value = Scalar | list[Scalar] | None

OPERATORS: Final = frozenset(
    {"equals", "less-than", "less-or-equal", "greater-than", "greater-or-equal", "any", "has"}
    | {"contains", "contains-any", "contains-all", "starts-with", "ends-with"}
)
LIST_OPERATORS: Final = frozenset({"any", "contains-any", "contains-all"})
MAX_DEPTH: Final = 20
INTEGER_DIGITS: Final = 18  # longer integers may not fit the 64 bits of a database column
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"[^"\\]*"|'[^'\\]*')
      | (?P<moment>\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)?)?)(?![\w:.+-])
      | (?P<number>-?\d+(?:\.\d+)?)(?![\w:.+-])
      | (?P<name>[A-Za-z_$][\w.$-]*)
      | (?P<mark>[(),\[\]])
    )\s*""",
    re.VERBOSE,
)
_MALFORMED = "Invalid filter provided."
_UNBALANCED = "Invalid filter provided. Verify your parentheses match."


class InvalidFilter(ValueError):
    """The `filter` parameter cannot be used; `str()` of it is the text Klaviyo would show as `detail`."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a filter, such as `equals(email,"a@shop.test")`."""

    operator: str
    field: str
    value: Value = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one field of one endpoint may be asked.

    `kind` is the type of value (float stands for any number), `values` its values where they are enumerated, and
    `equals_list` says that `equals` takes a list as well, meaning one of.
    """

    kind: type
    operators: tuple[str, ...]
    values: tuple[str, ...] = ()
    equals_list: bool = False


def parse(text: str, allowed: Mapping[str, Allowed]) -> list[Condition]:
    """Read a whole filter and check every condition against the endpoint's table; raises InvalidFilter."""
    conditions = _Reader(text).read_all()
    for condition in conditions:
        _check(condition, allowed)
    return conditions


class _Reader:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokenise(text)
        self._at = 0

    def read_all(self) -> list[Condition]:
        conditions = self._conjunction()
        if self._at < len(self._tokens):
            _refuse(_UNBALANCED if self._peek() == ("mark", ")") else _MALFORMED)
        return conditions

    def _conjunction(self, depth: int = 0) -> list[Condition]:
        if depth > MAX_DEPTH:
            _refuse(f"{_MALFORMED} It is nested too deeply.")
        conditions = self._term(depth)
        while self._peek() == ("mark", ","):
            self._at += 1
            conditions += self._term(depth)
        return conditions

    def _term(self, depth: int) -> list[Condition]:
        kind, word = self._next()
        if kind != "name":
            _refuse(_MALFORMED)
        self._expect("(")
        if word == "and":
            inner = self._conjunction(depth + 1)
            self._expect(")")
            return inner
        if word not in OPERATORS:
            _refuse(f"{_MALFORMED} '{word}' is not a filter operator.")
        kind, name = self._next()
        if kind != "name":
            _refuse(_MALFORMED)
        value: Value = None
        if word != "has":
            self._expect(",")
            value = self._value()
        self._expect(")")
        return [Condition(word, name, value)]

    def _value(self) -> Value:
        if self._peek() != ("mark", "["):
            return self._scalar()
        self._at += 1
        values = [self._scalar()]
        while self._peek() == ("mark", ","):
            self._at += 1
            values.append(self._scalar())
        self._expect("]")
        return values

    def _scalar(self) -> Scalar:
        kind, text = self._next()
        match kind:
            case "string":
                return text[1:-1]
            case "moment":
                return _moment(text)
            case "number":
                return int(text) if "." not in text and len(text) <= INTEGER_DIGITS else float(text)
            case "name" if text in {"true", "false"}:
                return text == "true"
            case "name":
                _refuse(f"{_MALFORMED} String values must be wrapped in quotes.")
        _refuse(_MALFORMED)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        if token[0] == "end":
            _refuse(_UNBALANCED)
        self._at += 1
        return token

    def _expect(self, mark: str) -> None:
        token = self._next()
        if token != ("mark", mark):
            _refuse(_UNBALANCED if mark in ")]" else _MALFORMED)


def _tokenise(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            _refuse(_MALFORMED)
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    if not tokens:
        _refuse(_MALFORMED)
    return tokens


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        _refuse(f"{_MALFORMED} '{text}' is not a valid datetime.")
    if moment.tzinfo is None:
        _refuse(f"{_MALFORMED} The datetime '{text}' must have a time and an offset, such as 2026-01-31T00:00:00Z.")
    return moment


def _check(condition: Condition, allowed: Mapping[str, Allowed]) -> None:
    rule = allowed.get(condition.field)
    if rule is None:
        known = ", ".join(sorted(allowed))
        _refuse(
            f"'{condition.field}' is not a filterable field for this resource. "
            f"The filterable fields on this resource are: {known}"
        )
    if condition.operator not in rule.operators:
        _refuse(
            f"'{condition.operator}' is not an allowed filter operator for {condition.field}.  "
            f"Allowed operators are {', '.join(rule.operators)}"
        )
    if condition.operator == "has":
        return
    several = isinstance(condition.value, list)
    wants_list = condition.operator in LIST_OPERATORS
    if several != wants_list and not (several and condition.operator == "equals" and rule.equals_list):
        _refuse(f"{_MALFORMED} '{condition.operator}' takes {'a list of values' if wants_list else 'one value'}.")
    for value in condition.value if isinstance(condition.value, list) else [condition.value]:
        _check_value(condition.field, value, rule)


def _check_value(name: str, value: object, rule: Allowed) -> None:
    kinds = (int, float) if rule.kind is float else (rule.kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and rule.kind is not bool):
        expected = {str: "a string", datetime: "a datetime", bool: "a boolean", float: "a number"}[rule.kind]
        _refuse(f"{_MALFORMED} The value of '{name}' must be {expected}.")
    if rule.values and value not in rule.values:
        _refuse(f"'{value}' is not a valid value for {name}.  Allowed values are {', '.join(rule.values)}")


def _refuse(detail: str) -> NoReturn:
    raise InvalidFilter(detail)
