"""The quick reading reads what the close one reads, to the letter, or leaves it to the close one."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferrata.events.answers import body_of, fresh_answer, receipt_answer
from ferrata.events.fields import EventFields, Fields
from ferrata.events.freezing import freeze
from ferrata.events.quick import read_plain, read_plain_bulk
from ferrata.events.schemas import Incoming, Receipt
from ferrata.events.validation import read_event
from ferrata.infra.errors import Problem
from ferrata.kit.ids import new_id
from tests.conftest import START

PLAIN: dict[str, Any] = {
    "eventName": "Placed Order",
    "email": "Jane@Shop.com",
    "eventId": "order-1",
    "value": 19.90,
    "currency": "EUR",
    "time": "2026-11-19T10:00:00.123+01:00",
    "eventAttributes": {"OrderId": "1", "Items": [{"Name": "Grüße 🛒", "Price": 1e3}], "empty": {}, "none": None},
    "profileAttributes": {"firstName": "Jane", "properties": {"size": "M"}, "location": {"city": "Graz"}, "tier": 3},
}


def closely(body: bytes) -> Incoming | None:
    """As ``fields.py`` reads it; None for a body that is refused."""
    try:
        fields = msgspec.json.decode(body, type=Fields)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    problems: list[Problem] = []
    event = EventFields(fields, "", START, problems).event()
    return None if problems else event


def holds(body: bytes) -> bool:
    """Whether the quick reading took the body; what it took must be what the close reading takes."""
    quick = read_plain(body, START)
    if quick is not None:
        assert quick == closely(body)
    in_bulk = read_plain_bulk(b'{"events":[' + body + b"]}", START)
    if in_bulk is not None:
        assert in_bulk == [closely(body)]
    return quick is not None


class TestTheQuickReading:
    @pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
    @pytest.mark.parametrize("ascii_only", [True, False])
    def test_takes_what_shops_send(self, separators: tuple[str, str], ascii_only: bool) -> None:
        assert holds(json.dumps(PLAIN, separators=separators, ensure_ascii=ascii_only).encode())
        for name in PLAIN.keys() - {"eventName"}:
            assert holds(json.dumps({**PLAIN, name: None}, separators=separators).encode())

    @pytest.mark.parametrize(
        "change",
        [
            {"eventName": ""}, {"eventName": "é"}, {"eventName": "x" * 128}, {"eventName": None},
            {"eventName": 7}, {"eventName": "a\0b"},
            {"eventId": " "}, {"eventId": 5}, {"externalId": ""}, {"email": "nobody"}, {"email": 1}, {"phone": "+49"},
            {"phone": "+4915112345678"}, {"value": "1"}, {"value": True},
            {"value": 10**50}, {"currency": "eur"}, {"currency": "XXY"},
            {"time": "yesterday"}, {"time": "2030-01-01T00:00:00Z"}, {"time": 5}, {"backfill": "yes"}, {"backfill": True},
            {"unknown": 1}, {"eventAttributes": []}, {"eventAttributes": "x"}, {"eventAttributes": {"a": 2**70}},
            {"eventAttributes": {"a\0": 1}}, {"eventAttributes": {str(n): n for n in range(401)}},
            {"profileAttributes": {"email": "other@shop.com"}}, {"profileAttributes": {"email": "jane@shop.com"}},
            {"profileAttributes": {"phone_number": "+4915112345678"}}, {"profileAttributes": {"firstName": 5}},
            {"profileAttributes": {"gender": "x"}}, {"profileAttributes": {"location": {"planet": "Earth"}}},
            {"profileAttributes": {"externalId": "c-1"}}, {"profileAttributes": {"note": "x" * 3000}},
        ],
    )  # fmt: skip
    def test_agrees_on_every_fault_and_oddity(self, change: dict[str, Any]) -> None:
        holds(json.dumps({**PLAIN, **change}).encode())

    @pytest.mark.parametrize(
        "attributes",
        [b'{"a":1,"a":2}', b'{"a":{"b":1,"b":2}}', b'{"a":1.0}', b'{ "a" : 1 }', b'{"a":"\\u0000"}',
         b'{"a":NaN}', b'{"a":1,}', b'{"a":"\\ud800"}'],
    )  # fmt: skip
    def test_agrees_on_what_json_can_write(self, attributes: bytes) -> None:
        holds(b'{"eventName":"x","email":"a@shop.com","eventAttributes":' + attributes + b"}")
        holds(b'{"eventName":"x","email":"a@shop.com","profileAttributes":' + attributes + b"}")

    def test_agrees_on_names_that_occur_twice(self) -> None:
        holds(b'{"eventName":"x","email":"a@shop.com","email":"b@shop.com","eventName":"y"}')

    @settings(max_examples=300, deadline=None)
    @given(
        document=st.fixed_dictionaries(
            {"eventName": st.text(max_size=140) | st.none()},
            optional={
                name: st.none()
                | st.booleans()
                | st.floats()
                | st.integers()
                | st.text(max_size=20)
                | st.sampled_from(["jane@shop.com", "+4915112345678", "EUR", "2026-01-01T00:00:00Z"])
                | st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8) | st.lists(st.floats(), max_size=3))
                for name in sorted((PLAIN.keys() | {"phone", "externalId", "backfill"}) - {"eventName"})
            },
        )
    )
    def test_agrees_on_anything(self, document: dict[str, Any]) -> None:
        holds(json.dumps(document).encode())

    def test_leaves_a_list_with_one_odd_element_to_the_close_one(self) -> None:
        good = json.dumps(PLAIN).encode()
        assert read_plain_bulk(b'{"events":[' + good + b',{"eventName":5}]}', START) is None
        assert read_plain_bulk(b'{"events":5}', START) is None


class TestTheAnswerToAFreshEvent:
    """It is written in one go, and reads as the answer that is built for every other event."""

    @pytest.mark.parametrize(
        "changed",
        [
            {},
            {"email": None, "profileAttributes": None, "backfill": True},
            {"email": None, "phone": "+4915112345678", "value": None, "currency": None, "time": None},
            {"email": None, "externalId": 'c"1', "eventName": 'Grüße "an" alle', "eventId": None},
            {"eventAttributes": None, "profileAttributes": {"age": 7}},
        ],
    )
    def test_is_the_same_to_the_letter(self, changed):
        told = {name: value for name, value in {**PLAIN, **changed}.items() if value is not None}
        incoming = read_event(msgspec.json.encode(told), START)
        frozen = freeze(incoming, "default", new_id(START), "api", START, decide=lambda *_: None)
        assert fresh_answer(frozen.event) == body_of(receipt_answer(Receipt(frozen.event), None))
