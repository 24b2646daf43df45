"""The routes of cleanup: the seed's members, ours beside them, and who may use them."""

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from tests.retention.conftest import Shop

pytestmark = pytest.mark.anyio


async def due_shop(shop: Shop) -> None:
    await shop.deliver(await shop.accept("a@shop.test", "b@shop.test"))
    await shop.accept("waits@shop.test")
    shop.age(9)
    await shop.deliver(await shop.accept("b@shop.test"))


class TestStatistics:
    async def test_have_the_seed_s_members_as_numbers(self, shop: Shop) -> None:
        await due_shop(shop)
        answer = await shop.doors.client.get("/cleanup/stats", headers=await shop.doors.token(Right.RETENTION_READ))
        assert answer.status_code == 200
        told = answer.json()
        seed = {
            name: told[name] for name in ("totalEvents", "eventsToDelete", "totalProfiles", "orphanedProfiles", "retentionDays")
        }
        assert seed == {"totalEvents": 4, "eventsToDelete": 2, "totalProfiles": 3, "orphanedProfiles": 0, "retentionDays": 7}
        assert (told["keptUndelivered"], told["cutoffDay"], told["lastRun"]) == (1, "2026-11-22", None)

    async def test_of_an_empty_store_are_zeros(self, shop: Shop) -> None:
        told = (await shop.doors.client.get("/cleanup/stats", headers=await shop.doors.token(Right.RETENTION_READ))).json()
        assert (told["totalEvents"], told["eventsToDelete"], told["totalProfiles"], told["orphanedProfiles"]) == (0, 0, 0, 0)


class TestManualCleanup:
    async def test_answers_200_with_what_was_deleted(self, shop: Shop) -> None:
        await due_shop(shop)
        token = await shop.doors.token(Right.RETENTION_READ, Right.RETENTION_MANAGE)
        answer = await shop.doors.client.post("/cleanup/manual", headers=token)
        assert answer.status_code == 200
        told = answer.json()
        assert (told["deletedEvents"], told["deletedProfiles"], told["keptUndelivered"], told["dryRun"]) == (2, 1, 1, False)
        again = (await shop.doors.client.post("/cleanup/manual", headers=token)).json()
        assert (again["deletedEvents"], again["deletedProfiles"]) == (0, 0)
        last = (await shop.doors.client.get("/cleanup/stats", headers=token)).json()["lastRun"]
        assert (last["id"], last["state"], last["trigger"], last["actor"]) == (again["runId"], "done", "manual", "test")

    async def test_as_a_dry_run_tells_the_same_and_deletes_nothing(self, shop: Shop) -> None:
        await due_shop(shop)
        token = await shop.doors.token(Right.RETENTION_MANAGE)
        would = (await shop.doors.client.post("/cleanup/manual?dryRun=true", headers=token)).json()
        assert (would["deletedEvents"], would["deletedProfiles"], would["dryRun"], would["runId"]) == (2, 1, True, None)
        done = (await shop.doors.client.post("/cleanup/manual", headers=token)).json()
        assert (done["deletedEvents"], done["deletedProfiles"]) == (2, 1)

    async def test_by_the_token_of_a_store_is_of_that_store_alone(self, shop: Shop) -> None:
        await shop.doors.wiring.connections.registry.create("other", "Other", actor=SYSTEM)
        await shop.deliver(await shop.accept("a@shop.test"))
        await shop.deliver(await shop.accept("a@shop.test", store="other"))
        shop.age(9)
        of_all = await shop.doors.token(Right.RETENTION_MANAGE, Right.RETENTION_READ, store_id=None)
        assert (await shop.doors.client.get("/cleanup/stats", headers=of_all)).json()["eventsToDelete"] == 2
        of_one = await shop.doors.token(Right.RETENTION_MANAGE)
        assert (await shop.doors.client.post("/cleanup/manual", headers=of_one)).json()["deletedEvents"] == 1
        forbidden = await shop.doors.client.post("/cleanup/manual?store=other", headers=of_one)
        assert forbidden.status_code == 403
        named = of_all | {"Ferrata-Store": "other"}
        assert (await shop.doors.client.post("/cleanup/manual", headers=named)).json()["deletedEvents"] == 1

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/cleanup/stats"), ("POST", "/cleanup/manual"), ("GET", "/cleanup/runs")]
    )
    async def test_needs_a_right(self, shop: Shop, method: str, path: str) -> None:
        assert (await shop.doors.client.request(method, path)).status_code == 401
        weak = await shop.doors.token(Right.EVENTS_READ)
        assert (await shop.doors.client.request(method, path, headers=weak)).status_code == 403


class TestHistory:
    async def test_is_told_in_pages_newest_first(self, shop: Shop) -> None:
        token = await shop.doors.token(Right.RETENTION_READ, Right.RETENTION_MANAGE)
        made = [(await shop.doors.client.post("/cleanup/manual", headers=token)).json()["runId"] for _ in range(5)]
        first = await shop.doors.client.get("/cleanup/runs?limit=3", headers=token)
        link = first.headers["link"].split(">")[0].strip("<")
        second = await shop.doors.client.get(link, headers=token)
        seen = [run["id"] for page in (first, second) for run in page.json()["runs"]]
        assert seen == made[::-1]
        assert second.json()["nextCursor"] is None

    async def test_of_one_store_holds_nothing_of_another(self, shop: Shop) -> None:
        await shop.doors.wiring.connections.registry.create("other", "Other", actor=SYSTEM)
        other = await shop.doors.token(Right.RETENTION_READ, Right.RETENTION_MANAGE, store_id="other")
        await shop.doors.client.post("/cleanup/manual", headers=other)
        mine = await shop.doors.token(Right.RETENTION_READ)
        assert (await shop.doors.client.get("/cleanup/runs", headers=mine)).json()["runs"] == []
