"""A key that is replaced while events are on their way: nothing lost, nothing doubled, nothing of the old one left."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.connections.errors import AccountUnknown, KeyInUse, KeyRefused, NotConnected, OtherAccount
from ferrata.connections.schemas import Status
from ferrata.entry.wiring import build
from ferrata.kit.clock import MovedClock, SystemClock
from klaviyo_sandbox.app import create_app as create_sandbox
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT, DEFAULT_KEY
from tests.connections.conftest import ACCOUNT, KEY, NO_PERMISSION, NOT_AUTHENTICATED, OTHER_KEY, Klaviyo
from tests.doors import Doors, open_doors

pytestmark = pytest.mark.anyio
NEW_KEY = "pk_" + "n3w0" * 8 + "77"


class Shop:
    """A shop that sends while its key is replaced; the sandbox is Klaviyo."""

    def __init__(self, doors: Doors, sandbox: Sandbox) -> None:
        self.doors = doors
        self.sandbox = sandbox
        self.transport = httpx2.ASGITransport(create_sandbox(sandbox))
        self.sent: list[str] = []

    async def send(self, first: int, count: int, headers: dict[str, str]) -> None:
        for number in range(first, first + count):
            event = {"eventName": "Ordered", "email": f"p{number % 7}@shop.example.net", "eventId": f"order-{number}"}
            answer = await self.doors.client.post("/events", json=event, headers=headers)
            assert answer.status_code in (200, 201, 202), answer.text
            self.sent.append(event["eventId"])

    async def all_delivered(self) -> list[str]:
        """The unique ids at Klaviyo, once as many are there as were accepted here."""
        async with asyncio.timeout(20):
            while len(stored := self.stored()) < len(self.sent):
                await asyncio.sleep(0.05)
        return stored

    async def first_stored(self, posting: list[asyncio.Task[None]]) -> None:
        async with asyncio.timeout(10):
            while not self.stored():
                for task in posting:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.05)

    def stored(self) -> list[str]:
        return [effect["unique_id"] for effect in self.sandbox.effects(kind="event_stored")]


@pytest.fixture
async def shop(database_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Shop]:
    sandbox = Sandbox()
    transport = httpx2.ASGITransport(create_sandbox(sandbox))
    clock = SystemClock()
    async with open_doors(database_url, tmp_path, clock, transport=transport, accept_wait_ms=0) as doors:  # type: ignore[arg-type]
        doors.wiring.delivery.worker = doors.wiring.worker
        working = asyncio.create_task(doors.wiring.worker.run())
        yield Shop(doors, sandbox)
        doors.wiring.worker.stop()
        await working
    sandbox.close()


class TestAKeyReplacedUnderLoad:
    async def test_loses_and_doubles_nothing_though_the_old_one_is_revoked_at_once(self, shop: Shop) -> None:
        connections = shop.doors.wiring.connections
        await connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM)
        shop.sandbox.tenants.add_key(NEW_KEY, DEFAULT_ACCOUNT)
        headers = await shop.doors.token(Right.EVENTS_WRITE)
        posting = [asyncio.create_task(shop.send(1000 * lane, 40, headers)) for lane in range(4)]
        await shop.first_stored(posting)
        await asyncio.sleep(1.1)  # Klaviyo takes one question about the account a second
        await connections.connecting.rotate("default", NEW_KEY, actor=SYSTEM)
        shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
        await asyncio.gather(*posting)
        await shop.send(9000, 20, headers)
        assert Counter(await shop.all_delivered()) == Counter(shop.sent)
        assert (await connections.connection("default")).status is Status.CONNECTED
        assert (await shop.doors.wiring.delivery.lanes("default"))[0].parked_code is None

    async def test_is_survived_by_a_process_that_has_not_heard_of_it_yet(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another process replaces the key, and this one goes on with the old credential until Klaviyo refuses it."""
        monkeypatch.setattr("ferrata.connections.service.CACHE_SECONDS", 3600.0)
        wiring = shop.doors.wiring
        await wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM)
        shop.sandbox.tenants.add_key(NEW_KEY, DEFAULT_ACCOUNT)
        headers = await shop.doors.token(Right.EVENTS_WRITE)
        await shop.send(0, 5, headers)
        await shop.all_delivered()
        elsewhere = build(wiring.settings, database=wiring.database, transport=shop.transport).connections
        await asyncio.sleep(1.1)
        await elsewhere.connecting.rotate("default", NEW_KEY, actor=SYSTEM)
        shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
        await shop.send(100, 5, headers)
        assert Counter(await shop.all_delivered()) == Counter(shop.sent)
        assert [seen for seen in shop.sandbox.journal.requests if seen.status == 401], "the old key was never tried"
        assert (await wiring.connections.connection("default")).status is Status.CONNECTED
        assert (await wiring.delivery.lanes("default"))[0].parked_code is None

    async def test_stands_in_for_the_new_one_while_both_live(self, shop: Shop) -> None:
        """The wrong one was revoked: events still leave until the old one is forgotten, and people are told."""
        connections = shop.doors.wiring.connections
        await connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM)
        shop.sandbox.tenants.add_key(NEW_KEY, DEFAULT_ACCOUNT)
        await asyncio.sleep(1.1)
        await connections.connecting.rotate("default", NEW_KEY, actor=SYSTEM)
        shop.sandbox.tenants.revoke_key(NEW_KEY)
        await shop.send(0, 3, await shop.doors.token(Right.EVENTS_WRITE))
        assert Counter(await shop.all_delivered()) == Counter(shop.sent)
        assert (await connections.connection("default")).status is Status.ERROR


class TestRotating:
    @pytest.fixture
    async def connected(self, doors: Doors) -> Doors:
        await doors.wiring.connections.set_private_key("default", KEY, actor=SYSTEM)
        return doors

    async def test_keeps_the_old_key_until_it_has_drained_and_then_forgets_it(self, connected: Doors, clock: MovedClock) -> None:
        connections = connected.wiring.connections
        await connections.connecting.rotate("default", OTHER_KEY, actor=SYSTEM)
        (retiring,) = await connections.rotation.retiring("default")
        assert retiring.hint == "…" + KEY[-4:]
        assert retiring.forget_at - retiring.retired_at >= timedelta(seconds=connected.wiring.settings.klaviyo_timeout_seconds)
        assert await connections.rotation.forget_drained() == 0
        clock.advance((retiring.forget_at - clock.now()).total_seconds())
        assert await connections.rotation.retiring("default") == []
        assert await connections.rotation.forget_drained() == 1
        rows = await connected.wiring.database.read(lambda t: t.execute(text("SELECT * FROM retiring_keys")).all())
        assert rows == []
        actions = [record.action for record in (await connected.wiring.audit.newest()).rows]
        assert actions[:3] == ["connections.replaced_key_forgotten", "connections.key_rotated", "connections.key_set"]

    async def test_keeps_when_it_was_connected_and_the_metric(
        self, connected: Doors, klaviyo: Klaviyo, clock: MovedClock
    ) -> None:
        connections = connected.wiring.connections
        before = await connections.connection("default")
        clock.advance(100)
        after = await connections.connecting.rotate("default", OTHER_KEY, actor=SYSTEM)
        assert after.connected_at == before.connected_at
        assert after.hint == "…" + OTHER_KEY[-4:]

    async def test_refuses_the_key_of_another_account_and_changes_nothing(self, connected: Doors, klaviyo: Klaviyo) -> None:
        other = {"data": [ACCOUNT["data"][0] | {"id": "XyZ789"}]}
        klaviyo.answers["/api/accounts"] = httpx2.Response(200, json=other)
        with pytest.raises(OtherAccount, match="disconnect it first"):
            await connected.wiring.connections.connecting.rotate("default", OTHER_KEY, actor=SYSTEM)
        assert (await connected.wiring.connections.connection("default")).hint == "…" + KEY[-4:]

    async def test_refuses_what_cannot_be_a_rotation(self, connected: Doors, klaviyo: Klaviyo) -> None:
        connecting = connected.wiring.connections.connecting
        with pytest.raises(KeyInUse):
            await connecting.rotate("default", KEY, actor=SYSTEM)
        klaviyo.answers["/api/accounts"] = NOT_AUTHENTICATED
        with pytest.raises(KeyRefused):
            await connecting.rotate("default", OTHER_KEY, actor=SYSTEM)
        klaviyo.answers["/api/accounts"] = NO_PERMISSION
        with pytest.raises(AccountUnknown):
            await connecting.rotate("default", OTHER_KEY, actor=SYSTEM)
        await connecting.disconnect("default", SYSTEM)
        with pytest.raises(NotConnected):
            await connecting.rotate("default", OTHER_KEY, actor=SYSTEM)

    async def test_leaves_nothing_of_either_key_after_a_disconnect(self, connected: Doors) -> None:
        connections = connected.wiring.connections
        await connections.connecting.rotate("default", OTHER_KEY, actor=SYSTEM)
        await connections.disconnect("default", SYSTEM)
        for table in ("connections", "retiring_keys"):
            rows = await connected.wiring.database.read(lambda t, table=table: t.execute(text(f"SELECT * FROM {table}")).all())
            assert rows == []
