"""The limiter against true fixed windows in virtual time, and its memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from ferrata.klaviyo import Limiter, find_operation

from .windows_service import START, FixedWindows, Neighbour, Sender, VirtualTime

BULK = "POST /api/event-bulk-create-jobs"
SINGLE = "POST /api/events"


class Scene:
    """A service, a limiter and a sender that never runs out of work."""

    def __init__(self, operation: str, seed: int, *, announces: bool = True) -> None:
        self.random, self.time = Random(seed), VirtualTime()
        published = find_operation(operation)
        assert published is not None
        self.service = FixedWindows(self.time, self.random, dict(published.windows), announces)
        self.limiter = self.new_limiter()
        self.sender = Sender(self.time, self.service, self.limiter, operation, self.random, most_under_way=64)

    def new_limiter(self) -> Limiter:
        return Limiter(clock=lambda: self.time.now)

    def run(self, until_seconds: float) -> None:
        self.time.run_until(START + until_seconds)

    def count(self, moments: list[float], since: float, until: float = 1e9) -> int:
        return sum(1 for moment in moments if START + since < moment <= START + until)


class TestAlone:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize(
        ("operation", "per_minute"),
        [(BULK, 150), (SINGLE, 3500), ("GET /api/accounts", 15), ("GET /api/flows", 60)],
    )
    def test_uses_nearly_all_of_the_quota_and_is_never_refused(self, operation: str, per_minute: int, seed: int) -> None:
        scene = Scene(operation, seed)
        scene.sender.start()
        scene.run(300)
        assert scene.sender.refused == []
        assert scene.count(scene.sender.accepted, 60) >= 0.97 * per_minute * 4

    def test_sends_a_small_burst_at_once_when_calm(self) -> None:
        scene = Scene(BULK, 1)
        sent = 0
        while scene.limiter.wait_seconds(BULK) == 0:
            scene.limiter.take(BULK)
            sent += 1
        assert 5 <= sent < 10

    def test_keeps_to_a_daily_cap(self) -> None:
        scene = Scene("POST /api/campaign-values-reports", 3)
        scene.sender.start()
        scene.run(20 * 3600)
        assert len(scene.sender.accepted) == 225
        assert scene.sender.refused == []
        assert scene.limiter.wait_seconds("POST /api/campaign-values-reports") > 3600


class TestBesideANeighbour:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("per_second", [0.3, 1.0, 1.5])
    def test_yields_and_is_then_hardly_ever_refused(self, per_second: float, seed: int) -> None:
        scene = Scene(BULK, seed)
        Neighbour(scene.time, scene.service, scene.random, per_second).start()
        scene.sender.start()
        scene.run(3600)
        accepted, refused = scene.count(scene.sender.accepted, 60), scene.count(scene.sender.refused, 60)
        left = (150 - per_second * 60) * 59
        assert refused <= 0.005 * accepted
        assert accepted >= 0.8 * left

    def test_takes_the_whole_quota_back_when_the_neighbour_is_gone(self) -> None:
        scene = Scene(BULK, 5)
        neighbour = Neighbour(scene.time, scene.service, scene.random, 1.0)
        neighbour.start()
        scene.sender.start()
        scene.run(300)
        neighbour.per_second = 1e-6
        scene.run(2400)
        assert scene.count(scene.sender.accepted, 2100, 2400) >= 0.97 * 150 * 5


class TestQuotaChangedAtRunTime:
    @pytest.mark.parametrize("announces", [True, False])
    def test_converges_within_a_minute_when_halved(self, announces: bool) -> None:
        scene = Scene(BULK, 7, announces=announces)
        scene.sender.start()
        scene.run(120)
        scene.service.limits.update({1.0: 5, 60.0: 75})
        scene.run(780)
        accepted = scene.count(scene.sender.accepted, 180)
        assert scene.count(scene.sender.refused, 180) <= 0.01 * accepted
        assert accepted >= 0.75 * 75 * 10

    def test_uses_more_as_soon_as_more_is_announced(self) -> None:
        scene = Scene(BULK, 8)
        scene.sender.start()
        scene.run(120)
        scene.service.limits.update({1.0: 20, 60.0: 300})
        scene.run(360)
        assert scene.sender.refused == []
        assert scene.count(scene.sender.accepted, 180) >= 0.97 * 300 * 3

    def test_learns_a_window_that_the_table_does_not_know(self) -> None:
        scene = Scene(BULK, 9)
        scene.limiter.take(BULK)
        scene.limiter.observe(BULK, 202, {"ratelimit-limit": "10, 10;w=1, 150;w=60, 3;w=3600"})
        for _ in range(2):
            scene.time.now += 30
            scene.limiter.take(BULK)
            scene.limiter.observe(BULK, 202, {})
        scene.time.now += 120
        scene.limiter.take(BULK)
        scene.limiter.observe(BULK, 202, {})
        assert scene.limiter.wait_seconds(BULK) > 3000

    @pytest.mark.parametrize("value", ["", "garbage", "10;w=0", "0;w=60", "9" * 5000, "75, 75;w=1\r\nx: y", ";;w=,,"])
    def test_is_not_moved_by_nonsense(self, value: str) -> None:
        scene = Scene(BULK, 9)
        scene.limiter.take(BULK)
        scene.limiter.observe(BULK, 202, {"RateLimit-Limit": value})
        assert [(w.period_seconds, w.allowed) for w in scene.limiter.usage(BULK).windows] == [(1.0, 10), (60.0, 150)]


class TestRetryAfter:
    def refuse(self, scene: Scene, headers: dict[str, str]) -> float:
        scene.limiter.take(BULK)
        scene.limiter.observe(BULK, 429, headers)
        return scene.limiter.wait_seconds(BULK)

    def test_blocks_that_operation_and_no_other(self) -> None:
        scene = Scene(BULK, 1)
        assert self.refuse(scene, {"Retry-After": "67608"}) == pytest.approx(67608)
        assert scene.limiter.wait_seconds(SINGLE) == 0
        assert scene.limiter.usage(BULK).blocked_seconds == pytest.approx(67608)

    def test_may_be_a_date(self) -> None:
        wall = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
        limiter = Limiter(clock=lambda: START, now=lambda: wall)
        limiter.take(BULK)
        limiter.observe(BULK, 429, {"retry-after": "Fri, 20 Nov 2026 07:00:42 GMT"})
        assert limiter.wait_seconds(BULK) == pytest.approx(42)
        assert wall + timedelta(seconds=42) == datetime(2026, 11, 20, 7, 0, 42, tzinfo=UTC)

    def test_that_is_a_date_costs_no_hours_where_our_clock_is_wrong_by_hours(self) -> None:
        limiter = Limiter(clock=lambda: START, now=lambda: datetime(2026, 11, 20, 5, 0, tzinfo=UTC))
        limiter.take(BULK)
        answered = {"Date": "Fri, 20 Nov 2026 07:00:00 GMT", "Retry-After": "Fri, 20 Nov 2026 07:00:42 GMT"}
        limiter.observe(BULK, 429, answered)
        assert limiter.wait_seconds(BULK) == pytest.approx(42)

    def test_backs_off_by_doubling_when_it_is_missing_or_garbage(self) -> None:
        scene, waits = Scene(BULK, 1), []
        for value in ("soon", "-5", "", "NaN", "x", "1e5", "0x10", "٣"):
            waits.append(self.refuse(scene, {"Retry-After": value} if value else {}))
            scene.time.now += waits[-1]
        assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])

    def test_ends_by_itself(self) -> None:
        scene = Scene(BULK, 1)
        self.refuse(scene, {"Retry-After": "30"})
        scene.time.now += 30.001
        assert scene.limiter.wait_seconds(BULK) == 0


class TestANewOwner:
    def test_seeded_with_past_sends_is_not_refused(self) -> None:
        scene = Scene(BULK, 4)
        scene.sender.start()
        scene.run(30)
        scene.sender.most_under_way = 0
        scene.run(33)
        heir = scene.new_limiter()
        heir.seed(BULK, [scene.time.now - moment for moment in scene.sender.accepted])
        second = Sender(scene.time, scene.service, heir, BULK, scene.random)
        second.start()
        scene.run(300)
        assert second.refused == []
        assert len(second.accepted) >= 0.97 * 150 * 4

    def test_restores_a_snapshot_that_went_through_json(self) -> None:
        scene = Scene(BULK, 4)
        scene.sender.start()
        scene.run(30)
        scene.limiter.take(SINGLE)
        scene.limiter.observe(SINGLE, 429, {"retry-after": "600"})
        state = json.loads(json.dumps(scene.limiter.snapshot()))
        scene.sender.most_under_way = 0
        scene.run(40)
        heir = scene.new_limiter()
        heir.restore(state, elapsed_seconds=10)
        assert heir.wait_seconds(SINGLE) == pytest.approx(590)
        second = Sender(scene.time, scene.service, heir, BULK, scene.random)
        second.start()
        scene.run(300)
        assert second.refused == []

    def test_refuses_a_state_of_another_version(self) -> None:
        with pytest.raises(ValueError, match="version"):
            Limiter().restore({"version": 2, "meters": {}}, 0)


class TestCounting:
    def test_a_request_that_never_left_costs_nothing(self) -> None:
        scene = Scene("GET /api/accounts", 1)
        scene.limiter.take("GET /api/accounts")
        assert scene.limiter.wait_seconds("GET /api/accounts") > 0
        scene.limiter.observe("GET /api/accounts", None, sent=False)
        assert scene.limiter.wait_seconds("GET /api/accounts") == 0

    def test_a_lost_answer_costs_its_slot(self) -> None:
        scene = Scene("GET /api/accounts", 1)
        scene.limiter.take("GET /api/accounts")
        scene.limiter.observe("GET /api/accounts", None)
        assert scene.limiter.wait_seconds("GET /api/accounts") == pytest.approx(1.05)

    def test_a_take_that_nobody_observed_frees_its_slot_in_the_end(self) -> None:
        scene = Scene("GET /api/accounts", 1)
        scene.limiter.take("GET /api/accounts")
        scene.time.now += 119
        assert scene.limiter.wait_seconds("GET /api/accounts") > 0
        scene.time.now += 2
        scene.limiter.usage("GET /api/accounts")
        scene.time.now += 61
        assert scene.limiter.wait_seconds("GET /api/accounts") == 0

    def test_an_extra_bucket_is_shared_by_all_operations_that_use_it(self) -> None:
        scene, bucket = Scene(BULK, 1), "additional-fields[list]=profile_count"
        scene.limiter.take("GET /api/lists/{id}", bucket)
        scene.limiter.observe("GET /api/lists/{id}", 200, {}, extra=bucket)
        assert scene.limiter.wait_seconds("GET /api/lists/{id}") == 0
        assert scene.limiter.wait_seconds("GET /api/lists/{id}", bucket) > 1

    def test_an_unlisted_operation_gets_the_smallest_quota(self) -> None:
        windows = Limiter().usage("POST /api/unheard-of").windows
        assert [(w.period_seconds, w.allowed) for w in windows] == [(1.0, 1), (60.0, 15)]

    def test_usage_tells_used_and_allowed(self) -> None:
        scene = Scene(BULK, 1)
        scene.limiter.take(BULK)
        scene.limiter.take(BULK)
        scene.limiter.observe(BULK, 202, {})
        usage = scene.limiter.usage(BULK)
        assert usage.in_flight == 1
        assert [(w.used, w.allowed) for w in usage.windows] == [(2, 10), (2, 150)]
