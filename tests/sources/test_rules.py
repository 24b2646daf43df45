"""The merchant's rules: what is renamed, dropped, hashed, allowed, added, and under which name it goes."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ferrata.commerce.tracked import PersonRef, ProfileChange, TrackedEvent
from ferrata.sources import paths, templates
from ferrata.sources.applying import apply
from ferrata.sources.contract import Mapped, Message
from ferrata.sources.rules import MappingRules

AT = datetime(2026, 11, 20, tzinfo=UTC)
MESSAGE = Message(
    store_id="default", kind="shop", message_id="m", business_key="k", received_at=AT, body=b'{"id": 7, "shop": {"name": "Grat"}}'
)
PROPERTIES = {"OrderId": "o1", "Items": [{"sku": "a", "cost": 3}, {"sku": "b", "cost": 4}], "Note": "call", "a.b": 1}
PERSON = PersonRef("jane@shop.example", "+4915112345678", "c1")
EVENT = TrackedEvent(
    "Placed Order",
    "o1",
    AT,
    PERSON,
    PROPERTIES,
    Decimal("9.90"),
    "EUR",
    {"first_name": "Jane", "properties": {"vip": True, "age": 9}},
)


def ruled(rules: dict[str, Any], mapped: Mapped | None = None) -> Mapped:
    return apply(MappingRules.model_validate(rules), mapped or Mapped(events=(EVENT,)), MESSAGE, b"salt")


def properties(rules: dict[str, Any], metric: str = "*") -> dict[str, Any]:
    [event] = ruled({"properties": {metric: rules}}).events
    return dict(event.properties)


class TestProperties:
    def test_stay_as_they_are_without_rules(self) -> None:
        assert ruled({}).events == (EVENT,)

    def test_are_allowed_dropped_and_renamed_inside_too(self) -> None:
        assert properties({"only": ["OrderId", "Items.sku"]}) == {"OrderId": "o1", "Items": [{"sku": "a"}, {"sku": "b"}]}
        assert properties({"drop": ["Items.cost", "Note", "Missing", "a.b"]}) == {
            "OrderId": "o1",
            "Items": [{"sku": "a"}, {"sku": "b"}],
        }
        renamed = properties({"rename": {"OrderId": "$order_id", "Items.cost": "price"}})
        assert renamed["$order_id"] == "o1"
        assert "OrderId" not in renamed
        assert renamed["Items"] == [{"sku": "a", "price": 3}, {"sku": "b", "price": 4}]

    def test_are_hashed_with_the_stores_salt(self) -> None:
        assert properties({"hash": ["Note"]})["Note"] == hashlib.sha256(b"saltcall").hexdigest()
        assert properties({"hash": ["Items.cost"]})["Items"][0]["cost"] == hashlib.sha256(b"salt3").hexdigest()

    def test_are_added_from_templates(self) -> None:
        added = properties(
            {
                "add": {
                    "Link": "https://grat.example/{{ properties.OrderId }}?of={{message.shop.name}}",
                    "Number": "{{ message.id }}",
                    "First": "{{ properties.Items.0.sku }}",
                    "Absent": "{{ message.nothing }}",
                    "Who": "{{ person.email }}",
                }
            }
        )
        assert added["Link"] == "https://grat.example/o1?of=Grat"
        assert (added["Number"], added["First"], added["Who"]) == (7, "a", "jane@shop.example")
        assert "Absent" not in added

    def test_have_rules_for_their_metric_alone(self) -> None:
        assert properties({"drop": ["Note"]}, "Other") == PROPERTIES
        assert "Note" not in properties({"drop": ["Note"]}, "Placed Order")

    def test_say_why_they_are_not_sent(self) -> None:
        skipped = ruled({"properties": {"*": {"drop": ["Items.cost"]}}}).skipped
        assert [(each.what, each.why) for each in skipped] == [
            ("/events/0/properties/Items/0/cost", "the rules drop it"),
            ("/events/0/properties/Items/1/cost", "the rules drop it"),
        ]

    def test_leave_what_came_untouched(self) -> None:
        before = repr(EVENT)
        ruled({"properties": {"*": {"drop": ["Items.cost"], "rename": {"Note": "N"}, "hash": ["OrderId"]}}})
        assert repr(EVENT) == before


class TestMetrics:
    def test_are_named_by_choice_and_keep_their_key(self) -> None:
        mapped = ruled({"metrics": {"Placed Order": "Bestellt"}})
        assert (mapped.events[0].metric, mapped.keys) == ("Bestellt", ("Placed Order:o1",))

    def test_are_switched_off(self) -> None:
        mapped = ruled({"off": ["Placed Order"]})
        assert (mapped.events, mapped.keys) == ((), ())
        assert mapped.skipped[0].why == "this metric is switched off"


class TestTheAllowListOfPersonalData:
    def test_lets_nothing_else_leave(self) -> None:
        mapped = ruled({"person_fields": ["external_id", "properties.vip"]})
        [event] = mapped.events
        assert event.person == PersonRef(None, None, "c1")
        assert event.profile == {"properties": {"vip": True}}
        assert {each.what for each in mapped.skipped} == {
            "/events/0 email",
            "/events/0 phone_number",
            "/events/0/profile/first_name",
            "/events/0/profile/properties/age",
        }

    def test_of_nobody_leaves_no_profile(self) -> None:
        change = ProfileChange(PERSON, {"first_name": "Jane"}, AT, "c1:1")
        mapped = ruled({"person_fields": ["first_name"]}, Mapped(profiles=(change,)))
        assert mapped.profiles == ()
        assert len(mapped.skipped) == 4


class TestATemplate:
    @pytest.mark.parametrize(
        "template",
        [
            "{{ a..b }}",
            "{{ }}",
            "{{ a.__class__() }}",
            "{{ a | upper }}",
            "{{ a",
            "a }}",
            "{% for x in y %}{{ x }}{{{",
            "x" * 2001,
        ],
    )
    def test_is_refused_beforehand(self, template: str) -> None:
        with pytest.raises(ValidationError):
            MappingRules.model_validate({"profile": {"add": {"x": template}}})

    @given(st.text(max_size=40))
    def test_never_runs_anything(self, text: str) -> None:
        if templates.complaint(text) is None:
            templates.fill(text, {"a": {"b": [1, "x"]}, "c": None})

    def test_sees_no_attributes_of_objects(self) -> None:
        assert templates.fill("{{ a.__class__ }}", {"a": "x"}) is templates.ABSENT
        assert templates.fill("{{ a.count }}", {"a": []}) is templates.ABSENT


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), _JSON, max_size=3), st.text(max_size=5))
def test_a_path_into_anything_changes_only_what_it_names(data: dict[str, Any], path: str) -> None:
    before = repr(data)
    paths.changed(data, path, lambda owner, name: owner.pop(name))
    paths.only(data, [path])
    assert repr(data) == before
