"""JSON on a page: formatted, safe, differences marked."""

import html
import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ferrata.ui.json_view import json_view

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def marks(value: Any, before: Any) -> list[tuple[str, str]]:
    """(mark, text) of each line that differs."""
    lines = re.findall(r'data-mark="(\w+)">(.*?)\n</span>', json_view(value, before), re.DOTALL)
    return [(mark, _spoken(line)) for mark, line in lines if mark != "same"]


def _spoken(line: str) -> str:
    line = re.sub(r'<span class="(f-json-sign|visually-hidden)".*?</span>', "", line)
    return html.unescape(re.sub(r"<[^>]+>", "", line)).strip()


class TestFormatting:
    @given(JSON)
    def test_reads_back_as_the_same_json(self, value: Any) -> None:
        shown = json_view(value, most_lines=10_000)
        assert json.loads(html.unescape(re.sub(r"<[^>]+>", "", shown))) == value

    @given(st.text())
    def test_escapes_whatever_stands_in_keys_and_values(self, text: str) -> None:
        shown = json_view({text: text + "<script>alert(1)</script>"})
        assert "<script" not in shown

    def test_cuts_what_is_too_long_and_says_how_much(self) -> None:
        shown = json_view(list(range(1000)), most_lines=10)
        assert shown.count('class="f-json-line"') == 10
        assert "992 more lines" in shown


class TestDifferences:
    @given(JSON)
    def test_are_none_between_equals(self, value: Any) -> None:
        assert marks(value, value) == []

    def test_name_what_was_added_removed_and_changed(self) -> None:
        before = {"qty": 1, "coupon": "X", "tags": ["a"]}
        after = {"qty": 2, "tags": ["a", "b"], "gift": {"wrap": True}}
        assert marks(after, before) == [
            ("changed", '"qty": 2, was 1'),
            ("added", '"b"'),
            ("added", '"gift": {'),
            ("added", '"wrap": true'),
            ("added", "},"),
            ("removed", '"coupon": "X"'),
        ]

    def test_tell_true_from_one_and_null_from_absent(self) -> None:
        assert marks({"a": True}, {"a": 1}) == [("changed", '"a": true was 1')]
        assert marks({"a": None}, {}) == [("added", '"a": null')]

    def test_are_said_aloud_and_not_by_colour_alone(self) -> None:
        shown = json_view({"a": 2}, {"a": 1})
        assert '<span class="visually-hidden">changed: </span>' in shown
        assert '<span class="f-json-sign" aria-hidden="true">~</span>' in shown
