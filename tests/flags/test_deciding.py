"""What is sent of what is accepted, and what is held back and why."""

from pathlib import Path
from typing import Any

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM, Actor, AuditFilter
from ferrata.delivery.held import HeldFilter
from ferrata.delivery.schemas import State
from ferrata.entry.wiring import build
from ferrata.flags.decision import is_included
from ferrata.flags.schemas import EVERY_METRIC, Mode, Origin
from ferrata.infra.errors import Rejected
from ferrata.kit.clock import MovedClock
from ferrata.retention.schemas import Trigger
from tests.doors import Doors, open_doors, settings

pytestmark = pytest.mark.anyio
MIRA = Actor("person", "p1", "Mira")


async def send(doors: Doors, metric: str = "Placed Order", email: str = "jane@example.com", **more: Any) -> dict[str, Any]:
    header = await doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ)
    answer = await doors.client.post(
        "/events", json={"eventName": metric, "email": email, **more}, headers=header | {"prefer": "respond-async"}
    )
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = (await doors.client.get(f"/events/{answer.json()['id']}", headers=header)).json()
    return found


class TestAFlag:
    async def test_that_was_never_set_lets_everything_through(self, doors: Doors) -> None:
        assert (await send(doors))["state"] == "waiting"

    @pytest.mark.parametrize(
        ("mode", "code", "words"),
        [
            (Mode.OFF, "flag_off", "The flag of Placed Order was off (set by Mira)"),
            (Mode.DRY_RUN, "flag_dry_run", "Placed Order was in a dry run (set by Mira)"),
        ],
    )
    async def test_holds_back_and_says_why_in_the_story(self, doors: Doors, mode: Mode, code: str, words: str) -> None:
        await doors.wiring.flags.set("default", "Placed Order", mode, None, actor=MIRA)
        told = await send(doors, value=19.9)
        assert (told["state"], told["sentToKlaviyo"], told["klaviyoResponse"]) == ("held", False, f"Not sent: {words}")
        assert told["notes"] == [f"Not sent at once: {words}"]
        assert told["delivery"]["reasonCode"] == code
        assert told["frozen"]["event"]["value"] == 19.9
        assert (await send(doors, "Viewed Product"))["state"] == "waiting"
        assert (await doors.wiring.delivery.totals("default")).held == 1

    async def test_holds_nothing_of_another_store(self, doors: Doors) -> None:
        await doors.wiring.flags.set("elsewhere", "Placed Order", Mode.OFF, None, actor=MIRA)
        assert (await send(doors))["state"] == "waiting"

    async def test_is_decided_once_for_each_event(self, doors: Doors) -> None:
        first = await send(doors, eventId="order-1")
        await doors.wiring.flags.set("default", "Placed Order", Mode.OFF, None, actor=MIRA)
        assert (await doors.wiring.delivery.states([first["id"]]))[first["id"]].state is State.WAITING

    async def test_for_every_metric_yields_to_a_metrics_own(self, doors: Doors) -> None:
        flags = doors.wiring.flags
        await flags.set("default", EVERY_METRIC, Mode.OFF, None, actor=MIRA)
        await flags.set("default", "Placed Order", Mode.ON, None, actor=MIRA)
        assert (await send(doors))["state"] == "waiting"
        assert (await send(doors, "Viewed Product"))["state"] == "held"
        cleared = await flags.clear("default", "Placed Order", actor=MIRA)
        assert cleared.rule.mode is Mode.OFF
        assert (await send(doors))["state"] == "held"

    async def test_changed_elsewhere_holds_within_two_seconds(
        self, doors: Doors, database_url: str, tmp_path: Path, clock: MovedClock
    ) -> None:
        assert (await send(doors))["state"] == "waiting"
        other = build(settings(database_url, tmp_path, allow_unsafe_database=True), clock=clock, beside=True)
        await other.flags.set("default", "Placed Order", Mode.OFF, None, actor=MIRA)
        await other.close()
        clock.advance(2)
        assert (await send(doors))["state"] == "held"

    async def test_is_noted_with_what_it_was_before(self, doors: Doors) -> None:
        await doors.wiring.flags.set("default", "Placed Order", Mode.PERCENTAGE, 20, actor=MIRA)
        await doors.wiring.flags.set("default", "Placed Order", Mode.OFF, None, actor=MIRA)
        [record, _] = (await doors.wiring.audit.page(AuditFilter(action="flags"))).rows
        assert (record.action, record.target, record.actor) == ("flags.flag_set", "flag/Placed Order", MIRA)
        assert (record.before, record.after) == (
            {"metric": "Placed Order", "mode": "percentage", "percentage": 20},
            {"metric": "Placed Order", "mode": "off"},
        )

    @pytest.mark.parametrize(
        ("metric", "mode", "percentage"),
        [("", Mode.ON, None), ("x" * 128, Mode.ON, None), ("a\nb", Mode.ON, None)]
        + [("a", Mode.PERCENTAGE, value) for value in (None, -1, 101)]
        + [("a", Mode.ON, 5)],
    )
    async def test_that_means_nothing_is_refused(self, doors: Doors, metric: str, mode: Mode, percentage: int | None) -> None:
        with pytest.raises(Rejected):
            await doors.wiring.flags.set("default", metric, mode, percentage, actor=MIRA)


class TestAPercentage:
    async def test_is_of_profiles_and_steady(self, doors: Doors) -> None:
        await doors.wiring.flags.set("default", "Placed Order", Mode.PERCENTAGE, 50, actor=MIRA)
        states = {f"p{number}@example.com": (await send(doors, email=f"p{number}@example.com"))["state"] for number in range(12)}
        assert set(states.values()) == {"waiting", "held"}
        for email, state in states.items():
            assert (await send(doors, email=email))["state"] == state
            assert is_included("default", f"email:{email}", 50) is (state == "waiting")

    def test_takes_about_so_many_and_keeps_whom_it_had(self) -> None:
        persons = [f"email:p{number}@example.com" for number in range(10_000)]
        before: set[str] = set()
        for percentage in (0, 1, 10, 50, 99, 100):
            included = {person for person in persons if is_included("default", person, percentage)}
            assert abs(len(included) - percentage * 100) < 200
            assert before <= included
            before = included
        assert len(before) == 10_000


class TestTheEnvironment:
    @pytest.mark.parametrize(
        ("text", "state"),
        [
            ("true", "waiting"),
            ("TRUE", "waiting"),
            ("false", "held"),
            ("1", "held"),
            ("yes", "held"),
            ("", "held"),
            ("on", "held"),
        ],
    )
    async def test_enables_by_true_alone(self, sqlite_url: str, tmp_path: Path, clock: MovedClock, text: str, state: str) -> None:
        async with open_doors(sqlite_url, tmp_path, clock, purchase_events_enabled=text) as doors:
            assert (await send(doors))["state"] == state
            assert (await send(doors, "Subscription Started"))["state"] == "held"  # not set, while another is
            assert (await send(doors, "Checkout Abandoned"))["state"] == "held"
            assert (await send(doors, "Viewed Product"))["state"] == "waiting"

    async def test_counts_less_than_a_flag(self, sqlite_url: str, tmp_path: Path, clock: MovedClock) -> None:
        async with open_doors(sqlite_url, tmp_path, clock, cart_abandoned_enabled="false") as doors:
            told = await send(doors, "Started Checkout")
            assert "KLAVIYO_CART_ABANDONED_ENABLED" in told["notes"][0]
            flags = {flag.metric: flag.rule for flag in await doors.wiring.flags.all("default")}
            assert (flags["Started Checkout"].mode, flags["Started Checkout"].origin) == (Mode.OFF, Origin.ENVIRONMENT)
            await doors.wiring.flags.set("default", "Started Checkout", Mode.ON, None, actor=MIRA)
            assert (await send(doors, "Started Checkout"))["state"] == "waiting"


class TestWhatWasHeld:
    async def test_can_be_let_go_by_metric_and_time(self, doors: Doors, clock: MovedClock) -> None:
        flags = doors.wiring.flags
        await flags.set("default", EVERY_METRIC, Mode.DRY_RUN, None, actor=MIRA)
        early = await send(doors)
        clock.advance(60)
        since = clock.now()
        late, other = await send(doors), await send(doors, "Viewed Product")
        wanted = HeldFilter("default", "Placed Order", since=since)
        [example] = await flags.would_send("default", "Viewed Product")
        assert (example.id, example.person) == (other["id"], "email:jane@example.com")
        assert await flags.count_held(wanted) == 1
        assert await flags.release(wanted, actor=MIRA) == 1
        states = await doors.wiring.delivery.states([early["id"], late["id"], other["id"]])
        assert [states[told["id"]].state for told in (early, late, other)] == [State.HELD, State.WAITING, State.HELD]
        groups = {(group.kind, group.code): group.count for group in await flags.held("default")}
        assert groups == {("Placed Order", "flag_dry_run"): 1, ("Viewed Product", "flag_dry_run"): 1}
        [record] = (await doors.wiring.audit.page(AuditFilter(action="flags.held_events_released"))).rows
        assert record.after["count"] == 1

    async def test_is_deleted_when_it_is_old_like_what_was_sent(self, doors: Doors, clock: MovedClock) -> None:
        await doors.wiring.flags.set("default", "Placed Order", Mode.OFF, None, actor=SYSTEM)
        told = await send(doors)
        clock.advance(9 * 86_400)
        run = await doors.wiring.retention.clean_up(trigger=Trigger.SCHEDULE)
        assert run.counts.events == 1
        assert await doors.wiring.delivery.states([told["id"]]) == {}
