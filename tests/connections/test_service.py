"""A store's connection to Klaviyo."""

import httpx2
import pytest
from sqlalchemy import text

from ferrata.audit.schemas import SYSTEM
from ferrata.connections.errors import KeyRefused, KeyUntested, NotAKey, NotConnected, StoreExists, TooManyTests
from ferrata.connections.schemas import Status
from ferrata.infra.crypto import Undecryptable
from ferrata.infra.errors import NotFound, Rejected
from ferrata.kit.clock import MovedClock
from tests.connections.conftest import KEY, NO_PERMISSION, NOT_AUTHENTICATED, OTHER_KEY, Klaviyo
from tests.doors import Doors

pytestmark = pytest.mark.anyio
METRICS = httpx2.Response(200, json={"data": []})


class TestAKey:
    async def test_is_tested_and_kept_with_what_it_showed(self, doors: Doors, klaviyo: Klaviyo) -> None:
        connections = doors.wiring.connections
        connection = await connections.set_private_key("default", f" {KEY}\n", actor=SYSTEM)
        assert (connection.status, connection.account_id, connection.account_name) == ("connected", "AbC123", "Grat & Gipfel")
        credential = await connections.credential("default")
        assert credential is not None
        assert credential.quota_id == "account:AbC123"
        assert await credential.auth.authorization() == f"Klaviyo-API-Key {KEY}"
        assert [request.url.path for request in klaviyo.seen] == ["/api/accounts"]

    async def test_that_klaviyo_refuses_is_not_kept_and_the_one_before_stays(self, doors: Doors, klaviyo: Klaviyo) -> None:
        connections = doors.wiring.connections
        await connections.set_private_key("default", KEY, actor=SYSTEM)
        klaviyo.answers["/api/accounts"] = NOT_AUTHENTICATED
        with pytest.raises(KeyRefused):
            await connections.set_private_key("default", OTHER_KEY, actor=SYSTEM)
        assert (await connections.connection("default")).hint == KEY[-4:].join(("…", ""))

    @pytest.mark.parametrize("key", ["", "pk_", "sk_0123456789", "pk_has space", "pk_line\nbreak", "pk_ünï", "pk_" + "x" * 300])
    async def test_that_cannot_be_one_is_not_even_tested(self, doors: Doors, klaviyo: Klaviyo, key: str) -> None:
        with pytest.raises(NotAKey) as refused:
            await doors.wiring.connections.set_private_key("default", key, actor=SYSTEM)
        assert len(key) < 5 or key not in str(refused.value)
        assert klaviyo.seen == []

    async def test_without_the_scope_for_accounts_is_kept_with_a_word_about_it(self, doors: Doors, klaviyo: Klaviyo) -> None:
        klaviyo.answers |= {"/api/accounts": NO_PERMISSION, "/api/metrics": METRICS}
        connection = await doors.wiring.connections.set_private_key("default", KEY, actor=SYSTEM)
        assert connection.status is Status.CONNECTED
        assert "accounts:read" in (connection.detail or "")
        credential = await doors.wiring.connections.credential("default")
        assert credential is not None
        assert credential.quota_id.startswith("key:")
        assert KEY not in credential.quota_id

    async def test_without_any_reading_scope_is_kept_with_a_warning(self, doors: Doors, klaviyo: Klaviyo) -> None:
        klaviyo.answers |= {"/api/accounts": NO_PERMISSION, "/api/metrics": NO_PERMISSION}
        connection = await doors.wiring.connections.set_private_key("default", KEY, actor=SYSTEM)
        assert "events:write" in (connection.detail or "")

    @pytest.mark.parametrize(
        "answer",
        [
            httpx2.Response(503),
            httpx2.Response(429, headers={"retry-after": "7"}),
            httpx2.ConnectError("no route"),
            httpx2.Response(200),
        ],
    )
    async def test_is_not_kept_while_klaviyo_cannot_be_asked(self, doors: Doors, klaviyo: Klaviyo, answer: object) -> None:
        klaviyo.answers["/api/accounts"] = answer
        with pytest.raises(KeyUntested):
            await doors.wiring.connections.set_private_key("default", KEY, actor=SYSTEM)
        assert (await doors.wiring.connections.connection("default")).status is Status.NOT_CONFIGURED

    async def test_is_kept_untested_when_asked_to(self, doors: Doors, klaviyo: Klaviyo) -> None:
        connection = await doors.wiring.connections.set_private_key("default", KEY, actor=SYSTEM, test=False)
        assert (connection.status, connection.tested_at) == (Status.CONNECTED, None)
        assert klaviyo.seen == []

    async def test_is_tested_no_more_than_fifteen_times_a_minute(self, doors: Doors, klaviyo: Klaviyo, clock: MovedClock) -> None:
        connections = doors.wiring.connections
        await connections.set_private_key("default", KEY, actor=SYSTEM)
        for _ in range(14):
            await connections.test("default", actor=SYSTEM)
        with pytest.raises(TooManyTests) as refused:
            await connections.test("default", actor=SYSTEM)
        assert refused.value.retry_after_seconds == 60
        assert len(klaviyo.seen) == 15
        clock.advance(60)
        await connections.test("default", actor=SYSTEM)


class TestTesting:
    async def test_shows_a_key_that_was_revoked_and_one_that_was_mended(self, doors: Doors, klaviyo: Klaviyo) -> None:
        connections = doors.wiring.connections
        changed: list[str] = []
        connections.on_change(changed.append)
        await connections.set_private_key("default", KEY, actor=SYSTEM)
        good, klaviyo.answers["/api/accounts"] = klaviyo.answers["/api/accounts"], NOT_AUTHENTICATED
        assert (await connections.test("default", actor=SYSTEM)).status is Status.ERROR
        klaviyo.answers["/api/accounts"] = good
        assert (await connections.test("default", actor=SYSTEM)).status is Status.CONNECTED
        assert changed == ["default"] * 3

    async def test_learns_the_account_of_a_key_that_was_taken_over_untested(self, doors: Doors) -> None:
        connections = doors.wiring.connections
        await connections.set_private_key("default", KEY, actor=SYSTEM, test=False)
        assert (await connections.test("default", actor=SYSTEM)).account_id == "AbC123"
        credential = await connections.credential("default")
        assert credential is not None
        assert credential.quota_id == "account:AbC123"

    async def test_needs_a_key(self, doors: Doors) -> None:
        with pytest.raises(NotConnected):
            await doors.wiring.connections.test("default", actor=SYSTEM)


class TestWhatDeliverySees:
    async def test_is_the_key_of_the_store_and_nothing_for_another(self, doors: Doors) -> None:
        connections = doors.wiring.connections
        await connections.registry.create("second", "Second shop", actor=SYSTEM)
        await connections.set_private_key("default", KEY, actor=SYSTEM)
        assert await connections.credential("default")
        assert await connections.credential("second") is None

    async def test_changes_within_a_second_of_a_change_elsewhere(self, doors: Doors, clock: MovedClock) -> None:
        connections = doors.wiring.connections
        await connections.set_private_key("default", KEY, actor=SYSTEM)
        assert await connections.credential("default")
        await doors.wiring.database.write(lambda connection: connection.execute(text("DELETE FROM connections")))
        clock.advance(1)
        assert await connections.credential("default") is None

    async def test_is_one_client_for_each_key(self, doors: Doors, clock: MovedClock) -> None:
        connections = doors.wiring.connections
        await connections.set_private_key("default", KEY, actor=SYSTEM)
        first = await connections.credential("default")
        clock.advance(5)
        again = await connections.credential("default")
        assert first and again and first is again
        assert connections.client(first) is connections.client(again)
        await connections.set_private_key("default", OTHER_KEY, actor=SYSTEM)
        other = await connections.credential("default")
        assert other and connections.client(other) is not connections.client(first)

    async def test_shows_on_the_connection_when_klaviyo_refused_and_accepted_it(self, doors: Doors) -> None:
        connections = doors.wiring.connections
        await connections.set_private_key("default", KEY, actor=SYSTEM)
        credential = await connections.credential("default")
        assert credential
        await connections.refused("default", "an older version", "403")
        assert (await connections.connection("default")).status is Status.CONNECTED
        await connections.refused("default", credential.version, "answered 401")
        shown = await connections.connection("default")
        assert (shown.status, shown.detail) == (Status.ERROR, "answered 401")
        await connections.accepted("default", credential.version)
        assert (await connections.connection("default")).status is Status.CONNECTED


class TestAtRest:
    async def test_no_table_holds_the_key_in_clear(self, doors: Doors, clock: MovedClock) -> None:
        await doors.wiring.connections.set_private_key("default", KEY, actor=SYSTEM)

        def everything(connection: object) -> str:
            tables = ("connections", "audit_records", "allowances", "stores")
            return repr([connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables])  # type: ignore[attr-defined]

        kept = await doors.wiring.database.read(everything)
        assert KEY not in kept
        assert KEY[3:20] not in kept

    async def test_a_ciphertext_that_is_moved_to_another_store_does_not_open(self, doors: Doors, clock: MovedClock) -> None:
        connections = doors.wiring.connections
        await connections.registry.create("second", "Second shop", actor=SYSTEM)
        await connections.set_private_key("default", KEY, actor=SYSTEM)
        await doors.wiring.database.write(
            lambda connection: connection.execute(text("UPDATE connections SET store_id = 'second'"))
        )
        clock.advance(2)
        with pytest.raises(Undecryptable):
            await connections.credential("second")
        with pytest.raises(Undecryptable):
            await connections.start(None)

    async def test_disconnecting_forgets_the_key(self, doors: Doors) -> None:
        connections = doors.wiring.connections
        await connections.set_private_key("default", KEY, actor=SYSTEM)
        await connections.disconnect("default", SYSTEM)
        assert await connections.credential("default") is None
        assert (await connections.connection("default")).status is Status.NOT_CONFIGURED
        with pytest.raises(NotConnected):
            await connections.disconnect("default", SYSTEM)
        actions = [record.action for record in (await doors.wiring.audit.newest()).rows]
        assert actions[:2] == ["connections.disconnected", "connections.key_set"]


class TestTheFirstStart:
    async def test_makes_one_store_and_takes_the_key_of_the_environment_over_once(self, doors: Doors) -> None:
        connections = doors.wiring.connections
        assert [store.id for store in await connections.stores()] == ["default"]
        await connections.start(KEY)
        first = await connections.credential("default")
        await connections.start(OTHER_KEY)
        second = await connections.credential("default")
        assert first and second and first.version == second.version
        assert [store.id for store in await connections.stores()] == ["default"]


class TestAStore:
    async def test_is_made_once(self, doors: Doors) -> None:
        registry = doors.wiring.connections.registry
        made = await registry.create("shop-2", "Shop", actor=SYSTEM, time_zone="Europe/Berlin", currency="CHF")
        assert await doors.wiring.connections.store("shop-2") == made
        with pytest.raises(StoreExists):
            await registry.create("shop-2", "Again", actor=SYSTEM)
        with pytest.raises(NotFound):
            await doors.wiring.connections.store("shop-3")

    async def test_that_cannot_be_names_all_its_faults_at_once(self, doors: Doors) -> None:
        with pytest.raises(Rejected) as refused:
            await doors.wiring.connections.registry.create("Not An Id", " ", actor=SYSTEM, time_zone="Mars", currency="euro")
        assert [problem.path for problem in refused.value.problems] == ["id", "name", "timeZone", "currency"]
