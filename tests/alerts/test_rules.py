"""What counts as a condition: the pure rules, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ferrata.alerts.watching import Seen, conditions
from ferrata.connections.schemas import Connection, Status, Store
from ferrata.delivery.schemas import DeadGroup, Family, Lane
from ferrata.infra.incidents import Condition

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=16)
STORE = Store("default", "Grat", "UTC", "EUR", NOW)
LANE = Lane("default", Family.EVENTS, 0, 0, 0, None, None, None, None, None, None, None, None, NOW)
WELL = Seen(NOW, {"default": STORE}, {"default": Connection("default", Status.CONNECTED)}, [LANE])


def kinds(seen: Seen) -> list[str]:
    return sorted(condition.kind for condition in conditions(seen))


def with_lane(**changes: object) -> Seen:
    return replace(WELL, lanes=[replace(LANE, **changes)])  # type: ignore[arg-type]


class TestNothing:
    def test_is_told_where_all_is_well(self) -> None:
        assert conditions(WELL) == {}

    def test_is_told_of_a_store_that_was_put_away(self) -> None:
        assert conditions(replace(WELL, stores={}, lanes=[replace(LANE, parked_code="scope_missing")])) == {}

    def test_is_told_of_a_store_without_a_connection_and_without_events(self) -> None:
        not_yet = {"default": Connection("default", Status.NOT_CONFIGURED)}
        assert conditions(replace(with_lane(parked_code="not_connected"), connections=not_yet)) == {}


class TestOneCause:
    def test_is_one_condition_although_the_lane_parks_for_it(self) -> None:
        broken = {"default": Connection("default", Status.ERROR, detail="The app was uninstalled. Connect again.")}
        seen = replace(with_lane(parked_code="key_refused", waiting=3, waiting_live=3, oldest_at=LONG_AGO), connections=broken)
        [(condition, told)] = conditions(seen).items()
        assert condition == Condition("connection.broken", "default")
        assert told.detail == "The app was uninstalled. Connect again. 3 deliveries wait; none is lost."

    def test_beside_another_is_told_beside_it(self) -> None:
        broken = {"default": Connection("default", Status.DISCONNECTED)}
        assert kinds(replace(with_lane(parked_code="scope_missing"), connections=broken)) == ["connection.broken", "lane.parked"]


class TestALane:
    def test_that_is_parked_says_why(self) -> None:
        seen = with_lane(parked_code="scope_missing", parked_detail="The key lacks events:write.", waiting=2)
        [(condition, told)] = conditions(seen).items()
        assert condition == Condition("lane.parked", "default", "events")
        assert told.detail.startswith("The key lacks events:write. 2 deliveries wait")

    def test_says_of_one_delivery_that_it_waits(self) -> None:
        [told] = conditions(with_lane(parked_code="scope_missing", parked_detail="Why.", waiting=1)).values()
        assert told.detail == "Why. 1 delivery waits; none is lost."

    def test_is_stalled_when_live_events_wait_and_nothing_has_left_for_so_long(self) -> None:
        waiting = {"waiting": 5, "waiting_live": 5, "oldest_at": LONG_AGO, "last_success_at": LONG_AGO}
        assert kinds(with_lane(**waiting)) == ["delivery.stalled"]
        assert kinds(with_lane(**(waiting | {"last_success_at": NOW}))) == []  # it moves, if slowly
        assert kinds(with_lane(**(waiting | {"oldest_at": NOW - timedelta(minutes=14)}))) == []
        assert kinds(with_lane(**(waiting | {"waiting_live": 0}))) == []  # history may take its time
        assert kinds(with_lane(**(waiting | {"last_success_at": None, "parked_code": "not_connected"}))) == ["delivery.stalled"]

    def test_that_somebody_stopped_is_told_only_if_events_wait_for_long(self) -> None:
        stopped = {"parked_code": "stopped", "parked_detail": "Sending was stopped by Mira.", "waiting": 5, "waiting_live": 5}
        assert kinds(with_lane(**stopped, oldest_at=NOW)) == []
        seen = with_lane(**stopped, oldest_at=LONG_AGO, last_success_at=LONG_AGO)
        [(condition, told)] = conditions(seen).items()
        assert (condition.kind, told.detail) == ("delivery.stalled", "Sending was stopped by Mira.")


class TestDeadLetters:
    GROUP = DeadGroup("invalid", "/data/attributes", "phone of mira.keller@grat.example is invalid", 214, LONG_AGO, LONG_AGO)

    def test_are_told_together_without_whole_addresses(self) -> None:
        [(condition, told)] = conditions(replace(WELL, dead={"default": [self.GROUP]})).items()
        assert condition == Condition("delivery.dead_letters", "default")
        assert told.detail.startswith("214 x invalid: phone of ")
        assert "mira.keller@grat.example" not in told.detail

    def test_are_over_when_none_came_for_a_day(self) -> None:
        old = replace(self.GROUP, last_at=NOW - timedelta(days=1, seconds=1))
        assert conditions(replace(WELL, dead={"default": [old]})) == {}


class TestPlaces:
    def test_are_told_before_they_are_full(self) -> None:
        assert kinds(replace(WELL, waiting=80, longest_queue=100)) == ["queue.filling"]
        assert kinds(replace(WELL, waiting=79, longest_queue=100)) == []
        assert kinds(replace(WELL, disk=(100_000_000_000, 1_999_999_999))) == ["disk.filling"]
        assert kinds(replace(WELL, disk=(100_000_000_000, 2_000_000_001))) == []
        assert kinds(replace(WELL, disk=(10_000_000_000, 600_000_000))) == []  # a small disk: 5 % are enough
