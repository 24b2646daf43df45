"""Importing files: every row once, whatever happens on the way."""

import csv
import gzip
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ferrata.access.schemas import Right
from ferrata.events.importing.progress import Tally
from ferrata.events.importing.run import Order, check_file, import_file
from ferrata.events.importing.sender import Target
from ferrata.infra.errors import Forbidden, Rejected, StorageUnavailable
from ferrata.kit.clock import MovedClock
from tests.doors import ADDRESS, Doors, open_doors


class Hurried(MovedClock):
    """Whoever sleeps moves the clock."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


class Importer:
    def __init__(self, doors: Doors, token: str, clock: MovedClock) -> None:
        self.doors = doors
        self.target = Target(ADDRESS, token)
        self.clock = Hurried(clock.now())
        self.complaints: list[str] = []

    def transport(self) -> httpx2.ASGITransport:
        return httpx2.ASGITransport(self.doors.app)

    async def run(self, file: Path, transport: httpx2.AsyncBaseTransport | None = None, watch: Any = None, **order: Any) -> Tally:
        return await import_file(
            Order(file, **order),
            self.target,
            self.clock,
            watch=watch or (lambda _tally, _position: None),
            away=self.complaints.append,
            transport=transport or self.transport(),
        )

    async def kept(self) -> list[dict[str, Any]]:
        headers = {"authorization": f"Bearer {self.target.token}"}
        answer = await self.doors.client.get("/events/export", headers=headers)
        return [json.loads(line) for line in answer.text.splitlines()][::-1]


@pytest.fixture
async def importer(database_url: str, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Importer]:
    async with open_doors(database_url, tmp_path / "data", clock, accept_wait_ms=0) as doors:
        header = await doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ)
        yield Importer(doors, header["authorization"].removeprefix("Bearer "), clock)


def lines(count: int) -> bytes:
    rows = [{"eventName": "Placed Order", "email": f"p{n}@shop.com", "eventAttributes": {"n": n}} for n in range(count)]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


class TestJsonLines:
    async def test_are_kept_as_history_in_their_order(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "events.ndjson"
        file.write_bytes(lines(1200))
        tally = await importer.run(file)
        assert (tally.rows, tally.accepted, tally.refused) == (1200, 1200, 0)
        kept = await importer.kept()
        assert [event["eventAttributes"]["n"] for event in kept] == list(range(1200))
        assert {event["backfill"] for event in kept} == {True}
        assert {event["source"] for event in kept} == {"import"}
        assert not list(tmp_path.glob("events.ndjson.*"))

    async def test_again_are_not_stored_twice_and_rows_may_follow(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "events.ndjson.gz"
        file.write_bytes(gzip.compress(lines(40)))
        await importer.run(file)
        file.write_bytes(gzip.compress(lines(50)))
        tally = await importer.run(file)
        assert (tally.accepted, tally.repeated) == (10, 40)
        assert len(await importer.kept()) == 50

    async def test_that_are_equal_are_events_of_their_own(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "events.ndjson"
        file.write_bytes(b'{"eventName":"A"}\n\n{"eventName":"A"}')
        assert (await importer.run(file, backfill=False)).accepted == 2

    async def test_that_are_refused_are_reported_with_reasons(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "events.ndjson"
        bad = [b'{"eventName":""}', b"[]", b"{", b'{"eventName":"A","email":"x"}', b'"' + b"y" * 7_000_000, b"\xff"]
        file.write_bytes(b"\xef\xbb\xbf" + lines(2) + b"\r\n".join(bad) + b"\n" + lines(1))
        tally = await importer.run(file)
        assert (tally.accepted, tally.refused) == (3, 6)
        report = [json.loads(line) for line in (tmp_path / "events.ndjson.rejected.ndjson").read_text().splitlines()]
        assert [entry["line"] for entry in report] == [3, 4, 5, 6, 7, 8]
        assert report[0]["reasons"] == ["eventName should not be empty"]

    async def test_numbers_stay_as_written(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "events.ndjson"
        file.write_bytes(b'{"eventName":"A","eventAttributes":{"price":19.900000000000000001}}\n')
        await importer.run(file)
        headers = {"authorization": f"Bearer {importer.target.token}"}
        assert "19.900000000000000001" in (await importer.doors.client.get("/events", headers=headers)).text


class Unreliable(httpx2.AsyncBaseTransport):
    """Answers get lost, before or after the request was executed; now and then Ferrata is overloaded."""

    def __init__(self, behind: httpx2.AsyncBaseTransport, seed: int) -> None:
        self._behind = behind
        self._chance = random.Random(seed)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        fate = self._chance.random()
        if fate < 0.2:
            raise httpx2.ConnectError("refused")
        if fate < 0.4:
            return httpx2.Response(503, headers={"retry-after": "2"}, json={"message": "overloaded"}, request=request)
        answer = await self._behind.handle_async_request(request)
        if fate < 0.6:
            raise httpx2.ReadError("reset")
        return answer


class Killed(BaseException):
    pass


class TestBreaks:
    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_lose_and_double_nothing(self, importer: Importer, tmp_path: Path, seed: int) -> None:
        file = tmp_path / "events.ndjson"
        file.write_bytes(lines(4000) + b"{}\n")
        chance = random.Random(seed)
        runs = 0

        def maybe_killed(_tally: Tally, _position: int) -> None:
            if chance.random() < 0.3:
                raise Killed

        while True:
            runs += 1
            try:
                tally = await importer.run(file, Unreliable(importer.transport(), seed * 100 + runs), maybe_killed)
                break
            except Killed:
                continue
        assert (tally.rows, tally.refused) == (4001, 1)
        kept = await importer.kept()
        assert sorted(event["eventAttributes"]["n"] for event in kept) == list(range(4000))
        assert len((tmp_path / "events.ndjson.rejected.ndjson").read_text().splitlines()) == 1

    async def test_too_long_for_the_patience_can_be_taken_up_later(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "events.ndjson"
        file.write_bytes(lines(10))

        class Away(httpx2.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
                raise httpx2.ConnectError("refused")

        with pytest.raises(StorageUnavailable):
            await importer.run(file, Away(), patience_seconds=60)
        assert importer.complaints
        assert (await importer.run(file)).accepted == 10

    async def test_a_bad_token_ends_at_once(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "events.ndjson"
        file.write_bytes(lines(10))
        importer.target = Target(ADDRESS, "frt_wrong")
        with pytest.raises(Forbidden):
            await importer.run(file)
        assert importer.complaints == []


class TestCsv:
    async def test_columns_become_fields_and_attributes(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "orders.csv"
        with file.open("w", newline="") as text:
            writer = csv.writer(text, delimiter=";")
            writer.writerow(["Event Name", "E-Mail", "created_at", "value", "currency", "sku", "profile.firstName", "note"])
            writer.writerow(["Order", "a@b.co", "2026-01-31T12:00:00+01:00", "19.90", "eur", "007", "Ann", "two\nlines"])
            writer.writerow(["Order", "", "", "", "", "12.50", "", "=1+1"])
        tally = await importer.run(file)
        assert (tally.accepted, tally.refused) == (2, 0)
        first, second = await importer.kept()
        assert (first["eventName"], first["email"], first["value"], first["currency"]) == ("Order", "a@b.co", 19.9, "EUR")
        assert first["time"] == "2026-01-31T11:00:00.000Z"
        assert first["eventAttributes"] == {"sku": "007", "note": "two\nlines"}
        assert first["profileAttributes"] == {"firstName": "Ann"}
        assert second["eventAttributes"] == {"sku": 12.5, "note": "=1+1"}

    async def test_columns_can_be_mapped(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "orders.csv"
        file.write_text("what,who\nOrder,a@b.co\n")
        await importer.run(file, mapping={"what": "eventName", "who": "email"})
        assert [event["email"] for event in await importer.kept()] == ["a@b.co"]

    async def test_without_a_name_is_refused_as_a_whole(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "orders.csv"
        file.write_text("a,b\n1,2\n")
        with pytest.raises(Rejected, match="No column is the event's name"):
            await importer.run(file)

    async def test_uneven_rows_are_reported(self, importer: Importer, tmp_path: Path) -> None:
        file = tmp_path / "orders.csv"
        file.write_text("eventName,email\nOrder\nOrder,a@b.co\n")
        tally = await importer.run(file)
        assert (tally.accepted, tally.refused) == (1, 1)


def test_a_dry_run_only_reports(tmp_path: Path, clock: MovedClock) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(lines(3) + b'{"eventName":1}\n')
    tally = check_file(Order(file), clock, watch=lambda _tally, _position: None)
    assert (tally.accepted, tally.refused) == (3, 1)
    [entry] = (tmp_path / "events.ndjson.dry-run-rejected.ndjson").read_text().splitlines()
    assert json.loads(entry)["reasons"] == ["eventName must be a string"]
