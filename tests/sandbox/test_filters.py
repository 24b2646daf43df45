"""The filter language, without a server: what is read, what is refused and in which words, what becomes SQL."""

import json
from datetime import UTC, datetime

import pytest

from klaviyo_sandbox.filter_sql import Column, where
from klaviyo_sandbox.filter_table import FILTERS
from klaviyo_sandbox.filters import Allowed, Condition, InvalidFilter, parse

EVERYTHING = {
    "email": Allowed(str, ("any", "equals"), equals_list=True),
    "name": Allowed(str, ("contains", "contains-any", "contains-all", "starts-with", "ends-with", "equals")),
    "created": Allowed(datetime, ("greater-than", "less-than", "greater-or-equal", "less-or-equal")),
    "size": Allowed(float, ("greater-than", "equals")),
    "hidden": Allowed(bool, ("equals",)),
    "metric": Allowed(str, ("has",)),
    "messages.channel": Allowed(str, ("equals",), ("email", "sms")),
}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class TestAFilterIsReadAs:
    @pytest.mark.parametrize(
        ("text", "conditions"),
        [
            ('equals(email,"a@b.test")', [Condition("equals", "email", "a@b.test")]),
            ("equals(email,'a@b.test')", [Condition("equals", "email", "a@b.test")]),
            (' equals ( email , "a b" ) ', [Condition("equals", "email", "a b")]),
            ('equals(email,"it\'s")', [Condition("equals", "email", "it's")]),
            ("equals(email,'say \"hi\"')", [Condition("equals", "email", 'say "hi"')]),
            ('equals(email,"")', [Condition("equals", "email", "")]),
            ('equals(email,"),or(x")', [Condition("equals", "email", "),or(x")]),
            ('equals(email,"é漢😀")', [Condition("equals", "email", "é漢😀")]),
            ('any(email,["a","b"])', [Condition("any", "email", ["a", "b"])]),
            ("any(email,['a', \"b\"])", [Condition("any", "email", ["a", "b"])]),
            ('equals(email,["a"])', [Condition("equals", "email", ["a"])]),
            ("greater-than(created,2026-01-31T12:00:00Z)", [Condition("greater-than", "created", NOON)]),
            ("greater-than(created,2026-01-31T13:00:00+01:00)", [Condition("greater-than", "created", NOON)]),
            ("less-than(created,2026-01-31T12:00:00.000000+00:00)", [Condition("less-than", "created", NOON)]),
            ("greater-than(size,5)", [Condition("greater-than", "size", 5)]),
            ("greater-than(size,-5.25)", [Condition("greater-than", "size", -5.25)]),
            ("greater-than(size,99999999999999999999)", [Condition("greater-than", "size", 1e20)]),
            ("equals(hidden,true)", [Condition("equals", "hidden", True)]),
            ("has(metric)", [Condition("has", "metric")]),
            ("has(metric),equals(hidden,false)", [Condition("has", "metric"), Condition("equals", "hidden", False)]),
            ("and(has(metric),equals(hidden,false))", [Condition("has", "metric"), Condition("equals", "hidden", False)]),
            ("and(has(metric),and(equals(size,1)))", [Condition("has", "metric"), Condition("equals", "size", 1)]),
        ],
    )
    def test_conditions(self, text: str, conditions: list[Condition]) -> None:
        assert parse(text, EVERYTHING) == conditions


class TestAFilterIsRefused:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "email",
            "equals",
            'equals(email,"a"',
            'equals(email,"a"))',
            'equals("email","a")',
            'equals(email "a")',
            "equals(email,)",
            "equals(email,a@b.test)",
            "equals(email,bare)",
            'equals(email,"unclosed)',
            'equals(email,"a\\"b")',
            'equals(email,"a"),',
            ',equals(email,"a")',
            'equals(email,"a")equals(email,"b")',
            'or(equals(email,"a"),equals(email,"b"))',
            'not(equals(email,"a"))',
            'a"),or(equals(email,"b@x',
            'equals(email,"a"),or(equals(email,"b@x"))',
            'equals(email,"a"),or(equals(email,"b@x',
            "equals(email,'a') OR 1=1",
            "equals(email,'a'); DROP TABLE profiles",
            "any(email,[])",
            'any(email,["a",])',
            'any(email,"a")',
            'any(email,["a"]',
            'any(email,[["a"]])',
            'equals(email,"a","b")',
            "equals(email,1)",
            "equals(email,true)",
            "equals(email,null)",
            "equals(hidden,1)",
            'equals(hidden,"true")',
            "equals(size,true)",
            'greater-than(size,"5")',
            "greater-than(size,5x)",
            'greater-than(created,"2026-01-31T12:00:00Z")',
            "greater-than(created,2026-13-31T12:00:00Z)",
            "greater-than(created,2026-01-31T12:00:00)",
            "greater-than(created,2026-01-31)",
            "greater-than(created,2026-01-31T12:00:00 00:00)",
            "greater-than(created,[2026-01-31T12:00:00Z])",
            "has(metric,1)",
            "has()",
            "and()",
            "and(",
            "and(" * 500,
            "and(" * 5000 + "has(metric)" + ")" * 5000,
            "[" * 5000,
            "equals(messages.channel,'fax')",
            "equals(email,\x00)",
        ],
    )
    def test_when_it_is_not_the_grammar_or_not_the_type(self, text: str) -> None:
        with pytest.raises(InvalidFilter):
            parse(text, EVERYTHING)

    @pytest.mark.parametrize(
        ("text", "detail"),
        [
            (
                "any(name,['a'])",
                "'any' is not an allowed filter operator for name.  Allowed operators are "
                "contains, contains-any, contains-all, starts-with, ends-with, equals",
            ),
            ("equals(metric,'x')", "'equals' is not an allowed filter operator for metric.  Allowed operators are has"),
            ("equals(email,'a'", "Invalid filter provided. Verify your parentheses match."),
            (
                "equals(colour,'red')",
                "'colour' is not a filterable field for this resource. The filterable fields on this resource are: "
                "created, email, hidden, messages.channel, metric, name, size",
            ),
        ],
    )
    def test_in_the_words_klaviyo_uses(self, text: str, detail: str) -> None:
        with pytest.raises(InvalidFilter) as refused:
            parse(text, EVERYTHING)
        assert str(refused.value) == detail


class TestAFilterBecomesSqlThat:
    COLUMNS = {name: Column(f"t.{name}") for name in EVERYTHING} | {"created": Column("t.created", str)}

    @pytest.mark.parametrize(
        ("text", "sql", "parameters"),
        [
            ("equals(email,\"x' OR '1'='1\")", "t.email = ?", ["x' OR '1'='1"]),
            ("any(email,['a','b'])", "t.email IN (?, ?)", ["a", "b"]),
            ("contains(name,'%')", "(instr(t.name, ?) > 0)", ["%"]),
            ("contains-all(name,['a','b'])", "(instr(t.name, ?) > 0 AND instr(t.name, ?) > 0)", ["a", "b"]),
            ("contains-any(name,['a','b'])", "(instr(t.name, ?) > 0 OR instr(t.name, ?) > 0)", ["a", "b"]),
            ("starts-with(name,'a')", "substr(t.name, 1, length(?)) = ?", ["a", "a"]),
            ("ends-with(name,'a')", "substr(t.name, -length(?)) = ?", ["a", "a"]),
            ("has(metric),less-than(created,2026-01-31T12:00:00Z)", "t.metric IS NOT NULL AND t.created < ?", [str(NOON)]),
        ],
    )
    def test_carries_values_only_as_parameters(self, text: str, sql: str, parameters: list[object]) -> None:
        assert where(parse(text, EVERYTHING), self.COLUMNS) == (sql, parameters)


class TestTheTableOfFields:
    @pytest.mark.parametrize("path", sorted(FILTERS))
    def test_is_the_one_of_the_api_description(self, path: str, openapi: dict) -> None:
        described = openapi["paths"][path]["get"]["x-klaviyo-filters"]
        assert sorted(FILTERS[path]) == sorted(described)
        for name, rule in described.items():
            ours = FILTERS[path][name]
            by_form = rule["operators"]
            assert set(ours.operators) == {operator for operators in by_form.values() for operator in operators}, name
            assert ours.equals_list == ("equals" in by_form.get("list", [])), name
            value = rule.get("value", {})
            kinds = {"date-time": datetime, "number": float, "boolean": bool}
            assert ours.kind is kinds.get(value.get("format") or value.get("type"), str), name
            assert list(ours.values) == value.get("enum", []), json.dumps(rule)
