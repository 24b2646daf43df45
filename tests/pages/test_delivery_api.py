"""Lanes and dead letters over HTTP: what programs may see, replay and discard, and what they may not."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from ferrata.access.schemas import ALL_RIGHTS, READING, Right
from ferrata.audit.schemas import SYSTEM
from ferrata.delivery.schemas import State
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.pages.events import order
from tests.pages.shop import STORE, Shop


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[httpx2.AsyncClient]:
    token = await shop.wiring.access.tokens.create("tests", actor=SYSTEM, store_id=STORE, rights=ALL_RIGHTS, expires_at=None)
    headers = {"authorization": f"Bearer {token.secret}"}
    async with httpx2.AsyncClient(base_url=shop.url, headers=headers) as opened:
        yield opened


@pytest.fixture
async def dead(shop: Shop) -> list[str]:
    """Ids of three dead letters among four events, the oldest first."""
    shop.refuse("poison")
    ids = await shop.accept(*(order(number, note="poison" if number < 3 else "fine") for number in range(4)))
    await shop.settled(ids)
    return ids[:3]


async def answer_of(response: httpx2.Response, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_lanes_tell_what_waits_and_what_is_allowed(shop: Shop, client: httpx2.AsyncClient) -> None:
    await shop.settled(await shop.accept(order(1)))
    [lane] = (await answer_of(await client.get("/lanes")))["lanes"]
    assert (lane["storeId"], lane["family"], lane["waiting"], lane["parkedCode"]) == (STORE, "events", 0, None)
    steady = {window["operation"]: window["allowed"] for window in lane["windows"] if window["seconds"] == 60}
    assert steady == {"POST /api/events": 3500, "POST /api/event-bulk-create-jobs": 150}


async def test_a_probe_opens_a_parked_lane(shop: Shop, client: httpx2.AsyncClient) -> None:
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
    ids = await shop.accept(order(1))
    lanes = f"/lanes/{STORE}/events/probe"
    await shop.until_parked()
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY, revoked=False)
    assert await answer_of(await client.post(lanes), 202) == {"opened": 1}
    await shop.settled(ids, [State.DELIVERED])
    assert (await client.post("/lanes/elsewhere/events/probe")).status_code == 403
    assert (await client.post(f"/lanes/{STORE}/unheard/probe")).status_code == 400


async def test_dead_letters_are_listed_paged_and_grouped(client: httpx2.AsyncClient, dead: list[str]) -> None:
    first = await client.get("/dead-letters", params={"limit": 2})
    page = await answer_of(first)
    assert [letter["id"] for letter in page["deadLetters"]] == [dead[2], dead[1]]
    assert 'rel="next"' in first.headers["link"]
    rest = await answer_of(await client.get("/dead-letters", params={"limit": 2, "cursor": page["nextCursor"]}))
    assert [letter["id"] for letter in rest["deadLetters"]] == [dead[0]]
    assert rest["nextCursor"] is None
    [group] = (await answer_of(await client.get("/dead-letters/groups")))["groups"]
    assert group["count"] == 3
    none = await answer_of(await client.get("/dead-letters", params={"reason": "another"}))
    assert none["deadLetters"] == []


async def test_one_is_told_whole(client: httpx2.AsyncClient, dead: list[str]) -> None:
    told = await answer_of(await client.get(f"/dead-letters/{dead[0]}"))
    assert told["event"]["unique_id"] == "N-00000:placed"
    assert told["profile"]["attributes"]["email"] == "mira0@example.org"
    assert told["attempts"][-1]["status"] == 400
    assert (await client.get("/dead-letters/unheard")).status_code == 404


async def test_a_replay_is_a_dry_run_unless_told_otherwise(shop: Shop, client: httpx2.AsyncClient, dead: list[str]) -> None:
    would = await answer_of(await client.post("/dead-letters/replay", json={"ids": [dead[0]]}))
    assert (would["dryRun"], would["count"], would["examples"][0]["id"]) == (True, 1, dead[0])
    shop.sandbox.faults.clear()
    done = await answer_of(await client.post("/dead-letters/replay", json={"ids": [dead[0]], "dryRun": False}))
    assert (done["dryRun"], done["count"]) == (False, 1)
    states = await shop.settled([dead[0]], [State.DELIVERED])
    assert states[dead[0]].state is State.DELIVERED
    [record] = [record for record in (await shop.wiring.audit.newest()).rows if record.action.startswith("delivery.")]
    assert (record.actor.name, record.after["count"]) == ("tests", 1)


async def test_a_discard_of_all_must_be_said(shop: Shop, client: httpx2.AsyncClient, dead: list[str]) -> None:
    refused = await answer_of(await client.post("/dead-letters/discard", json={"dryRun": False}), 400)
    assert refused["errors"][0]["path"] == "all"
    assert await shop.wiring.delivery.dead_count(STORE) == 3
    done = await answer_of(await client.post("/dead-letters/discard", json={"all": True, "dryRun": False}))
    assert done["count"] == 3
    assert {found.state for found in (await shop.wiring.delivery.states(dead)).values()} == {State.DISCARDED}


async def test_unknown_and_wrong_conditions_are_refused(client: httpx2.AsyncClient) -> None:
    unknown = await answer_of(await client.post("/dead-letters/replay", json={"everything": True}), 400)
    assert unknown["errors"][0]["message"] == "property everything should not exist"
    assert (await client.post("/dead-letters/replay", json={"since": "2026-01-01T00:00:00"})).status_code == 400
    assert (await client.get("/dead-letters", params={"cursor": "made-up"})).status_code == 400


async def test_every_door_asks_for_its_right(shop: Shop) -> None:
    tokens = shop.wiring.access.tokens
    reader = await tokens.create("reader", actor=SYSTEM, store_id=STORE, rights=READING, expires_at=None)
    writer = await tokens.create("writer", actor=SYSTEM, store_id=STORE, rights=frozenset({Right.EVENTS_WRITE}), expires_at=None)
    async with httpx2.AsyncClient(base_url=shop.url) as client:
        for path in ("/lanes", "/dead-letters", "/dead-letters/groups", "/dead-letters/x"):
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, headers={"authorization": f"Bearer {writer.secret}"})).status_code == 403
        for path in (f"/lanes/{STORE}/events/probe", "/dead-letters/replay", "/dead-letters/discard"):
            refused = await client.post(path, json={"all": True}, headers={"authorization": f"Bearer {reader.secret}"})
            assert refused.status_code == 403
