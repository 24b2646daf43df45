"""The pure rules of delivery as tables of cases: what follows from an answer, when to try again, what goes next."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrata.delivery import schedule
from ferrata.delivery.account import Account
from ferrata.delivery.backlog import CALM, Room, choose, stand_behind
from ferrata.delivery.breaker import Breaker
from ferrata.delivery.families import FAMILIES, Part
from ferrata.delivery.jobs import judge_job
from ferrata.delivery.outbox import HISTORY, LIVE, Waiting
from ferrata.delivery.request import Item, Job, bulk
from ferrata.delivery.schemas import Family
from ferrata.delivery.verdict import Action, Case, judge
from ferrata.infra.leases import Lease
from ferrata.kit.clock import MovedClock
from ferrata.klaviyo.outcome import Executed, Kind, Outcome, Problem

EVENTS = FAMILIES[Family.EVENTS]
NOW = datetime(2026, 11, 20, tzinfo=UTC)
SINGLE, BULK = Case(1, bulk=False), Case(10, bulk=True)
UNCERTAIN = Case(10, bulk=True, uncertain=True)


def outcome(kind: Kind, *problems: Problem, status: int = 400, executed: Executed = Executed.NO) -> Outcome:
    return Outcome(kind, "POST /api/events", executed, status, "what Klaviyo said", problems, retry_after_seconds=7.0)


def item(position: int, field: str = "profile/data/attributes/email") -> Problem:
    return Problem(
        code="invalid", detail="bad", pointer=f"/data/attributes/events-bulk-create/data/{position}/attributes/{field}"
    )


def repeated(*positions: int) -> tuple[Problem, ...]:
    return tuple(item(position, "events/data/0/attributes/unique_id") for position in positions)


UNNAMED = Problem(code="invalid", detail="Invalid input.", pointer="/data")


class TestVerdict:
    @pytest.mark.parametrize(
        ("answer", "case", "action"),
        [
            (outcome(Kind.ACCEPTED, status=202), SINGLE, Action.DELIVERED),
            (outcome(Kind.ACCEPTED, status=202), BULK, Action.DELIVERED),
            (outcome(Kind.REJECTED, UNNAMED), SINGLE, Action.DEAD),
            (outcome(Kind.DUPLICATE_PROFILE, status=409), SINGLE, Action.DEAD),
            (outcome(Kind.TOO_LARGE, status=413), SINGLE, Action.DEAD),
            (outcome(Kind.TOO_LARGE, status=413), BULK, Action.HALVE),
            (outcome(Kind.REJECTED, item(3)), BULK, Action.SEPARATE),
            (outcome(Kind.REJECTED, item(3), UNNAMED), BULK, Action.SEPARATE),
            (outcome(Kind.REJECTED, UNNAMED), BULK, Action.HALVE),
            (outcome(Kind.REJECTED), BULK, Action.HALVE),
            (outcome(Kind.REJECTED, item(99)), BULK, Action.HALVE),
            (outcome(Kind.REJECTED, UNNAMED), Case(1, bulk=True), Action.DEAD),
            (outcome(Kind.REJECTED, *repeated(0)), UNCERTAIN, Action.ALONE),
            (outcome(Kind.REJECTED, *repeated(*range(10))), UNCERTAIN, Action.DELIVERED),
            (outcome(Kind.REJECTED, Problem(detail="unique_id was repeated")), UNCERTAIN, Action.ALONE),
            (outcome(Kind.REJECTED, item(3), *repeated(4)), BULK, Action.SEPARATE),
            (outcome(Kind.REJECTED, UNNAMED, *repeated(4)), BULK, Action.ALONE),
            (outcome(Kind.REJECTED, UNNAMED), Case(10, bulk=True, one_person=True), Action.ALONE),
            (outcome(Kind.TOO_LARGE, status=413), Case(10, bulk=True, one_person=True), Action.ALONE),
            (outcome(Kind.REJECTED, *repeated(1, 2)), UNCERTAIN, Action.ALONE),
            (outcome(Kind.REJECTED, *repeated(0)), BULK, Action.ALONE),
            (outcome(Kind.CREDENTIAL, status=401), BULK, Action.PARK),
            (outcome(Kind.SCOPE, status=403), SINGLE, Action.PARK),
            (outcome(Kind.GONE, status=410), SINGLE, Action.PARK),
            (outcome(Kind.NOT_FOUND, status=404), SINGLE, Action.PARK),
            (outcome(Kind.NOT_UNDERSTOOD, status=415), SINGLE, Action.PARK),
            (outcome(Kind.REDIRECTED, status=307), SINGLE, Action.PARK),
            (outcome(Kind.UNTRUSTED), SINGLE, Action.PARK),
            (outcome(Kind.THROTTLED, status=429), SINGLE, Action.THROTTLE),
            (outcome(Kind.UPSTREAM, status=500), SINGLE, Action.RETRY),
            (outcome(Kind.TRANSIENT_NOT_SENT), BULK, Action.RETRY),
            (outcome(Kind.TRANSIENT_UNKNOWN), BULK, Action.RETRY),
            (outcome(Kind.UPSTREAM), Case(10, bulk=True, failures=4, others_succeed=True), Action.ALONE),
            (outcome(Kind.UPSTREAM), Case(10, bulk=True, failures=4), Action.RETRY),
            (outcome(Kind.UPSTREAM), Case(1, bulk=False, failures=400), Action.RETRY),
            (outcome(Kind.UPSTREAM), Case(1, bulk=False, expired=True), Action.DEAD),
            (outcome(Kind.UPSTREAM), Case(10, bulk=True, expired=True), Action.ALONE),
            (outcome(Kind.CREDENTIAL, status=401), Case(1, bulk=False, expired=True), Action.PARK),
        ],
    )
    def test_what_follows_from_an_answer(self, answer: Outcome, case: Case, action: Action):
        assert judge(answer, case, EVENTS).action is action

    def test_only_the_payloads_own_fault_or_its_age_kills(self):
        own_fault = {Kind.REJECTED, Kind.DUPLICATE_PROFILE, Kind.TOO_LARGE}
        for kind in Kind:
            for case in (SINGLE, BULK, UNCERTAIN):
                verdict = judge(outcome(kind), case, EVENTS)
                assert kind in own_fault or (verdict.action is not Action.DEAD and not verdict.dead)

    def test_a_dead_item_keeps_klaviyos_reason_as_if_it_had_been_sent_alone(self):
        verdict = judge(outcome(Kind.REJECTED, item(3), item(3, "x"), item(5, "events/data/0/attributes/time")), BULK, EVENTS)
        assert {position: reason.pointer for position, reason in verdict.dead.items()} == {
            3: "/data/attributes/profile/data/attributes/email",
            5: "/data/attributes/time",
        }

    def test_what_klaviyo_has_already_is_not_dead_beside_what_it_refuses(self):
        assert set(judge(outcome(Kind.REJECTED, item(3), *repeated(4, 5)), BULK, EVENTS).dead) == {3}

    def test_an_attempt_of_unknown_outcome_leaves_a_doubt(self):
        assert judge(outcome(Kind.TRANSIENT_UNKNOWN, executed=Executed.UNKNOWN), BULK, EVENTS).uncertain
        assert not judge(outcome(Kind.TRANSIENT_NOT_SENT), BULK, EVENTS).uncertain


class TestSchedule:
    @given(st.integers(1, 10_000), st.floats(0, 0.999))
    def test_retries_grow_to_five_minutes_and_never_stop(self, failures: int, chance: float):
        delay = schedule.retry_delay(failures, lambda: chance)
        assert 0.5 <= delay <= 300
        assert delay <= 2**failures

    def test_the_breaker_opens_after_five_failures_in_a_row_and_closes_with_a_success(self):
        breaker = Breaker(lambda: 1.0)
        assert [breaker.failed(0.0, "down") for _ in range(5)] == [None, None, None, None, 1.0]
        assert breaker.failed(0.5, "was under way") is None
        assert breaker.wait_seconds(0.5, 0) == 0.5
        assert breaker.wait_seconds(1.0, 0) == 0.0
        assert breaker.wait_seconds(1.0, 1) > 0  # half open: one at a time
        assert breaker.failed(1.0, "still down") == 2.0
        assert breaker.succeeded()
        assert breaker.wait_seconds(1.0, 5) == 0.0

    @pytest.mark.parametrize(
        ("asked", "low", "high"), [(3.0, 3.0, 3.25), (67_608.0, 67_608.0, 67_609.0), (None, 0.75, 1.0), (-5.0, 0.75, 1.0)]
    )
    def test_retry_after_is_obeyed_and_nonsense_is_not(self, asked, low, high):
        assert low <= schedule.throttle_delay(asked, 0, lambda: 0.5) <= high

    def test_throttling_without_a_word_doubles_to_a_minute(self):
        assert [schedule.throttle_delay(None, count, lambda: 1.0) for count in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]

    def test_probes_of_a_parked_lane_are_at_most_two_a_minute(self):
        assert [schedule.probe_delay(probes) for probes in range(7)] == [30, 60, 120, 240, 480, 900, 900]


deliveries = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([LIVE, HISTORY]), st.integers(1, 3_000_000), st.booleans()), max_size=80
)


ROOM = (st.booleans(), st.integers(0, 40), st.integers(0, 16), st.booleans(), st.integers(0, 20), st.integers(0, CALM))


def waiting_orders(orders: int, *, lines: int = 3) -> list[Waiting]:
    """Of each order's person: the order, then its lines, all live."""
    rows = [(order, line) for order in range(orders) for line in range(1 + lines)]
    return [Waiting(f"{order:04d}-{line}", LIVE, f"p{order}", 500, False) for order, line in rows]


class TestBacklog:
    @given(deliveries, st.builds(Room, *ROOM), st.sets(st.integers(0, 5)), st.sets(st.integers(0, 79)))
    def test_nobodys_events_overtake_each_other(self, rows, room, busy, behind):
        waiting = sorted(
            (Waiting(f"{n:04d}", priority, f"p{person}", size, alone) for n, (person, priority, size, alone) in enumerate(rows)),
            key=lambda each: (each.priority, each.id),
        )
        held = {f"p{person}" for person in busy}
        choice = choose(waiting, held, room, EVENTS, behind={f"{n:04d}" for n in behind})
        chosen = {*choice.bulk, *choice.alone}
        by_id = {each.id: each for each in waiting}
        assert not set(choice.bulk) & set(choice.alone)
        assert len(choice.bulk) <= 1000
        assert sum(EVENTS.bulk_bytes(by_id[id_].size) for id_ in choice.bulk) <= EVENTS.most_bytes
        assert not any(by_id[id_].alone for id_ in choice.bulk)
        for each in waiting:
            if each.id in chosen:
                assert each.person not in held
            else:
                held.add(each.person)  # from here on, of this person nothing may go

    def test_a_few_go_alone_and_many_in_bulk(self):
        few = [Waiting(f"{n:04d}", LIVE, f"p{n}", 500, False) for n in range(CALM)]
        assert choose(few, (), Room(True, 40, 16), EVENTS).bulk == ()
        many = [Waiting(f"{n:04d}", HISTORY, f"p{n}", 500, False) for n in range(1016)]
        choice = choose(many, (), Room(True, 40, 16), EVENTS)
        assert (len(choice.bulk), len(choice.alone)) == (1000, 16)

    def test_the_first_of_a_few_persons_go_alone_and_the_job_takes_what_stood_behind_them(self):
        room, seen = Room(True, 40, 16, soon=True, first=20), waiting_orders(10)
        choice = choose(seen, (), room, EVENTS)
        assert choice.alone == tuple(f"{order:04d}-0" for order in range(10))
        assert choice.bulk == ()
        behind = stand_behind(seen, set(), set())
        lines = [each for each in seen if each.id not in choice.alone]
        assert behind == {each.id for each in lines}
        answered = {"p0", "p1"}
        then = choose(lines, {each.person for each in lines} - answered, room, EVENTS, behind=behind)
        assert then.bulk == tuple(each.id for each in lines if each.person in answered)
        assert then.alone == ()

    def test_what_stood_behind_another_waits_for_the_job_that_goes_soon(self):
        lines = [each for each in waiting_orders(10) if not each.id.endswith("-0")]
        behind = {each.id for each in lines}
        assert choose(lines, (), Room(False, 40, 16, soon=True, first=20), EVENTS, behind=behind).alone == ()
        assert len(choose(lines, (), Room(False, 40, 16), EVENTS, behind=behind).alone) == 10

    def test_many_persons_wait_for_the_job_with_all_that_is_theirs(self):
        choice = choose(waiting_orders(CALM + 1), (), Room(True, 40, 16, soon=True, first=20), EVENTS)
        assert (len(choice.bulk), choice.alone) == (4 * (CALM + 1), ())

    def test_a_live_one_among_history_goes_alone_beside_the_job(self):
        history = [Waiting(f"{n:04d}", HISTORY, f"p{n}", 500, False) for n in range(100)]
        live = Waiting("9999", LIVE, "somebody", 500, False)
        choice = choose([live, *history], (), Room(True, 40, 0, soon=True, first=20), EVENTS)
        assert (choice.alone, len(choice.bulk)) == (("9999",), 100)

    def test_where_calls_are_scarce_a_few_are_a_backlog(self):
        seen = waiting_orders(2)
        room = Room(True, 40, 16, soon=True, first=20, calm=4)
        assert choose(seen, (), room, EVENTS).alone == ("0000-0", "0001-0")
        lines = [each for each in seen if not each.id.endswith("-0")]
        choice = choose(lines, (), room, EVENTS, behind={each.id for each in lines})
        assert (len(choice.bulk), choice.alone) == (6, ())


class TestAnAccount:
    def test_calls_are_scarce_once_half_of_a_minute_is_used(self):
        account = Account(Lease("quota", "worker", 1), MovedClock(NOW), lambda: 0.5)
        account.limiter.seed("POST /api/events", [1.0] * 1_749)
        assert not account.is_scarce("POST /api/events")
        account.limiter.seed("POST /api/events", [1.0])
        assert account.is_scarce("POST /api/events")


class TestAJob:
    def test_that_never_ends_is_asked_about_ever_less_often_and_then_sent_alone(self) -> None:
        queued = Outcome(Kind.ACCEPTED, "GET", Executed.YES, 200, "", body=b'{"data": {"attributes": {"status": "queued"}}}')
        job, waits = Job("j"), []
        while (verdict := judge_job(queued, job, BULK, FAMILIES[Family.PROFILES])).action is Action.FOLLOW:
            assert verdict.job
            job = verdict.job
            waits.append(verdict.retry_after_seconds or 0.0)
        assert waits[:4] == [0.5, 1.0, 2.0, 3.0]
        assert max(waits) == waits[-1] == 10.0
        assert verdict.action is Action.ALONE
        assert timedelta(hours=5) < timedelta(seconds=sum(waits)) < timedelta(hours=6)


class TestHalves:
    @given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
    def test_nobody_is_in_both_and_each_keeps_the_order(self, persons):
        items = tuple(Item(f"{n:04d}", f"p{person}", True, NOW, Part("{}", "{}")) for n, person in enumerate(persons))
        halves = bulk(EVENTS, items, "batch").halves()
        assert len(halves) == min(2, len(set(persons)))
        assert sorted(item.id for half in halves for item in half) == [item.id for item in items]
        assert all([item.id for item in half] == sorted(item.id for item in half) for half in halves)
        assert sum(len({item.person for item in half}) for half in halves) == len(set(persons))

    @given(st.integers(2, 1000))
    def test_of_many_persons_they_are_equal(self, count):
        items = tuple(Item(f"{n:04d}", f"p{n}", True, NOW, Part("{}", "{}")) for n in range(count))
        first, second = bulk(EVENTS, items, "batch").halves()
        assert abs(len(first) - len(second)) <= 1


class TestBodies:
    def test_bodies_hold_the_frozen_texts_byte_for_byte(self):
        part = Part(
            '{"properties":{"price": 1.10, "n": 12345678901234567890},"unique_id":"a"}',
            '{"type":"profile","attributes":{"email":"ä@b.de"}}',
        )
        single, bulk = EVENTS.single_body(part), EVENTS.bulk_body([part, part])
        assert part.subject_json[1:-1].encode() in single
        assert bulk.count(part.subject_json.encode()) == bulk.count(part.profile_json.encode()) == 2
        assert json.loads(single)["data"]["attributes"]["profile"]["data"]["attributes"]["email"] == "ä@b.de"
        size = len(part.subject_json.encode()) + len(part.profile_json.encode())
        assert len(EVENTS.bulk_body([part] * 7)) <= 7 * EVENTS.bulk_bytes(size) + (5_000_000 - EVENTS.most_bytes)
