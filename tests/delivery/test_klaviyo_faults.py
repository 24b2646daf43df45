"""What becomes of events while Klaviyo misbehaves: nothing lost, nothing doubled, and each fault met by its own rule."""

from collections import Counter

import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.connections.schemas import Status
from ferrata.delivery import lane, schedule
from ferrata.delivery.schemas import Family, Filter, State
from klaviyo_sandbox.fault_presets import Effect, Poison
from klaviyo_sandbox.faults import Conditions, Rule
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT, DEFAULT_KEY
from tests.delivery.conftest import STORE, event

pytestmark = pytest.mark.anyio

BULK = Conditions(path="/api/event-bulk-create-jobs")
SINGLE = Conditions(path="/api/events")


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same schedule, a tenth as long: what is tested is what happens, not how long it takes."""
    monkeypatch.setattr(schedule, "FIRST_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(schedule, "FIRST_PROBE_SECONDS", 0.3)
    monkeypatch.setattr(schedule, "LONGEST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(lane, "POLL_SECONDS", 0.2)


def bulk_requests(desk):
    return [r for r in desk.sandbox.journal.requests if "bulk-create" in r.path]


class TestPassingFaults:
    @pytest.mark.parametrize(
        "effect",
        ["server_error", "html_502", "html_504", "cloudflare_520", "cloudflare_challenge", "garbage", "unavailable", "exec_500",
         "exec_503", "exec_reset", "reset_before_read", "reset_before", "throttled", "throttled_date", "throttled_garbage",
         "throttled_negative", "throttled_silent", "crlf_header", "huge_header"],
    )  # fmt: skip
    @pytest.mark.parametrize("many", [False, True], ids=["single", "bulk"])
    async def test_two_of_them_delay_an_event_and_no_more(self, open_desk, effect, many):
        items = [event(number) for number in range(60 if many else 1)]
        async with open_desk(work=False) as desk:
            await desk.put(items)
            desk.sandbox.faults.add(Rule(effect, times=2))
        async with open_desk() as desk:
            states = await desk.settled([item.id for item in items])
            assert set(states.values()) == {State.DELIVERED}
            assert Counter(desk.unique_ids()) == Counter(item.unique_id for item in items)
            assert desk.sandbox.faults.summaries()[0]["hits"] == 2

    @pytest.mark.parametrize("effect", ["exec_html", "truncated"])
    async def test_a_2xx_counts_whatever_its_body(self, open_desk, effect):
        async with open_desk() as desk:
            desk.sandbox.faults.add(Rule(effect))
            await desk.settled(await desk.put([event(1)]))
            assert len(desk.sandbox.journal.requests) == 1

    @pytest.mark.parametrize("dedupe", ["in_request", "strict", "silent"])
    async def test_a_batch_is_resent_byte_identical_in_every_reading_of_dedupe(self, open_desk, dedupe):
        items = [event(number) for number in range(300)]
        async with open_desk(work=False) as desk:
            await desk.put(items)
            desk.sandbox.switch(dedupe=dedupe)
            desk.sandbox.faults.add(Rule("exec_500", match=BULK, times=1))
        async with open_desk() as desk:
            states = await desk.settled([item.id for item in items])
            assert set(states.values()) == {State.DELIVERED}
            assert Counter(desk.unique_ids()) == Counter(item.unique_id for item in items)
            assert len({r.body_sha256 for r in bulk_requests(desk)[:2]}) == 1


class TestPoison:
    @pytest.mark.parametrize("bad", [(7,), (0, 1, 2, 50, 51, 98, 99), tuple(range(99))], ids=["one", "seven", "all but one"])
    async def test_named_by_pointer_costs_one_more_request(self, open_desk, bad):
        items = [event(number, note="poison" if number in bad else "fine") for number in range(100)]
        async with open_desk(work=False) as desk:
            await desk.put(items)
            desk.sandbox.faults.add(Rule(Effect(poison=Poison("poison"))))
            desk.sandbox.faults.add(Rule(Effect(status=503), match=SINGLE))  # so that all of it goes in bulk
        async with open_desk() as desk:
            await desk.until(lambda: len(bulk_requests(desk)) >= 2)
            desk.sandbox.faults.remove(2)
            states = await desk.settled([item.id for item in items])
            assert {number for number, item in enumerate(items) if states[item.id] is State.DEAD} == set(bad)
            assert sorted(desk.unique_ids()) == sorted(item.unique_id for n, item in enumerate(items) if n not in bad)
            assert len(bulk_requests(desk)) == 2

    async def test_unnamed_is_found_by_halving(self, open_desk):
        items = [event(number, note="poison" if number == 613 else "fine") for number in range(1000)]
        async with open_desk(work=False) as desk:
            await desk.put(items)
            desk.sandbox.faults.add(Rule(Effect(poison=Poison("poison", pointers=False)), match=BULK))
        async with open_desk() as desk:
            states = await desk.settled([item.id for item in items], 60)
            assert [n for n, item in enumerate(items) if states[item.id] is State.DEAD] == [613]
            assert Counter(desk.unique_ids()) == Counter(item.unique_id for n, item in enumerate(items) if n != 613)
            assert len(bulk_requests(desk)) - 1 <= 20

    async def test_a_refused_event_lies_dead_with_klaviyos_reason_and_can_be_replayed(self, open_desk):
        async with open_desk() as desk:
            rule = desk.sandbox.faults.add(Rule(Effect(poison=Poison("poison"))))
            items = [event(1, note="poison"), event(2)]
            assert (await desk.settled(await desk.put(items)))[items[0].id] is State.DEAD
            (letter,) = await desk.dead()
            assert letter.reason_pointer and letter.reason_detail
            (group,) = await desk.service.dead_groups(STORE)
            assert group.count == 1
            assert (await desk.service.replay(Filter(STORE), dry_run=True)).count == 1
            assert len(await desk.dead()) == 1
            desk.sandbox.faults.remove(rule.id)
            assert (await desk.service.replay(Filter(STORE), dry_run=False)).count == 1
            await desk.settled([items[0].id])
            assert sorted(desk.unique_ids()) == ["event-1", "event-2"]

    async def test_an_event_given_up_stays_in_the_books(self, open_desk):
        async with open_desk() as desk:
            desk.sandbox.faults.add(Rule(Effect(poison=Poison("poison"))))
            await desk.settled(await desk.put([event(1, note="poison"), event(2)]))
            await desk.service.discard(Filter(STORE), dry_run=False)
            totals = await desk.service.totals(STORE)
            assert (totals.delivered, totals.dead, totals.discarded, totals.waiting) == (1, 0, 1, 0)


class TestCredentials:
    @pytest.mark.parametrize(
        ("effect", "code"), [("revoked", "key_refused"), ("lost_scope", "scope_missing"), ("revision_retired", "endpoint_gone"),
                             ("method_gone", "endpoint_gone"), ("redirect", "redirected")],
    )  # fmt: skip
    async def test_a_lane_parks_keeps_everything_and_drains_when_mended(self, open_desk, effect, code):
        async with open_desk() as desk:
            rule = desk.sandbox.faults.add(Rule(effect))
            ids = await desk.put([event(number) for number in range(3)])

            async def parked():
                return (await desk.service.lanes(STORE))[0].parked_code

            assert await desk.until(parked) == code
            assert await desk.dead() == []
            asked = len(desk.sandbox.journal.requests)
            desk.sandbox.faults.remove(rule.id)
            assert await desk.service.probe(STORE, Family.EVENTS) == 1
            assert set((await desk.settled(ids)).values()) == {State.DELIVERED}
            assert asked <= 5
            assert await parked() is None

    async def test_a_key_that_delivers_is_no_longer_shown_as_refused(self, open_desk):
        async with open_desk() as desk:
            desk.sandbox.tenants.revoke_key(DEFAULT_KEY)
            ids = await desk.put([event(1)])

            async def parked():
                return (await desk.service.lanes(STORE))[0].parked_code

            async def shown():
                return (await desk.connections.connection(STORE)).status

            async def shown_as_good():
                return await shown() is Status.CONNECTED

            assert await desk.until(parked) == "key_refused"
            assert (await desk.connections.test(STORE, actor=SYSTEM)).status is Status.ERROR
            desk.sandbox.tenants.revoke_key(DEFAULT_KEY, revoked=False)
            await desk.service.probe(STORE, Family.EVENTS)
            await desk.settled(ids)
            await desk.settled(await desk.put([event(2)]))
            await desk.until(shown_as_good)

    async def test_a_new_key_opens_the_lane(self, open_desk):
        async with open_desk() as desk:
            desk.sandbox.tenants.revoke_key(DEFAULT_KEY)
            ids = await desk.put([event(1)])

            async def parked():
                return (await desk.service.lanes(STORE))[0].parked_code

            await desk.until(parked)
            desk.sandbox.tenants.add_key("pk_another_key", DEFAULT_ACCOUNT)
            await desk.connections.set_private_key(STORE, "pk_another_key", actor=SYSTEM, test=False)
            assert set((await desk.settled(ids)).values()) == {State.DELIVERED}

    async def test_without_a_connection_events_wait_and_the_lane_says_so(self, open_desk):
        async with open_desk(key=None) as desk:
            ids = await desk.put([event(1)])
            (lane_,) = await desk.service.lanes(STORE)
            assert (lane_.parked_code, lane_.waiting) == ("not_connected", 1)
            await desk.connections.set_private_key(STORE, DEFAULT_KEY, actor=SYSTEM, test=False)
            await desk.settled(ids)


class TestRestart:
    async def test_a_daily_limit_is_remembered_over_a_restart(self, open_desk):
        async with open_desk() as desk:
            desk.sandbox.faults.add(Rule("throttled_daily", match=SINGLE))
            await desk.put([event(1)])
            await desk.until(lambda: len(desk.sandbox.journal.requests) == 1)
        async with open_desk() as desk:
            await desk.put([event(2)])
            await desk.clock.sleep(1.0)
            assert len(desk.sandbox.journal.requests) == 1

    async def test_two_workers_share_one_account_without_doubling_or_throttling(self, open_desk, database_url):
        if database_url.startswith("sqlite"):
            pytest.skip("several workers share one database only on PostgreSQL")
        items = [event(number) for number in range(2000)]
        async with open_desk(name="first") as first, open_desk(name="second", key=None):
            await first.put(items)
            await first.settled([item.id for item in items], 60)
            assert Counter(first.unique_ids()) == Counter(item.unique_id for item in items)
            assert not [r for r in first.sandbox.journal.requests if r.status == 429]
