"""Filters: whatever the value, the result holds exactly the terms that were built."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferrata.klaviyo.filters import (
    any_of,
    contains,
    contains_all,
    contains_any,
    ends_with,
    equals,
    greater_or_equal,
    greater_than,
    has,
    less_or_equal,
    less_than,
    literal,
    starts_with,
)

TOKEN = re.compile(r'"[^"]*"|\'[^\']*\'|[(),\[\]]|[^"\'(),\[\]\s]+')

NAIVE = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def parse(text: str) -> list[tuple[str, str, list[str]]]:
    """A reader of Klaviyo's grammar that knows nothing of how filters are built: operator, field, raw values."""
    tokens, terms, at = TOKEN.findall(text), [], 0
    assert "".join(tokens) == text
    while at < len(tokens):
        operator, opening, field = tokens[at : at + 3]
        assert opening == "("
        at += 3
        values = []
        while tokens[at] != ")":
            if tokens[at] not in {",", "[", "]"}:
                values.append(tokens[at])
            at += 1
        terms.append((operator, field, values))
        at += 1
        if at < len(tokens):
            assert tokens[at] == ","
            at += 1
    return terms


def unquoted(raw: str) -> str:
    assert raw[0] == raw[-1] and raw[0] in "\"'" and raw[0] not in raw[1:-1]
    return raw[1:-1]


class TestAValue:
    @given(st.text())
    @example('a"),or(equals(email,"b@x')
    @example("o'brien@example.org")
    @example('"quoted local"@example.org')
    @example("a\",'b")
    @example("x\\")
    @example("\ud800")
    def test_is_refused_or_stays_one_value_of_one_term(self, text: str) -> None:
        try:
            built = str(equals("email", text))
        except ValueError as refused:
            assert not text or text not in str(refused)
            return
        [(operator, field, [raw])] = parse(built)
        assert (operator, field, unquoted(raw)) == ("equals", "email", text)

    @given(st.lists(st.text(alphabet=st.characters(codec="ascii", exclude_characters="\\'\x7f", min_codepoint=32)), min_size=1))
    def test_of_a_choice_stays_in_its_list(self, texts: list[str]) -> None:
        [(operator, field, raws)] = parse(str(any_of("id", texts)))
        assert (operator, field, [unquoted(raw) for raw in raws]) == ("any", "id", texts)

    @given(st.datetimes(timezones=st.timezones()))
    def test_that_is_a_moment_keeps_it(self, moment: datetime) -> None:
        try:
            text = literal(moment)
        except OverflowError:
            return
        assert text.endswith("Z")
        assert datetime.fromisoformat(text) == moment.astimezone(UTC)

    @pytest.mark.parametrize("refused", [float("nan"), float("inf"), NAIVE, "both \" and '", "a\nb", "\x85"])
    def test_that_cannot_be_told_safely_is_refused(self, refused: float | datetime | str) -> None:
        with pytest.raises(ValueError, match="filter"):
            literal(refused)

    def test_is_told_by_its_type(self) -> None:
        assert literal(True) == "true"
        assert literal(7) == "7"
        assert literal(1.5) == "1.5"
        assert literal(datetime(2026, 11, 20, 8, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-20T07:00:00Z"
        assert literal("it's") == '"it\'s"'
        assert literal('say "x"') == "'say \"x\"'"


class TestAFilter:
    def test_joins_terms_that_must_all_hold(self) -> None:
        since = datetime(2026, 1, 1, tzinfo=UTC)
        built = equals("email", "a+b@example.org") & greater_than("created", since) & has("profile")
        assert str(built) == 'equals(email,"a+b@example.org"),greater-than(created,2026-01-01T00:00:00Z),has(profile)'
        assert [term[0] for term in parse(str(built))] == ["equals", "greater-than", "has"]

    def test_knows_every_operator(self) -> None:
        built = (
            greater_or_equal("a", 1)
            & less_than("a", 2)
            & less_or_equal("a", 2)
            & contains("a", "b")
            & starts_with("a", "b")
            & ends_with("a", "b")
            & contains_any("a", ["b"])
            & contains_all("a", ["b", "c"])
        )
        assert [term[0] for term in parse(str(built))] == [
            "greater-or-equal",
            "less-than",
            "less-or-equal",
            "contains",
            "starts-with",
            "ends-with",
            "contains-any",
            "contains-all",
        ]

    @pytest.mark.parametrize("field", ["", "a b", "a)", "a,b", "1a", 'a"', "a\n"])
    def test_refuses_a_field_that_is_no_name(self, field: str) -> None:
        with pytest.raises(ValueError, match="field"):
            equals(field, "x")

    def test_of_no_choice_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            any_of("id", [])
