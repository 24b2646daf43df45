"""The audit over HTTP and on the command line."""

import csv
import io
import json

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from tests.doors import Doors

pytestmark = pytest.mark.anyio


@pytest.fixture
async def reader(doors: Doors) -> dict[str, str]:
    """Of every store; two stores have each a token made."""
    await doors.wiring.connections.registry.create("outdoor", "Outdoor", actor=SYSTEM)
    for store_id in ("default", "outdoor"):
        rights = frozenset({Right.EVENTS_WRITE})
        await doors.wiring.access.tokens.create(f"{store_id}-shop", actor=SYSTEM, store_id=store_id, rights=rights)
    return await doors.token(Right.AUDIT_READ, store_id=None)


class TestReading:
    async def test_tells_who_did_what_newest_first_page_by_page(self, doors: Doors, reader: dict[str, str]) -> None:
        first = (await doors.client.get("/api/audit?limit=2", headers=reader)).json()
        assert [record["action"] for record in first["records"]] == ["access.key_created"] * 2
        record = first["records"][1]
        assert record["sentence"] == "Ferrata made a token “outdoor-shop” in the store outdoor"
        assert (record["storeId"], record["risk"], record["outcome"], record["count"]) == ("outdoor", "high", "done", 1)
        second = (await doors.client.get(f"/api/audit?limit=2&cursor={first['nextCursor']}", headers=reader)).json()
        assert first["records"][0]["id"] > first["records"][1]["id"] > second["records"][0]["id"]

    @pytest.mark.parametrize(
        ("query", "targets"),
        [
            ("action=connections", ["store/outdoor", "store/default"]),
            ("action=connections.store_created&store=outdoor", ["store/outdoor"]),
            ("target=store/default", ["store/default"]),
            ("target=store", ["store/outdoor", "store/default"]),
            ("actor=nobody", []),
            ("actor=Ferrata&action=connections", ["store/outdoor", "store/default"]),
            ("refused=true", []),
            ("since=2027-01-01T00:00:00Z", []),
            ("until=2026-01-01T00:00:00Z", []),
            ("action=access_", []),
        ],
    )
    async def test_finds_by(self, doors: Doors, reader: dict[str, str], query: str, targets: list[str]) -> None:
        found = (await doors.client.get(f"/api/audit?{query}", headers=reader)).json()["records"]
        assert [record["target"] for record in found] == targets

    async def test_shows_refused_attempts_with_their_reason(
        self, doors: Doors, reader: dict[str, str], clock: MovedClock
    ) -> None:
        for _ in range(3):
            await doors.client.get("/lanes")
        await doors.wiring.audit.write_refusals()
        clock.advance(61)
        await doors.wiring.audit.write_refusals()
        found = (await doors.client.get("/api/audit?refused=true", headers=reader)).json()["records"]
        assert [record["sentence"] for record in found] == [
            "somebody unknown was refused at GET /lanes without having signed in, 2 times, over the API",
            "somebody unknown was refused at GET /lanes without having signed in, over the API",
        ]
        report = (await doors.client.get("/api/audit/report?refused=true", headers=reader)).json()["counts"]
        assert report == [{"action": "access.refused", "outcome": "refused", "risk": "medium", "records": 2, "attempts": 3}]

    async def test_is_for_one_store_where_the_token_is(self, doors: Doors, reader: dict[str, str]) -> None:
        outdoor = await doors.token(Right.AUDIT_READ, store_id="outdoor")
        found = (await doors.client.get("/api/audit", headers=outdoor)).json()["records"]
        assert {record["storeId"] for record in found} == {"outdoor"}
        assert "default-shop" not in (await doors.client.get("/api/audit/export", headers=outdoor)).text
        assert (await doors.client.get("/api/audit?store=default", headers=outdoor)).status_code == 403

    async def test_needs_the_right(self, doors: Doors) -> None:
        assert (await doors.client.get("/api/audit")).status_code == 401
        other = await doors.token(Right.EVENTS_READ)
        assert (await doors.client.get("/api/audit", headers=other)).status_code == 403
        assert (await doors.client.get("/ui/audit", headers=other)).status_code == 403

    async def test_names_what_cannot_be_understood(self, doors: Doors, reader: dict[str, str]) -> None:
        answer = await doors.client.get("/api/audit?since=yesterday&limit=0", headers=reader)
        assert answer.status_code == 400
        assert {problem["path"] for problem in answer.json()["errors"]} == {"since", "limit"}
        assert (await doors.client.get("/api/audit?cursor=xx", headers=reader)).status_code == 400


class TestAnExport:
    async def test_holds_the_same_records_in_both_forms(self, doors: Doors, reader: dict[str, str]) -> None:
        await doors.wiring.audit.seal()
        told = (await doors.client.get("/api/audit?limit=500", headers=reader)).json()["records"]
        lines = await doors.client.get("/api/audit/export", headers=reader)
        assert lines.headers["content-type"].startswith("application/x-ndjson")
        assert [json.loads(line) for line in lines.text.splitlines()] == told
        table = await doors.client.get("/api/audit/export?format=csv", headers=reader)
        rows = list(csv.DictReader(io.StringIO(table.text)))
        assert [(row["id"], row["sentence"], row["hash"]) for row in rows] == [
            (record["id"], record["sentence"], record["hash"]) for record in told
        ]

    async def test_gives_no_spreadsheet_a_formula(self, doors: Doors, reader: dict[str, str]) -> None:
        await doors.wiring.connections.registry.create("evil", "Evil", actor=SYSTEM)
        await doors.client.get("/lanes", headers={"authorization": "Bearer frt_=1+1"})
        await doors.wiring.audit.write_refusals()
        table = (await doors.client.get("/api/audit/export?format=csv", headers=reader)).text
        cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


async def test_the_head_is_the_end_of_what_verifying_walks(doors: Doors, reader: dict[str, str]) -> None:
    await doors.wiring.audit.seal()
    head = (await doors.client.get("/api/audit/head", headers=reader)).json()
    found = await doors.wiring.audit.verify()
    assert (head["sequence"], head["hash"]) == (found.head.seq, found.head.hash) and found.fault is None


async def test_the_page_says_it_in_sentences_with_before_and_after(doors: Doors) -> None:
    browser = await doors.administrator()
    await browser.post("/ui/settings/tokens", data={"name": "shop <b>"})
    page = await browser.get("/ui/audit?action=access.key_created")
    assert "Mira made a token “shop &lt;b&gt;” in the store default, from the tokens page" in page.text
    assert "192.0.2.1" in page.text
    assert "No record matches" in (await browser.get("/ui/audit?actor=nobody")).text
