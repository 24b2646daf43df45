"""JSON as nobody should write it: the valid arrives as it was written, the rest is refused and leaves nothing behind."""

from typing import Any

import pytest

from ferrata.access.schemas import Right
from tests.doors import Doors
from tests.hostile.json_cases import INVALID, REFUSED, VALID, event_with
from tests.readthrough.conftest import Connected

pytestmark = pytest.mark.anyio
JSON = {"content-type": "application/json"}


async def kept(doors: Doors, headers: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await doors.client.get("/events", headers=headers)).json()["events"]
    return found


def assert_one_shape(answer: Any) -> None:
    told = answer.json()
    assert (told["statusCode"], told["error"], told["status"]) == (answer.status_code, "Bad Request", 400)
    assert isinstance(told["message"], list)
    assert told["message"]
    assert [problem["message"] for problem in told["errors"]] == told["message"]


def wrapped(value: bytes) -> list[tuple[str, bytes]]:
    """The value at every place of a body where a sender may put one."""
    return [
        ("/events", event_with(value)),
        ("/events", b'{"eventName":"A","profileAttributes":{"x":' + value + b"}}"),
        ("/events", b'{"eventName":"A","value":' + value + b"}") if value not in NUMBERS else ("/events", value),
        ("/events", value),
        ("/events/bulk", b'{"events":[{"eventName":"good"},' + event_with(value) + b"]}"),
        ("/events/bulk", b'{"events":' + value + b"}"),
    ]


NUMBERS = {REFUSED[name] for name in ("2^63", "below 64 bits", "2^64")}
"""Too large for a property, whose integers Klaviyo reads as such; as a value they are a number like any other."""


class TestInvalidJson:
    async def test_is_refused_wherever_it_stands_and_leaves_nothing(self, doors: Doors) -> None:
        headers = await doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ) | JSON
        for name, value in (INVALID | REFUSED).items():
            for path, body in wrapped(value):
                answer = await doors.client.post(path, content=body, headers=headers)
                assert answer.status_code == 400, (name, path, body[:80], answer.text[:200])
                assert_one_shape(answer)
        assert await kept(doors, headers) == []

    async def test_in_another_encoding_is_refused(self, doors: Doors) -> None:
        headers = await doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ) | JSON
        for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"):
            body = event_with('"é"'.encode()).decode().encode(encoding)
            assert (await doors.client.post("/events", content=body, headers=headers)).status_code == 400, encoding
        assert await kept(doors, headers) == []


class TestValidJson:
    async def test_reaches_klaviyo_byte_for_byte(self, connected: Connected) -> None:
        connected.sandbox.switch(journal_bodies=True)
        headers = connected.headers | JSON
        for name, value in VALID.items():
            answer = await connected.doors.client.post("/events", content=event_with(value), headers=headers)
            assert (answer.status_code, answer.json()["sentToKlaviyo"]) == (201, True), (name, answer.text[:300])
            assert b'"eventAttributes":{"x":' + value + b"}" in answer.content, name
        many = b'{"events":[' + b",".join(map(event_with, VALID.values())) + b"]}"
        answer = await connected.doors.client.post("/events/bulk", content=many, headers=headers)
        assert all(event["sentToKlaviyo"] for event in answer.json()), answer.text[:300]
        sent = b"\n".join(request.body or b"" for request in connected.sandbox.journal.requests)
        for name, value in VALID.items():
            assert sent.count(b'"properties":{"x":' + value + b"}") >= 2, name
