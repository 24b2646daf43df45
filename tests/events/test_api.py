"""The routes of events, as programs call them."""

import asyncio
import csv
import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM as _SYSTEM
from ferrata.kit.clock import MovedClock
from tests.doors import Doors, open_doors

SEED_ONE = {
    "eventName": "Purchase",
    "eventAttributes": {"amount": 99.99, "currency": "USD"},
    "profileAttributes": {"firstName": "John", "lastName": "Doe"},
    "email": "john.doe@example.com",
}
SEED_MANY = {
    "events": [{"eventName": "Page View", "email": "user1@test.com"}, {"eventName": "Add to Cart", "email": "user2@test.com"}]
}


class Api:
    def __init__(self, doors: Doors, headers: dict[str, str]) -> None:
        self.doors = doors
        self.client = doors.client
        self.headers = headers

    async def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = self.headers | {"content-type": "application/json"} | headers
        return await self.client.post(path, content=content, headers=sent)

    async def get(self, path: str, **query: Any) -> httpx2.Response:
        return await self.client.get(path, params=query, headers=self.headers)

    async def kept(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get("/events", limit=500)).json()["events"]
        return found


@pytest.fixture
async def api(database_url: str, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Api]:
    async with open_doors(database_url, tmp_path, clock, accept_wait_ms=0) as doors:
        yield Api(doors, await doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ, Right.PROFILES_READ))


class TestPostingOneEvent:
    async def test_answers_as_documented(self, api: Api) -> None:
        answer = await api.post("/events", SEED_ONE)
        assert answer.status_code == 201
        found = answer.json()
        assert {key: found[key] for key in SEED_ONE} == SEED_ONE
        assert found["sentToKlaviyo"] is False
        assert found["createdAt"] == "2026-11-20T09:00:00.000Z"
        assert found["eventDate"] == "2026-11-20"
        assert found["profileId"]
        assert found["state"] == "waiting"

    async def test_without_an_identifier_is_kept_and_says_so(self, api: Api) -> None:
        found = (await api.post("/events", {"eventName": "Page View"})).json()
        assert (found["state"], found["sentToKlaviyo"], found["email"]) == ("kept", False, None)
        assert found["klaviyoResponse"] is None
        assert "names nobody" in found["notes"][0]

    async def test_keeps_numbers_as_they_are_written(self, api: Api) -> None:
        body = b'{"eventName":"P","email":"a@b.co","value":19.90,"eventAttributes":{"price":0.10000000000000000001,"n":1E2}}'
        created = await api.post("/events", body)
        assert b'"price":0.10000000000000000001,"n":1E2' in created.content
        assert b'"value":19.90' in created.content
        story = (await api.get(f"/events/{created.json()['id']}")).content
        assert story.count(b"0.10000000000000000001") == 2

    async def test_is_answered_202_when_nobody_wants_to_wait(self, api: Api) -> None:
        answer = await api.post("/events", SEED_ONE, Prefer="respond-async")
        assert answer.status_code == 202
        assert answer.headers["preference-applied"] == "respond-async"

    async def test_again_with_the_same_event_id_gives_the_same_receipt(self, api: Api) -> None:
        first = await api.post("/events", SEED_ONE | {"eventId": "o-1"})
        again = await api.post("/events", SEED_ONE | {"eventId": "o-1"})
        assert again.status_code == 200
        assert again.json() == first.json()
        other = await api.post("/events", SEED_ONE | {"eventId": "o-1", "value": 3})
        assert other.status_code == 409
        assert "value" in other.json()["message"][0]
        assert len(await api.kept()) == 1

    async def test_takes_the_idempotency_key_for_an_event_id(self, api: Api) -> None:
        answers = await asyncio.gather(*(api.post("/events", SEED_ONE, **{"Idempotency-Key": "k-1"}) for _ in range(20)))
        assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]

    async def test_may_be_compressed(self, api: Api) -> None:
        body = gzip.compress(json.dumps(SEED_ONE).encode())
        assert (await api.post("/events", body, **{"content-encoding": "gzip"})).status_code == 201

    async def test_needs_the_right(self, api: Api) -> None:
        reader = Api(api.doors, await api.doors.token(Right.EVENTS_READ))
        assert (await reader.post("/events", SEED_ONE)).status_code == 403
        assert (await api.client.post("/events", json=SEED_ONE)).status_code == 401
        assert await api.kept() == []


class TestRefusing:
    @pytest.mark.parametrize(
        ("body", "messages"),
        [
            ({"eventName": "P", "email": "nobody"}, ["email must be a valid email"]),
            ({}, ["eventName must be a string"]),
            (
                {"eventName": "", "email": "", "foo": 1, "eventAttributes": []},
                [
                    "foo should not exist",
                    "eventName should not be empty",
                    "eventAttributes must be an object",
                    "email must be a valid email",
                ],
            ),
        ],
    )
    async def test_names_every_fault_at_once(self, api: Api, body: dict[str, Any], messages: list[str]) -> None:
        answer = await api.post("/events", body)
        assert answer.status_code == 400
        told = answer.json()
        assert (told["statusCode"], told["error"], told["message"]) == (400, "Bad Request", messages)
        assert await api.kept() == []

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"[]", 400),
            (b"\xef\xbb\xbf{}", 400),
            (b"\xff", 400),
            (json.dumps(SEED_ONE).encode("utf-16"), 400),
            (b'{"eventName":"a","eventAttributes":{"x":NaN}}', 400),
            (b'{"eventName":"a","eventAttributes":{"x":1e400}}', 400),
            (b'{"eventName":"a","eventAttributes":' + b'{"a":' * 100_000, 400),
            (b'{"eventName":"' + b"x" * 7_000_000 + b'"}', 413),
            (b'{"eventName":"a","eventAttributes":{"x":[' + b",".join([b'"' + b"y" * 90_000 + b'"'] * 56) + b"]}}", 400),
        ],
        ids=["empty", "broken", "list", "bom", "bytes", "utf16", "nan", "1e400", "deep", "7MB", "5MB+"],
    )
    async def test_hostile_bodies_leave_nothing_behind(self, api: Api, body: bytes, status: int) -> None:
        answer = await api.post("/events", body)
        assert answer.status_code == status
        assert answer.json()["statusCode"] == status
        assert await api.kept() == []

    async def test_stops_a_compressed_bomb(self, api: Api) -> None:
        body = gzip.compress(b"[" * 200_000_000)
        assert (await api.post("/events", body, **{"content-encoding": "gzip"})).status_code == 413

    async def test_wants_json(self, api: Api) -> None:
        assert (await api.post("/events", b"eventName=a", **{"content-type": "text/plain"})).status_code == 415


class TestPostingMany:
    async def test_answers_in_order(self, api: Api) -> None:
        answer = await api.post("/events/bulk", SEED_MANY)
        assert answer.status_code == 201
        assert [event["eventName"] for event in answer.json()] == ["Page View", "Add to Cart"]
        assert (await api.post("/events/bulk", {"events": []})).json() == []

    async def test_one_invalid_element_refuses_all(self, api: Api) -> None:
        body = {"events": [*SEED_MANY["events"], {"eventName": "A", "email": "x", "foo": 1}, 7]}
        answer = await api.post("/events/bulk", body)
        assert answer.status_code == 400
        assert answer.json()["message"] == [
            "events.2.foo should not exist",
            "events.2.email must be a valid email",
            "events.3 must be an object",
        ]
        assert await api.kept() == []

    @pytest.mark.parametrize("body", [{}, {"events": None}, {"events": {}}, {"events": "x"}, {"events": [], "more": 1}])
    async def test_the_envelope_is_checked(self, api: Api, body: dict[str, Any]) -> None:
        assert (await api.post("/events/bulk", body)).status_code == 400

    async def test_leniently_keeps_the_good_ones(self, api: Api) -> None:
        await api.post("/events", SEED_ONE | {"eventId": "o-1"})
        good, bad, taken = {"eventName": "A"}, {"eventName": ""}, {"eventName": "B", "eventId": "o-1"}
        answer = await api.post("/events/bulk", {"events": [good, bad, taken, good]}, Prefer="handling=lenient")
        assert answer.status_code == 207
        assert [item.get("statusCode", "kept") for item in answer.json()] == ["kept", 400, 409, "kept"]
        assert len(await api.kept()) == 3

    async def test_a_thousand_with_three_bad_ones(self, api: Api) -> None:
        events = [{"eventName": "A", "email": f"p{n}@shop.com" if n % 400 else "bad"} for n in range(1000)]
        prefer = "handling=lenient, return=minimal, respond-async"
        answer = await api.post("/events/bulk", {"events": events}, Prefer=prefer)
        assert answer.status_code == 207
        assert sum("id" in item for item in answer.json()) == 997
        assert set(answer.json()[1]) == {"id", "eventId", "state", "repeated"}

    async def test_the_same_key_again_is_the_same_events_again(self, api: Api) -> None:
        first = await api.post("/events/bulk", SEED_MANY, **{"Idempotency-Key": "k"})
        again = await api.post("/events/bulk", SEED_MANY, **{"Idempotency-Key": "k"})
        assert [event["id"] for event in again.json()] == [event["id"] for event in first.json()]


class TestReading:
    async def test_counts_by_metric_and_day_of_utc(self, api: Api) -> None:
        clock = api.doors.wiring.clock
        assert isinstance(clock, MovedClock)
        clock.advance(14 * 3600 + 3599.5)  # 23:59:59.5
        await api.post("/events", SEED_ONE)
        clock.advance(0.5)
        await api.post("/events", SEED_ONE | {"email": "late@shop.com"})
        for day, email in (("2026-11-20", "john.doe@example.com"), ("2026-11-21", "late@shop.com")):
            answer = (await api.get("/events/count", metric="Purchase", date=day)).json()
            assert (answer["metric"], answer["date"], answer["count"]) == ("Purchase", day, 1)
            assert (await api.get("/events/emails", date=day)).json()["emails"] == [email]
        assert (await api.get("/events/count", metric="Unknown", date="2026-11-20")).json()["count"] == 0
        assert (await api.get("/events/emails", date="2026-11-20", metric="Other")).json()["emails"] == []

    @pytest.mark.parametrize(
        "query",
        [{}, {"metric": "A"}, {"date": "2026-01-01"}, {"metric": "A", "date": "2026-1-1"}]
        + [{"metric": "A", "date": text} for text in ("2026-02-30", "2026-01-01T00:00:00Z", "20260101", "")],
    )
    async def test_wants_a_metric_and_a_day(self, api: Api, query: dict[str, str]) -> None:
        answer = await api.get("/events/count", **query)
        assert answer.status_code == 400
        assert answer.json()["message"]

    async def test_tells_a_persons_metrics(self, api: Api) -> None:
        await api.post("/events/bulk", SEED_MANY)
        answer = await api.get("/events/profiles/USER1@test.com/metrics")
        assert answer.json() == {"email": "user1@test.com", "metrics": ["Page View"], "source": "local"}
        assert (await api.get("/events/profiles/nobody@test.com/metrics")).json()["metrics"] == []
        assert (await api.get("/events/profiles/nobody/metrics")).status_code == 400

    async def test_pages_through_all_once(self, api: Api) -> None:
        await api.post("/events/bulk", {"events": [{"eventName": f"m{n}"} for n in range(25)]})
        names: list[str] = []
        cursor = None
        while True:
            answer = (await api.get("/events", limit=10, **({"cursor": cursor} if cursor else {}))).json()
            names += [event["eventName"] for event in answer["events"]]
            cursor = answer["nextCursor"]
            if not cursor:
                break
        assert names == [f"m{n}" for n in reversed(range(25))]
        assert (await api.get("/events", cursor="nonsense")).status_code == 400

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({"metric": "A"}, ["A"]),
            ({"email": "JANE@shop.com"}, ["B"]),
            ({"state": "kept"}, ["A"]),
            ({"state": "waiting"}, ["B"]),
            ({"state": "dead"}, []),
            ({"text": "RöT"}, ["B"]),
            ({"text": "LICH"}, ["B"]),
            ({"text": "50%"}, []),
            ({"since": "2026-11-20T09:00:00Z"}, ["B", "A"]),
            ({"until": "2026-11-20T09:00:00Z"}, []),
            ({"source": "import"}, []),
        ],
    )
    async def test_filters(self, api: Api, query: dict[str, str], names: list[str]) -> None:
        await api.post("/events", {"eventName": "A", "eventAttributes": {"a": 505}})
        await api.post("/events", {"eventName": "B", "email": "jane@shop.com", "eventAttributes": {"colour": "Rötlich"}})
        assert [event["eventName"] for event in (await api.get("/events", **query)).json()["events"]] == names

    async def test_shows_only_the_own_store(self, api: Api) -> None:
        created = (await api.post("/events", SEED_ONE)).json()
        await api.doors.wiring.connections.registry.create("other", "Other", actor=_SYSTEM)
        other = Api(api.doors, await api.doors.token(Right.EVENTS_READ, store_id="other"))
        assert await other.kept() == []
        assert (await other.get(f"/events/{created['id']}")).status_code == 404
        assert (await api.get(f"/events/{created['id']}")).json()["frozen"]["event"]["metric"]["data"]["type"] == "metric"

    async def test_exports_lines_and_cells(self, api: Api) -> None:
        await api.post("/events", {"eventName": "=1+1", "email": "jane@shop.com", "eventAttributes": {"a": "x\ny"}})
        lines = (await api.get("/events/export")).text.splitlines()
        assert [json.loads(line)["eventName"] for line in lines] == ["=1+1"]
        rows = list(csv.DictReader(io.StringIO((await api.get("/events/export", format="csv")).text)))
        assert rows[0]["eventName"] == "'=1+1"
        assert json.loads(rows[0]["eventAttributes"]) == {"a": "x\ny"}

    async def test_every_route_is_described(self, api: Api) -> None:
        paths = api.doors.app.openapi()["paths"]
        assert "requestBody" in paths["/events"]["post"]
        assert paths["/events"]["post"]["security"]
        described = {(path, method) for path in paths for method in paths[path] if path.startswith("/events")}
        assert {("/events/bulk", "post"), ("/events/{id}", "get"), ("/events/count", "get")} <= described
