"""The same event from many hands at once, and ids that only look the same."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from tests.doors import Doors

pytestmark = pytest.mark.anyio
ONE = {"eventName": "Order", "email": "o@shop.example.com", "eventId": "o-1", "value": 3}
AT_ONCE = 50


class Sender:
    def __init__(self, doors: Doors, headers: dict[str, str]) -> None:
        self._client, self._headers = doors.client, headers

    async def post(self, body: Any, path: str = "/events", **headers: str) -> Any:
        return await self._client.post(path, json=body, headers=self._headers | {"prefer": "respond-async"} | headers)

    async def kept(self) -> int:
        return len((await self._client.get("/events?limit=500", headers=self._headers)).json()["events"])


@pytest.fixture
async def sender(doors: Doors) -> Sender:
    return Sender(doors, await doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ))


class TestFiftyAtOnce:
    async def test_with_the_same_content_are_one(self, sender: Sender) -> None:
        answers = await asyncio.gather(*(sender.post(ONE) for _ in range(AT_ONCE)))
        assert Counter(answer.status_code for answer in answers) == {202: 1, 200: AT_ONCE - 1}
        assert len({answer.json()["id"] for answer in answers}) == await sender.kept() == 1

    async def test_with_different_contents_let_the_first_win(self, sender: Sender) -> None:
        answers = await asyncio.gather(*(sender.post(ONE | {"value": number}) for number in range(AT_ONCE)))
        assert Counter(answer.status_code for answer in answers) == {202: 1, 409: AT_ONCE - 1}
        assert await sender.kept() == 1

    async def test_alone_and_among_others_are_one(self, sender: Sender) -> None:
        many = {"events": [{"eventName": "before"}, ONE, {"eventName": "after"}]}
        sent = [sender.post(many, "/events/bulk") if n % 2 else sender.post(ONE) for n in range(AT_ONCE)]
        told = [answer.json() for answer in await asyncio.gather(*sent)]
        assert len({one["id"] if isinstance(one, dict) else one[1]["id"] for one in told}) == 1
        assert await sender.kept() == AT_ONCE + 1

    async def test_under_one_key_are_one(self, sender: Sender) -> None:
        body = {"events": [{"eventName": "a"}, {"eventName": "b"}]}
        answers = await asyncio.gather(*(sender.post(body, "/events/bulk", **{"Idempotency-Key": "k"}) for _ in range(AT_ONCE)))
        assert len({tuple(event["id"] for event in answer.json()) for answer in answers}) == 1
        assert await sender.kept() == 2


class TestAnId:
    async def test_that_only_looks_the_same_is_another(self, sender: Sender) -> None:
        alike = ["a", "A", "a ", "é", "e\u0301", "ß", "ss", "1", "１", "K", "\u212a", "a\u200b", "a\u200c", "ab", "b"]
        for event_id in alike:
            assert (await sender.post({"eventName": f"of {event_id}", "eventId": event_id})).status_code == 202
        assert await sender.kept() == len(alike)

    async def test_of_another_store_is_another(self, doors: Doors, sender: Sender) -> None:
        await doors.wiring.connections.registry.create("other", "Other", actor=SYSTEM)
        neighbour = Sender(doors, await doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ, store_id="other"))
        assert (await sender.post(ONE)).status_code == 202
        assert (await neighbour.post(ONE | {"value": 4})).status_code == 202
        assert (await sender.kept(), await neighbour.kept()) == (1, 1)
