"""What passes, what does not, and how each fault is told."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from email_validator import validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ferrata.events.freezing import freeze
from ferrata.events.json_text import document_problems, object_problems, same_json, without_duplicates
from ferrata.events.moments import UnfitTime, read_time, write_time
from ferrata.events.schemas import Incoming
from ferrata.events.validation import event_from, read_bulk, read_event
from ferrata.infra.errors import Rejected
from ferrata.kit.contacts import normal_email, normal_phone
from ferrata.kit.ids import new_id

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def sent(_store_id: str, _metric: str, _person: str) -> None:
    """No flag holds anything back."""


def told(body: bytes | dict[str, Any]) -> list[str]:
    try:
        read_event(body if isinstance(body, bytes) else json.dumps(body).encode(), NOW)
    except Rejected as error:
        assert error.status == 400
        return [problem.message for problem in error.problems]
    return []


def nested(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("attributes", "fine"),
    [
        ({}, True),
        ({"": 1, "$value": 2, "__proto__": {}, "a.b": None, "k" * 10_000: 1}, True),
        ({"emoji": "👩‍👩‍👧 عربى ͤ"}, True),
        ({str(n): n for n in range(400)}, True),
        ({str(n): n for n in range(401)}, False),
        ({"a": "x" * 100_000}, True),
        ({"a": "x" * 100_001}, False),
        ({"a": "é" * 50_001}, False),
        ({"a": list(range(4000))}, True),
        ({"a": list(range(4001))}, False),
        (nested(10), True),
        (nested(11), False),
        (nested(900), False),
        ({"a": [[[[[[[[[]]]]]]]]]}, True),
        ({"a": [[[[[[[[[[]]]]]]]]]]}, False),
        ({"a": 2**63 - 1, "b": -(2**63)}, True),
        ({"a": 2**63}, False),
        ({"a": 10**400}, False),
        ({"a": "\0"}, False),
        ({"\0": 1}, False),
        ({"a": "\ud800"}, False),
        ({"\udfff": 1}, False),
        ({"a": float("nan")}, False),
        ({"a": float("-inf")}, False),
    ],
)
def test_attributes_have_limits(attributes: dict[str, Any], fine: bool) -> None:
    for name in ("eventAttributes", "profileAttributes") if len(json.dumps(attributes)) < 90_000 else ("eventAttributes",):
        messages = told({"eventName": "A", name: attributes})
        assert (messages == []) is fine, messages
        assert fine or any(name in message for message in messages)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("eventName", None, "eventName must be a string"),
        ("eventName", 5, "eventName must be a string"),
        ("eventName", "", "eventName should not be empty"),
        ("eventName", " \t", "eventName should not be empty"),
        ("eventName", "x" * 128, "eventName must be shorter than or equal to 127 characters"),
        ("eventName", "a\0", "eventName must not contain the character U+0000"),
        ("eventAttributes", [], "eventAttributes must be an object"),
        ("eventAttributes", "x", "eventAttributes must be an object"),
        ("profileAttributes", 1, "profileAttributes must be an object"),
        ("profileAttributes", {"firstName": 1}, "profileAttributes.firstName must be a string"),
        ("profileAttributes", {"email": "x"}, "profileAttributes.email must be a valid email"),
        ("profileAttributes", {"location": {"city": 1}}, "profileAttributes.location.city must be a string"),
        ("profileAttributes", {"location": []}, "profileAttributes.location must be an object"),
        ("profileAttributes", {"properties": []}, "profileAttributes.properties must be an object"),
        ("email", "", "email must be a valid email"),
        ("email", 5, "email must be a valid email"),
        ("email", {}, "email must be a valid email"),
        ("eventId", "", "eventId must be a string of 1 to 255 characters"),
        ("eventId", "x" * 256, "eventId must be a string of 1 to 255 characters"),
        ("eventId", 7, "eventId must be a string"),
        ("externalId", " ", "externalId must be a string of 1 to 255 characters"),
        ("time", 1700000000, "time must be ISO 8601 text with an offset"),
        ("value", "9.99", "value must be a number"),
        ("value", True, "value must be a number"),
        ("currency", "EURO", "currency must be an ISO 4217 currency code, such as EUR"),
        ("backfill", "true", "backfill must be a boolean"),
        ("unknown", 1, "unknown should not exist"),
    ],
)
def test_each_fault_is_told(field: str, value: Any, message: str) -> None:
    assert told({"eventName": "A"} | {field: value}) == [message]


def test_null_is_as_if_absent() -> None:
    names = [
        "eventAttributes",
        "profileAttributes",
        "email",
        "phone",
        "externalId",
        "eventId",
        "time",
        "value",
        "currency",
        "backfill",
    ]
    event = event_from({"eventName": "A"} | dict.fromkeys(names), NOW)
    assert event == Incoming(metric="A")


def test_the_last_of_two_equal_names_counts_everywhere() -> None:
    body = b'{"eventName":"A","eventName":"B","eventAttributes":{"a":1,"b":[{"c":1,"c":2.50}],"a":3}}'
    event = read_event(body, NOW)
    assert (event.metric, event.attributes) == ("B", '{"a":3,"b":[{"c":2.50}]}')


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" John.Doe@Example.COM ", "john.doe@example.com"),
        ("a+b@x.co", "a+b@x.co"),
        ("o'neil@shop.co.uk", "o'neil@shop.co.uk"),
        ("jane@shop.test", "jane@shop.test"),
        ("jane@müller.de", "jane@xn--mller-kva.de"),
        ("x" * 60 + "@" + "y" * 35 + ".com", "x" * 60 + "@" + "y" * 35 + ".com"),
    ],
)
def test_addresses_have_one_form(text: str, normal: str) -> None:
    assert normal_email(text) == normal
    assert normal_email(normal) == normal


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a@", "@b.co", "a@b", "a b@c.co", "a@b..co", ".a@b.co", "a.@b.co", "a@-b.co", "a@b_c.co", "a@b.c"),
        *("a@1.2.3.4", '"a b"@x.co', "a@[127.0.0.1]", "a@localhost", "ü@x.de", "a@b.co\n,c@d.co", "a@b.co\0", "A <a@b.co>"),
        *("x" * 65 + "@shop.com", "x" * 60 + "@" + "y" * 60 + ".com"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert normal_email(text) is None


@settings(max_examples=300)
@given(st.from_regex(r"[a-z0-9_+.-]{1,66}@([a-z0-9-]{1,64}\.){1,2}[a-z]{1,5}", fullmatch=True))
def test_the_quick_way_takes_no_address_that_the_library_refuses(address: str) -> None:
    normal = normal_email(address)
    if normal is not None:
        assert validate_email(address, check_deliverability=False, test_environment=True).normalized == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [("+4915112345678", "+4915112345678"), (" +15005550006 ", "+15005550006")]
    + [
        (text, None)
        for text in ("015112345678", "+49", "+491", "004915112345678", "+49 151 12345678", "+1234567890123456", "+０")
    ],
)
def test_phones_are_checked_against_their_plan(text: str, normal: str | None) -> None:
    assert normal_phone(text) == normal


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31t12:00:00.123456789+02:00", "2026-01-31T10:00:00.123456Z"),
        ("2026-01-31T12:00-0330", "2026-01-31T15:30:00.000Z"),
        ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00.000Z"),
        ("2027-11-20T09:00:00Z", "2027-11-20T09:00:00.000Z"),
    ],
)
def test_times_are_read_exactly(text: str, instant: str) -> None:
    assert write_time(read_time(text, NOW)) == instant


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "2026-01-31T24:30:00Z"),
        *("2026-01-31T12:00:61Z", "1899-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2027-11-20T09:00:01Z"),
        *("9999-12-31T23:59:59-01:00", "0000-00-00T00:00:00Z", "2026-01-31T12:00:00+99:00", "1769860800"),
        *("2026-W05-6T12:00:00Z", "２０26-01-31T12:00:00Z"),
    ],
)
def test_times_that_do_not_do(text: str) -> None:
    with pytest.raises(UnfitTime):
        read_time(text, NOW)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=5),
    max_leaves=30,
)
field_names = st.sampled_from(
    ["eventName", "eventAttributes", "profileAttributes", "email", "phone", "externalId", "eventId", "time", "value"]
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(field_names | st.text(max_size=5), json_values, max_size=8))
@example({"eventName": "A", "email": "a@b.co", "eventAttributes": {"a": -0.0}})
def test_any_document_is_taken_or_refused_with_paths(document: dict[str, Any]) -> None:
    """And what is taken can be frozen, is valid JSON, and holds what was sent."""
    body = json.dumps(document).encode()
    try:
        event = read_event(body, NOW)
    except Rejected as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
        return
    frozen = freeze(event, "default", new_id(NOW), "api", NOW, decide=sent)
    if frozen.delivery:
        subject = json.loads(frozen.delivery.subject_json)
        assert subject["properties"] == (document.get("eventAttributes") or {})
        assert subject["metric"]["data"]["attributes"]["name"] == document["eventName"]
        json.loads(frozen.delivery.profile_json)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
@example(b'{"events":[{"eventName":"a"},' + b"[" * 5000)
@example(b'{"events":[' + b'{"eventName":"a","eventAttributes":' * 3000)
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    for read in (read_event, read_bulk):
        try:
            read(body, NOW)
        except Rejected as error:
            assert error.problems


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(st.characters(), max_size=8), json_values, max_size=6))
@example({"a": [0] * 4001})
@example({str(n): n for n in range(401)})
def test_the_quick_check_clears_nothing_that_the_thorough_one_refuses(document: dict[str, Any]) -> None:
    raw = json.dumps(document).encode()
    assert bool(object_problems(raw, "a")) == bool(document_problems(raw, "a"))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), json_values, max_size=6), st.booleans())
@example({"url": "https://shop.com", ":": '":'}, False)
def test_without_duplicates_nothing_changes(document: dict[str, Any], spaced: bool) -> None:
    raw = json.dumps(document, separators=(" ,", " :") if spaced else None).encode()
    if not document_problems(raw, "a"):
        assert without_duplicates(raw) == raw.decode()


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        (b'{"a":1,"a" :2}', '{"a":2}'),
        (b'{"a":1,"b":":","a":"x:"}', '{"a":"x:","b":":"}'),
        (b'[{"a":{"\\u0062":1,"b":2.50}}]', '[{"a":{"b":2.50}}]'),
        (b'{"a":"\\":","a":1}', '{"a":1}'),
    ],
)
def test_of_equal_names_the_last_is_left(raw: bytes, left: str) -> None:
    assert without_duplicates(raw) == left


def test_the_same_meaning_is_the_same() -> None:
    assert same_json('{"a":1,"b":[2.5]}', '{ "b":[2.5], "a":1 }')
    assert not same_json('{"a":1}', '{"a":"1"}')
    assert not same_json('{"a":true}', '{"a":1}')
    assert not same_json('{"a":0.1}', '{"a":0.10000000000000000001}')
    assert not same_json(None, "{}")


def test_frozen_is_what_klaviyo_takes() -> None:
    body = {
        "eventName": 'Say "hi"',
        "eventAttributes": {"a": 1},
        "email": "jane@shop.com",
        "phone": "+4915112345678",
        "externalId": "c-1",
        "value": 5,
        "currency": "eur",
        "eventId": "o-1",
        "backfill": True,
        "profileAttributes": {
            "firstName": "Jane", "last_name": "D", "phoneNumber": "+4915112345678", "age": 5, "birthDate": "x", "vip": True,
            "location": {"city": "Berlin", "planet": "Earth"}, "properties": {"nested": 1},
        },
    }  # fmt: skip
    frozen = freeze(event_from(body, NOW), "default", "id-1", "api", NOW, decide=sent)
    assert frozen.delivery is not None
    assert json.loads(frozen.delivery.subject_json) == {
        "properties": {"a": 1},
        "time": "2026-11-20T09:00:00.000Z",
        "value": 5,
        "value_currency": "EUR",
        "unique_id": "o-1",
        "backfill": True,
        "metric": {"data": {"type": "metric", "attributes": {"name": 'Say "hi"'}}},
    }
    assert json.loads(frozen.delivery.profile_json) == {
        "type": "profile",
        "attributes": {
            "email": "jane@shop.com",
            "phone_number": "+4915112345678",
            "external_id": "c-1",
            "first_name": "Jane",
            "last_name": "D",
            "location": {"city": "Berlin"},
            "properties": {"vip": True, "planet": "Earth", "nested": 1},
        },
    }
    assert frozen.delivery.person == "email:jane@shop.com"
    assert frozen.event.notes is not None
    assert "age was not sent" in frozen.event.notes


@pytest.mark.parametrize(
    ("fields", "person"),
    [
        ({"email": "A@b.co", "phone": "+4915112345678"}, "email:a@b.co"),
        ({"phone": "+4915112345678", "externalId": "c"}, "phone:+4915112345678"),
        ({"externalId": "c"}, "external:c"),
        ({"profileAttributes": {"email": "A@b.co"}}, "email:a@b.co"),
        ({"profileAttributes": {"anonymousId": "x"}}, "anonymous_id:x"),
        ({"profileAttributes": {"firstName": "x"}}, None),
    ],
)
def test_the_strongest_identifier_names_the_person(fields: dict[str, Any], person: str | None) -> None:
    frozen = freeze(event_from({"eventName": "A"} | fields, NOW), "default", "id", "api", NOW, decide=sent)
    assert (frozen.delivery.person if frozen.delivery else None) == person


def test_two_events_of_one_second_stay_two() -> None:
    ids = [new_id(NOW) for _ in range(2)]
    event = event_from({"eventName": "A", "email": "a@b.co", "time": "2026-01-31T12:00:00.1Z"}, NOW)
    unique_ids = {
        frozen.delivery.unique_id for id_ in ids if (frozen := freeze(event, "s", id_, "api", NOW, decide=sent)).delivery
    }
    assert len(unique_ids) == 2
