"""Stores: made, found among hundreds, renamed, put away with nothing left half-way, and taken back."""

import httpx2
import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.connections.errors import LastStore, StoreArchived
from ferrata.connections.schemas import Status, StoreFilter
from ferrata.kit.clock import MovedClock
from tests.connections.conftest import KEY, OTHER_KEY, Klaviyo
from tests.doors import Doors

pytestmark = pytest.mark.anyio


async def add(doors: Doors, store_id: str, name: str) -> None:
    await doors.wiring.connections.registry.create(store_id, name, actor=SYSTEM)


class TestTheApi:
    async def test_makes_shows_and_renames_a_store(self, doors: Doors) -> None:
        headers = await doors.token(
            Right.STORES_MANAGE, Right.STORES_EDIT, Right.CONNECTIONS_READ, Right.AUDIT_READ, store_id=None
        )
        order = {"name": "Alpenglück", "timeZone": "Europe/Vienna", "currency": "EUR"}
        made = await doors.client.post("/stores", json=order, headers=headers)
        assert made.status_code == 201, made.text
        store_id = made.json()["id"]
        assert len(store_id) == 7
        changed = await doors.client.patch(f"/stores/{store_id}", json={"name": "Alpenglück AG"}, headers=headers)
        assert changed.json()["name"] == "Alpenglück AG"
        shown = (await doors.client.get(f"/stores/{store_id}", headers=headers)).json()
        assert (shown["name"], shown["timeZone"]) == ("Alpenglück AG", "Europe/Vienna")
        record = (await doors.wiring.audit.newest()).rows[0]
        assert (record.action, record.before["name"], record.after["name"]) == (
            "connections.store_changed",
            "Alpenglück",
            "Alpenglück AG",
        )

    async def test_refuses_every_fault_at_once_and_an_id_that_is_taken_in_other_letters(self, doors: Doors) -> None:
        headers = await doors.token(Right.STORES_MANAGE, store_id=None)
        order = {"id": "no way", "name": "", "timeZone": "Mars", "currency": "x"}
        refused = await doors.client.post("/stores", json=order, headers=headers)
        assert [problem["path"] for problem in refused.json()["errors"]] == ["id", "name", "timeZone", "currency"]
        taken = await doors.client.post("/stores", json={"id": "DEFAULT", "name": "Again"}, headers=headers)
        assert (taken.status_code, taken.json()["code"]) == (409, "store_exists")

    async def test_lists_what_one_may_see(self, doors: Doors) -> None:
        await add(doors, "second", "Second")
        own = await doors.client.get("/stores", headers=await doors.token(Right.CONNECTIONS_READ))
        assert [store["id"] for store in own.json()["stores"]] == ["default"]
        every = await doors.client.get("/stores", headers=await doors.token(Right.CONNECTIONS_READ, store_id=None))
        assert [store["id"] for store in every.json()["stores"]] == ["default", "second"]
        assert (await doors.client.get("/stores", headers=await doors.token(Right.EVENTS_WRITE))).status_code == 403


class TestHundredsOfStores:
    async def test_are_paged_by_name_searched_and_filtered(self, doors: Doors, klaviyo: Klaviyo) -> None:
        for number in range(25):
            await add(doors, f"shop-{number:03}", f"{'ÄBC'[number % 3]} Shop {number}%_")
        connections = doors.wiring.connections
        await connections.set_private_key("shop-007", KEY, actor=SYSTEM)
        await connections.set_private_key("shop-008", OTHER_KEY, actor=SYSTEM, test=False)
        found: list[str] = []
        cursor = None
        while True:
            page = await connections.registry.page(StoreFilter(), cursor, 10)
            found += [seen.store.id for seen in page.rows]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(found) == len(set(found)) == 26
        named = await connections.registry.page(StoreFilter(text="grat"))
        assert [seen.store.id for seen in named.rows] == ["shop-007"]
        assert [s.store.id for s in (await connections.registry.page(StoreFilter(text="Shop 12%"))).rows] == ["shop-012"]
        connected = await connections.registry.page(StoreFilter(status=Status.CONNECTED))
        assert {seen.store.id for seen in connected.rows} == {"shop-007", "shop-008"}
        assert (await connections.registry.counts())[Status.NOT_CONFIGURED] == 24

    @pytest.mark.parametrize("limit", [1, 3])
    async def test_are_sorted_by_what_needs_somebody_and_by_what_changed(
        self, doors: Doors, clock: MovedClock, limit: int
    ) -> None:
        connections = doors.wiring.connections
        for name in ("Zirbe", "arve", "Ärve", "Birke"):
            clock.advance(1)
            await add(doors, f"s-{name[0].lower() if name.isascii() else 'ae'}", name)
        for store_id, key in (("s-z", KEY), ("s-a", OTHER_KEY), ("s-b", KEY)):
            clock.advance(1)
            await connections.set_private_key(store_id, key, actor=SYSTEM, test=False)
        clock.advance(1)
        credential = await connections.credential("s-z")
        assert credential
        await connections.refused("s-z", credential.version, "Klaviyo refuses it")
        headers = await doors.token(Right.CONNECTIONS_READ, store_id=None)

        async def listed(sort: str) -> list[str]:
            found: list[str] = []
            path = f"/stores?sort={sort}&limit={limit}"
            cursor = ""
            while True:
                answer = await doors.client.get(path + cursor, headers=headers)
                assert answer.status_code == 200, answer.text
                found += [store["id"] for store in answer.json()["stores"]]
                if (following := answer.json()["nextCursor"]) is None:
                    return found
                cursor = f"&cursor={following}"

        assert (await listed("status"))[0] == "s-z"
        assert set((await listed("status"))[3:]) == {"s-a", "s-b"}
        assert await listed("changed") == ["s-z", "s-b", "s-a", "s-ae", "default"]
        assert sorted(await listed("name")) == sorted(await listed("changed"))
        page = (await doors.client.get("/stores?sort=status&limit=1", headers=headers)).json()
        other = await doors.client.get(f"/stores?sort=changed&cursor={page['nextCursor']}", headers=headers)
        assert other.status_code == 400


class TestArchiving:
    async def test_cuts_the_connection_shuts_the_doors_and_keeps_what_there_is(self, doors: Doors, clock: MovedClock) -> None:
        await add(doors, "second", "Second")
        connections = doors.wiring.connections
        token = await doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ, store_id="second")
        event = {"eventName": "Ordered", "email": "a@shop.example.net"}
        assert (await doors.client.post("/events", json=event, headers=token)).status_code < 300
        await connections.set_private_key("second", KEY, actor=SYSTEM)
        keeper = await doors.token(Right.STORES_MANAGE, Right.CONNECTIONS_READ, store_id=None)
        unsure = await doors.client.post("/stores/second/archive", json={"confirm": "default"}, headers=keeper)
        assert unsure.status_code == 400
        done = await doors.client.post("/stores/second/archive", json={"confirm": "second"}, headers=keeper)
        assert done.status_code == 200, done.text
        assert await connections.credential("second") is None
        clock.advance(2)
        refused = await doors.client.post("/events", json=event, headers=token)
        assert (refused.status_code, refused.json()["code"]) == (404, "store_archived")
        listed = (await doors.client.get("/stores", headers=keeper)).json()["stores"]
        assert [store["id"] for store in listed] == ["default"]
        archived = (await doors.client.get("/stores?archived=true", headers=keeper)).json()["stores"]
        assert [(store["id"], store["connection"]["status"]) for store in archived] == [("second", "not_configured")]
        actions = [record.action for record in (await doors.wiring.audit.newest()).rows]
        assert actions[:2] == ["connections.store_archived", "connections.disconnected"]
        assert (await doors.client.post("/stores/second/restore", headers=keeper)).status_code == 200
        clock.advance(2)
        assert (await doors.client.post("/events", json=event, headers=token)).status_code < 300
        events = (await doors.client.get("/events", headers=token)).json()
        assert len(events["events"] if isinstance(events, dict) else events) == 2

    async def test_is_refused_for_the_last_one_and_for_one_that_is_archived(self, doors: Doors) -> None:
        registry = doors.wiring.connections.registry
        with pytest.raises(LastStore):
            await registry.archive("default", confirm="default", actor=SYSTEM)
        await add(doors, "second", "Second")
        await registry.archive("second", confirm="second", actor=SYSTEM)
        with pytest.raises(StoreArchived):
            await registry.archive("second", confirm="second", actor=SYSTEM)
        with pytest.raises(StoreArchived):
            await doors.wiring.connections.connecting.set_key("second", KEY, actor=SYSTEM)

    async def test_lets_go_of_a_key_that_was_being_replaced(self, doors: Doors, klaviyo: Klaviyo) -> None:
        await add(doors, "second", "Second")
        connections = doors.wiring.connections
        await connections.set_private_key("second", KEY, actor=SYSTEM)
        await connections.connecting.rotate("second", OTHER_KEY, actor=SYSTEM)
        assert await connections.rotation.retiring("second")
        await connections.registry.archive("second", confirm="second", actor=SYSTEM)
        assert await connections.rotation.retiring("second") == []


class TestSearching:
    async def test_takes_no_cursor_that_was_made_elsewhere(self, doors: Doors) -> None:
        headers = await doors.token(Right.CONNECTIONS_READ, store_id=None)
        refused: httpx2.Response = await doors.client.get("/stores?cursor=nonsense", headers=headers)
        assert refused.status_code == 400
