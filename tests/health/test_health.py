"""/health, /health/live and /health/ready: what is told, to whom, and at what cost."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.delivery.models import deliveries, lanes
from ferrata.entry.http import create_app
from ferrata.events.validation import event_from
from ferrata.health.machine_checks import disk_check
from ferrata.health.schemas import Level
from ferrata.health.service import Health, Parts
from ferrata.infra.errors import StorageUnavailable
from ferrata.infra.schedule.claims import scheduled_runs
from klaviyo_sandbox.faults import Rule
from tests.doors import ADDRESS
from tests.health.conftest import STORE, House, OpenHouse

pytestmark = pytest.mark.anyio

CHECKS = {
    "database.reachable", "database.durable", "delivery.lag", "delivery.parked", "delivery.dead_letters", "delivery.backlog",
    "klaviyo.reachable", "klaviyo.key_valid", "disk.space", "worker.alive", "schedule.jobs",
    "sources.lag", "audit.sealed",
}  # fmt: skip


def durable_here(house: House) -> bool:
    """The tests' PostgreSQL runs without fsync, and health says so."""
    return house.doors.wiring.database.exclusive


class TestTheWhole:
    async def test_is_healthy_when_all_is_well(self, house: House) -> None:
        await house.connect()
        async with house.working():
            answer = await house.get("/health")
        told = answer.json()
        assert {check["name"]: check["status"] for check in told["checks"]} == dict.fromkeys(CHECKS, "healthy") | (
            {} if durable_here(house) else {"database.durable": "down"}
        )
        assert told["services"]["klaviyo"]["status"] == "healthy"
        assert told["services"]["klaviyo"]["latencyMs"] >= 0
        assert told["services"]["delivery"]["status"] == told["services"]["worker"]["status"] == "healthy"
        assert told["timestamp"] == "2026-11-20T09:00:00.000Z"
        assert (answer.status_code, told["status"]) == ((200, "healthy") if durable_here(house) else (503, "down"))
        assert answer.headers["cache-control"] == "no-store"

    async def test_says_that_a_database_loses_commits(self, house: House) -> None:
        told = (await house.get("/health", Right.HEALTH_READ, store_id=None)).json()
        check = next(each for each in told["checks"] if each["name"] == "database.durable")
        if durable_here(house):
            assert check["summary"] == "Every commit is synced to disk before it is answered."
        else:
            assert check["status"] == "down"
            assert "fsync=off" in check["summary"]

    async def test_without_a_key_is_degraded_and_says_so(self, house: House) -> None:
        told = (await house.get("/health", Right.HEALTH_READ)).json()
        check = next(each for each in told["checks"] if each["name"] == "klaviyo.key_valid")
        assert (check["status"], check["stores"]) == ("degraded", {STORE: "No key of Klaviyo is set: what is accepted waits."})
        assert told["services"]["klaviyo"]["status"] == "down"

    async def test_tells_nobody_in_particular_levels_alone(self, house: House) -> None:
        await house.connect()
        await self._revoke(house)
        told = (await house.get("/health")).json()
        assert {key for check in told["checks"] for key in check} <= {"name", "status", "latencyMs"}
        assert set(told["services"]["klaviyo"]) <= {"status", "latencyMs", "checkedAt"}
        wrong = await house.doors.client.get("/health", headers={"authorization": "Bearer frt_wrong"})
        assert set(wrong.json()["checks"][0]) <= {"name", "status", "latencyMs"}
        weak = (await house.get("/health", Right.EVENTS_READ)).json()
        assert "summary" not in weak["checks"][0]

    async def test_tells_a_store_nothing_of_another(self, house: House) -> None:
        await house.doors.wiring.connections.registry.create("other", "Other", actor=SYSTEM)
        mine = (await house.get("/health", Right.HEALTH_READ)).json()
        both = (await house.get("/health", Right.HEALTH_READ, store_id=None)).json()
        assert [set(_check(told, "klaviyo.key_valid")["stores"]) for told in (mine, both)] == [{STORE}, {STORE, "other"}]
        assert all("summary" in check for check in both["checks"])
        assert not any("summary" in check for check in mine["checks"])  # it would count over every store
        assert "reasons" not in (await house.get("/health/ready", Right.HEALTH_READ)).json()

    async def test_says_that_the_audit_is_not_sealed(self, house: House) -> None:
        house.clock.advance(301)  # records of before wait since then
        told = (await house.get("/health", Right.HEALTH_READ, store_id=None)).json()
        check = _check(told, "audit.sealed")
        assert (check["status"], "wait to be sealed, the oldest for 5 min" in check["summary"]) == ("degraded", True)
        await house.doors.wiring.audit.seal()
        house.clock.advance(3)
        told = (await house.get("/health", Right.HEALTH_READ, store_id=None)).json()
        assert _check(told, "audit.sealed")["status"] == "healthy"

    async def _revoke(self, house: House) -> None:
        house.sandbox.unleash([Rule(effect="revoked")])


class TestKlaviyo:
    async def test_is_asked_once_a_minute_however_often_health_is(self, house: House) -> None:
        await house.connect()
        for _ in range(20):
            await asyncio.gather(*(house.get("/health") for _ in range(5)))
            await house.later(2.5)
        assert await house.asked() == 1
        if house.doors.wiring.database.exclusive:  # there time is what the test says it is
            await house.later(61)
            await house.get("/health")
            assert await house.asked() == 2

    async def test_is_asked_once_by_many_processes(self, house: House) -> None:
        await house.connect()
        wiring = house.doors.wiring
        parts = Parts(
            wiring.database, wiring.clock, wiring.connections, wiring.delivery, wiring.scheduler, wiring.sources, wiring.audit
        )
        others = [Health.build(wiring.settings, f"process {number}", parts) for number in range(6)]
        reports = await asyncio.gather(*(each.report() for each in others))
        assert await house.asked() == 1
        await asyncio.gather(*(each.close() for each in others))
        assert all(
            check.level is Level.HEALTHY for report in reports for check in report.checks if check.name == "klaviyo.reachable"
        )

    async def test_that_refuses_the_key_degrades_and_events_are_still_taken(self, house: House) -> None:
        await house.connect()
        house.sandbox.unleash([Rule(effect="revoked")])
        async with house.working():
            told = (await house.get("/health", Right.HEALTH_READ)).json()
            assert _check(told, "klaviyo.key_valid")["status"] == "degraded"
            assert _check(told, "klaviyo.reachable")["status"] == "healthy"
            assert told["services"]["klaviyo"]["status"] == "down"
            assert told["services"]["klaviyo"]["error"]
            assert (await house.get("/health/ready")).status_code == 200

    async def test_with_a_new_key_is_asked_at_once(self, house: House) -> None:
        house.sandbox.tenants.add_key("pk_second_key_of_the_same_account", _account(house), None)
        await house.connect(key="pk_0000000000000000000000000000000000")
        assert (await house.checks())["klaviyo.key_valid"] == "degraded"
        await house.connect(key="pk_second_key_of_the_same_account")
        await house.later()
        assert (await house.checks())["klaviyo.key_valid"] == "healthy"

    @pytest.mark.parametrize("effect", ["server_error", "html_502"])
    async def test_that_is_not_well_is_not_reachable(self, house: House, effect: str) -> None:
        await house.connect()
        house.sandbox.unleash([Rule(effect=effect)])
        assert (await house.checks())["klaviyo.reachable"] == "degraded"

    async def test_that_cannot_be_connected_to_is_not_reachable(self, open_house: OpenHouse) -> None:
        async with open_house(transport=_Unreachable()) as house:
            await house.connect()
            told = (await house.get("/health")).json()
            assert _check(told, "klaviyo.reachable")["status"] == "degraded"
            assert told["services"]["klaviyo"]["status"] == "down"

    async def test_that_throttles_is_degraded_not_down(self, house: House) -> None:
        await house.connect()
        house.sandbox.unleash([Rule(effect="throttled")])
        await house.get("/health")
        for _ in range(3):  # the seconds that Klaviyo asks for are waited for, a few times
            await house.later(3.1)
        told = (await house.get("/health")).json()
        assert (_check(told, "klaviyo.reachable")["status"], told["services"]["klaviyo"]["status"]) == ("degraded", "degraded")

    async def test_that_hangs_holds_health_up_for_a_moment_only(self, open_house: OpenHouse) -> None:
        async with open_house(transport=_Silent()) as house:
            await house.connect()
            async with asyncio.timeout(5):
                told = (await house.get("/health")).json()
            assert _check(told, "klaviyo.reachable")["status"] == "healthy", "not asked yet is not broken"


class TestDelivery:
    async def test_that_is_late_parked_or_refused_is_told(self, house: House) -> None:
        await house.connect()
        ids = await _accept(house, 3)
        await asyncio.sleep(0.3)  # a new key opens parked lanes, beside
        house.clock.advance(301)
        values = {"store_id": STORE, "family": "events", "parked_code": "key_refused", "parked_detail": "401", "probes": 0}
        now = house.clock.now()

        def work(connection: Any) -> None:
            connection.execute(lanes.insert().values(**values, parked_at=now, probe_at=now))
            dead = {"state": "dead", "finished_at": now, "reason_code": "invalid"}
            connection.execute(update(deliveries).where(deliveries.c.id == ids[0]).values(dead))

        await house.doors.wiring.database.write(work)
        told = (await house.get("/health", Right.HEALTH_READ)).json()
        found = {name: _check(told, f"delivery.{name}") for name in ("lag", "parked", "dead_letters")}
        assert {name: check["status"] for name, check in found.items()} == dict.fromkeys(found, "degraded")
        assert found["lag"]["stores"][STORE] == "2 live ones wait in Events, the oldest for 5 min."
        assert found["parked"]["stores"][STORE] == "Events is parked (key_refused): 401"
        assert found["dead_letters"]["stores"][STORE] == "1 dead letters: invalid 1"
        await house.later(86_400)
        assert (await house.checks())["delivery.dead_letters"] == "healthy", "nobody wants to be told for ever"

    async def test_whose_queue_is_long_is_told_and_one_that_is_full_is_down(self, open_house: OpenHouse) -> None:
        async with open_house(max_waiting_events=5, backlog_alarm_events=3) as house:
            await _accept(house, 2)
            assert (await house.checks())["delivery.backlog"] == "healthy"
            await _accept(house, 1)
            await house.later()
            assert (await house.checks())["delivery.backlog"] == "degraded"
            await _accept(house, 2)
            await house.later()
            answer = await house.get("/health")
            assert (answer.status_code, answer.json()["status"]) == (503, "down")


class TestProcesses:
    async def test_without_anybody_who_delivers_are_down(self, house: House) -> None:
        assert (await house.checks())["worker.alive"] == "down"
        async with house.working():
            await house.later()
            assert (await house.checks())["worker.alive"] == "healthy"
        await house.later()
        assert (await house.checks())["worker.alive"] == "down", "who ends in good order is not believed in any longer"

    async def test_tell_of_scheduled_work_that_failed(self, house: House) -> None:
        now = house.clock.now()
        row = {"job": "retention.cleanup", "slot": now, "owner": "x", "tries": 1, "started_at": now, "expires_at": now}
        insert = scheduled_runs.insert().values(**row, finished_at=now, error="StorageUnavailable: disk full")
        await house.doors.wiring.database.write(lambda connection: connection.execute(insert))
        assert (await house.checks())["schedule.jobs"] == "degraded"

    @pytest.mark.parametrize(
        ("free", "holds_database", "level"),
        [(50e9, True, Level.HEALTHY), (1e9, True, Level.DEGRADED), (5e7, True, Level.DOWN), (5e7, False, Level.DEGRADED)],
    )
    def test_need_room_on_the_disk(self, free: float, holds_database: bool, level: Level) -> None:
        assert disk_check((100_000_000_000, int(free)), holds_database=holds_database).level is level


class TestReadiness:
    async def test_needs_schema_and_a_writable_database(self, house: House) -> None:
        answer = await house.get("/health/ready")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})

    async def test_needs_the_loop_of_a_worker_to_go_round(self, house: House) -> None:
        async with house.working():
            assert (await house.get("/health/ready")).status_code == 200
        await house.later(20)
        told = await house.get("/health/ready", Right.HEALTH_READ, store_id=None)
        assert (told.status_code, told.json()["reasons"]) == (503, ["The worker's loop stands still."])

    async def test_is_lost_with_the_database_and_so_is_health_but_not_life(self, house: House) -> None:
        wiring = house.doors.wiring
        gone: Any = _GoneDatabase(wiring.database)
        health = Health.build(
            wiring.settings,
            "x",
            Parts(gone, wiring.clock, wiring.connections, wiring.delivery, wiring.scheduler, wiring.sources, wiring.audit),
        )
        app = create_app(replace(wiring, health=health))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ADDRESS) as client:
            ready, whole, live = [await client.get(path) for path in ("/health/ready", "/health", "/health/live")]
        assert (ready.status_code, ready.json()) == (503, {"status": "not_ready"})
        assert (whole.status_code, whole.json()["status"]) == (503, "down")
        assert (live.status_code, live.json()) == (200, {"status": "live"})


async def _accept(house: House, count: int) -> list[str]:
    given = [event_from({"eventName": "Purchase", "email": f"p{n}@shop.test"}, house.clock.now()) for n in range(count)]
    receipts = await house.doors.wiring.events.accept(STORE, given, "api")
    return [receipt.event.id for receipt in receipts]


def _check(told: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in told["checks"] if check["name"] == name)


def _account(house: House) -> str:
    from klaviyo_sandbox.tenants import DEFAULT_KEY

    key = house.sandbox.tenants.find_key(DEFAULT_KEY)
    assert key
    return key.account_id


class _Unreachable(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no route to host", request=request)


class _Silent(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        raise httpx2.ReadTimeout("silence", request=request)


class _GoneDatabase:
    """A database whose server has gone away."""

    def __init__(self, behind: Any) -> None:
        self.exclusive, self.now = behind.exclusive, behind.now

    async def read(self, _work: Any) -> Any:
        raise StorageUnavailable("PostgreSQL is not available: OperationalError")

    write = read
