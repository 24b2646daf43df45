"""commercetools' query predicates, as far as shops use them: `id in ("a", "b") and masterData(published = true)`."""

import re
from collections.abc import Callable
from typing import Any

Test = Callable[[Any], bool]
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(<>|!=|<=|>=|[=<>(),])|([A-Za-z_][\w-]*|-?\d+(?:\.\d+)?))')


class Malformed(ValueError):
    pass


def predicate(text: str) -> Test:
    """Raises Malformed."""
    reader = _Reader(_tokens(text))
    test = reader.any_of()
    if reader.peek() is not None:
        raise Malformed(f"Malformed parameter: where: unexpected {reader.peek()!r}")
    return test


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text.rstrip()):
        token = _TOKEN.match(text, at)
        if not token:
            raise Malformed(f"Malformed parameter: where: at {text[at : at + 20]!r}")
        found.append(token[1] or token[2] or token[3])
        at = token.end()
    return found


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, wanted: str | None = None) -> str:
        token = self.peek()
        if token is None or (wanted is not None and token != wanted):
            raise Malformed(f"Malformed parameter: where: expected {wanted or 'more'}, found {token!r}")
        self.at += 1
        return token

    def any_of(self) -> Test:
        tests = [self.all_of()]
        while self.peek() == "or":
            self.take()
            tests.append(self.all_of())
        return lambda thing: any(test(thing) for test in tests)

    def all_of(self) -> Test:
        tests = [self.one()]
        while self.peek() == "and":
            self.take()
            tests.append(self.one())
        return lambda thing: all(test(thing) for test in tests)

    def one(self) -> Test:
        if self.peek() == "not":
            self.take()
            inner = self.one()
            return lambda thing: not inner(thing)
        if self.peek() == "(":
            self.take()
            inner = self.any_of()
            self.take(")")
            return inner
        return self.field(self.take())

    def field(self, name: str) -> Test:
        if self.peek() == "(":
            self.take()
            inner = self.any_of()
            self.take(")")
            return lambda thing: any(inner(each) for each in _each(_value(thing, name)))
        word = self.take()
        if word == "in":
            values = self.values()
            return lambda thing: _value(thing, name) in values
        if word == "is":
            negated = self.peek() == "not" and bool(self.take())
            self.take("defined")
            return lambda thing: (_value(thing, name) is not None) != negated
        value = self.literal()
        compare = {
            "=": lambda a: a == value,
            "!=": lambda a: a != value,
            "<>": lambda a: a != value,
            "<": lambda a: a is not None and a < value,
            ">": lambda a: a is not None and a > value,
            "<=": lambda a: a is not None and a <= value,
            ">=": lambda a: a is not None and a >= value,
        }
        if word not in compare:
            raise Malformed(f"Malformed parameter: where: no such operator: {word}")
        return lambda thing: compare[word](_value(thing, name))

    def values(self) -> list[Any]:
        self.take("(")
        found = [self.literal()]
        while self.peek() == ",":
            self.take()
            found.append(self.literal())
        self.take(")")
        return found

    def literal(self) -> Any:
        token = self.take()
        if token.startswith('"'):
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        if token in ("true", "false"):
            return token == "true"
        try:
            return float(token) if "." in token else int(token)
        except ValueError:
            raise Malformed(f"Malformed parameter: where: {token}") from None


def _value(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, dict) else None


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
