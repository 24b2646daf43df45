"""What comes is kept before it is acknowledged, mapped in its order, and handed over exactly once."""

import json
from datetime import timedelta

import msgspec
import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.infra.errors import NotFound
from ferrata.sources.contract import Received, Reply
from ferrata.sources.errors import NotSetUp, Unverified
from ferrata.sources.receiving import STRAYS_A_MINUTE
from ferrata.sources.schedule import GIVE_UP_AFTER
from ferrata.sources.schemas import Receipt, State
from tests.sources.conftest import STORE, Installed
from tests.sources.shop import order, received


class TestAMessage:
    async def test_is_kept_then_mapped_into_an_event(self, shop: Installed) -> None:
        await shop.set_up()
        assert await shop.take(order(1)) == Receipt(kept=1)
        [kept] = await shop.messages(State.WAITING)
        assert (json.loads(kept.message.body), kept.title) == (order(1), "Message m1")
        assert await shop.events() == []
        assert await shop.map() == 1
        [kept] = await shop.messages()
        assert (kept.state, kept.version, kept.attempts) == (State.MAPPED, 1, 1)
        assert [(made.title, made.unique_id, made.repeated) for made in kept.made] == [
            ("Placed Order", "Placed Order:shop:o1:placed", False)
        ]
        assert await shop.events() == [("Placed Order", "Placed Order:shop:o1:placed", False)]
        [delivery] = (await shop.sources.deliveries(kept)).values()
        assert delivery.state == "waiting"

    async def test_counts_once_however_often_it_comes(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1), order(2))
        assert await shop.take(order(2), order(1), order(3)) == Receipt(kept=1, repeated=2)
        await shop.map()
        await shop.take(order(1))
        await shop.map()
        assert len(await shop.events()) == 3

    async def test_under_another_id_is_the_same_event(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1))
        await shop.map()
        await shop.take(order(1, message="again", total="99.00"))
        await shop.map()
        assert len(await shop.events()) == 1
        assert [made.repeated for kept in await shop.messages() for made in kept.made] == [False, True]

    async def test_that_means_nothing_is_skipped_with_its_reason(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take({"message": "m", "type": "cart", "id": "c1"})
        await shop.map()
        [kept] = await shop.messages(State.SKIPPED)
        assert [(each.what, each.why) for each in kept.skipped] == [("cart", "no event belongs to this")]

    @pytest.mark.parametrize(
        ("kind", "code", "words"),
        [
            ("refuse", "source_message_refused", "Nobody can make sense of this."),
            ("crash", "mapper_failed", "KeyError: 'nothing'"),
        ],
    )
    async def test_that_cannot_be_mapped_is_refused_and_blocks_nothing(
        self, shop: Installed, kind: str, code: str, words: str
    ) -> None:
        await shop.set_up()
        await shop.take({"message": "bad", "type": kind, "id": "o1"}, order(1))
        await shop.map()
        [kept] = await shop.messages(State.REFUSED)
        assert kept.reason_code == code
        assert words in (kept.reason or "")
        assert len(await shop.events()) == 1

    async def test_that_trips_the_code_for_it_is_refused_and_blocks_nothing(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1, products=5), order(2, profile=["no object"]), order(3))
        await shop.map()
        reasons = [kept.reason or "" for kept in await shop.messages(State.REFUSED)]
        assert "TypeError" in reasons[0]
        assert len(reasons) == 2
        assert len(await shop.events()) == 1

    async def test_that_breaks_klaviyos_limits_is_refused_with_every_fault(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1, metric="x" * 128, currency="XXXX"))
        await shop.map()
        [kept] = await shop.messages(State.REFUSED)
        assert "eventName" in (kept.reason or "")
        assert "currency" in (kept.reason or "")

    async def test_with_a_bad_phone_number_still_makes_its_event(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1, phone="call me"))
        await shop.map()
        [kept] = await shop.messages(State.MAPPED)
        assert [each.what for each in kept.skipped] == ["/events/0 phone_number"]


class TestOrder:
    async def test_is_kept_within_a_business_key_and_nowhere_else(self, shop: Installed) -> None:
        await shop.set_up()
        waits = {"message": "w", "type": "later", "id": "o1", "remembers": ["go"]}
        await shop.take(waits, order(1), order(2))
        await shop.map()
        assert await shop.events() == [("Placed Order", "Placed Order:shop:o2:placed", False)]
        [first, held] = await shop.messages(State.WAITING)
        assert (first.attempts, first.reason, held.attempts) == (1, "The shop has not said go yet.", 0)
        at = shop.clock.now().isoformat()
        await shop.take({"message": "t", "type": "teach", "id": "t", "at": at, "teaches": {"go": "yes"}})
        await shop.map()
        assert len(await shop.events()) == 1, "not before its time"
        shop.clock.advance(10)
        await shop.map()
        assert {unique_id for _, unique_id, _ in await shop.events()} == {
            "Placed Order:shop:o1:placed",
            "Placed Order:shop:o2:placed",
        }

    async def test_of_a_message_that_never_can_is_given_up(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take({"message": "w", "type": "later", "id": "o1"}, order(1))
        await shop.map()
        shop.clock.advance(GIVE_UP_AFTER.total_seconds() + 60)
        await shop.map()
        assert [kept.reason_code for kept in await shop.messages(State.REFUSED)] == ["gave_up"]
        await shop.map()
        assert len(await shop.events()) == 1


class TestLookingUp:
    async def test_asks_the_shop_once_and_outside_of_transactions(self, shop: Installed) -> None:
        await shop.set_up()
        shop.api.known = {"product/p1": {"name": "Boots"}}
        await shop.take(order(1, products=["p1"]), order(2, products=["p1", "p2"]))
        await shop.map()
        assert sorted(each.key for each in shop.api.asked) in (["p1", "p2"], ["p1", "p1", "p2"])
        assert len(await shop.events()) == 2

    async def test_waits_while_the_shop_is_away(self, shop: Installed) -> None:
        await shop.set_up()
        shop.api.failures = 1
        await shop.take(order(1, products=["p1"]))
        await shop.map()
        [kept] = await shop.messages(State.WAITING)
        assert kept.reason == "Shop's API: The shop is being redecorated."
        assert kept.next_at
        assert kept.next_at > shop.clock.now()
        shop.clock.advance(5)
        await shop.map()
        assert len(await shop.events()) == 1

    async def test_without_access_waits_for_settings(self, shop: Installed) -> None:
        await shop.set_up(with_api=False)
        await shop.take(order(1, products=["p1"]))
        await shop.map()
        [kept] = await shop.messages(State.WAITING)
        assert "give no access to its API" in (kept.reason or "")


class TestWhatIsKeptApart:
    async def test_can_be_taken_by_the_store_that_was_meant(self, shop: Installed) -> None:
        await shop.set_up()
        with pytest.raises(NotFound):
            await shop.deliver(received([order(1)], shop.clock.now()), store="defualt")
        [stray] = await shop.sources.strays()
        assert stray.reason == "There is no store 'defualt'."
        await shop.sources.replaying.adopt("shop", [stray.id], STORE, SYSTEM)
        await shop.map()
        assert await shop.sources.strays() == []
        assert [unique_id for _, unique_id, _ in await shop.events()] == ["Placed Order:shop:o1:placed"]

    async def test_is_what_does_not_prove_where_it_comes_from(self, shop: Installed) -> None:
        await shop.set_up()
        with pytest.raises(Unverified):
            await shop.deliver(Received(body=b"[1]", at=shop.clock.now(), headers={"x-shop": "no", "authorization": "secret"}))
        [kept] = await shop.messages(State.REFUSED)
        assert (kept.envelope, kept.message.body, kept.reason_code) == (True, b"[1]", "source_unverified")
        assert kept.message.headers == {"x-shop": "no"}
        assert await shop.map() == 0

    async def test_is_what_cannot_be_opened_and_it_is_acknowledged(self, shop: Installed) -> None:
        await shop.set_up()
        garbage = b"\xff\x00{"
        delivery = msgspec.structs.replace(received([]), body=garbage, trusted=True)
        assert await shop.deliver(delivery) == Receipt(refused=1)
        [kept] = await shop.messages(State.REFUSED)
        assert (kept.message.body, kept.reason_code) == (garbage, "source_unreadable")

    async def test_is_what_names_a_store_without_this_source_or_no_store(self, shop: Installed) -> None:
        with pytest.raises(NotSetUp):
            await shop.take(order(1))
        with pytest.raises(
            NotSetUp, match="not set up for the store 'nowhere'"
        ):  # a stranger does not learn that it is not there
            await shop.deliver(received([order(1)]), store="nowhere")
        assert [kept.reason_code for kept in await shop.messages()] == ["source_not_set_up"]
        assert [kept.reason_code for kept in await shop.messages(store="")] == ["not_found"]

    async def test_is_bounded_against_floods(self, shop: Installed) -> None:
        await shop.set_up()
        for _ in range(STRAYS_A_MINUTE + 5):
            with pytest.raises(Unverified):
                await shop.deliver(Received(body=b"x", at=shop.clock.now()))
        assert len(await shop.messages(State.REFUSED)) == STRAYS_A_MINUTE


class TestASource:
    async def test_that_is_switched_off_keeps_and_waits(self, shop: Installed) -> None:
        await shop.set_up()
        save = shop.sources.configurations.save
        await save("default", "shop", settings=None, rules=None, enabled=False, actor=SYSTEM)
        assert await shop.take(order(1)) == Receipt(kept=1)
        assert await shop.map() == 0
        await save("default", "shop", settings=None, rules=None, enabled=True, actor=SYSTEM)
        assert await shop.map() == 1

    async def test_of_a_store_that_is_not_connected_becomes_events_that_wait(self, shop: Installed) -> None:
        await shop.set_up()
        assert await shop.wiring.connections.credential(STORE) is None
        await shop.take(order(1))
        await shop.map()
        [kept] = await shop.messages(State.MAPPED)
        assert [each.state.value for each in (await shop.sources.deliveries(kept)).values()] == ["waiting"]

    async def test_answers_handshakes_in_its_own_words(self, shop: Installed) -> None:
        await shop.set_up()
        delivery = msgspec.structs.replace(received([]), method="OPTIONS")
        assert await shop.deliver(delivery) == Reply(200, b"hello", {"x-hello": "shop"})

    async def test_tells_how_it_stands(self, shop: Installed) -> None:
        [before] = await shop.sources.standings("default")
        assert (before.version, before.health) == (None, "off")
        await shop.set_up()
        await shop.take(order(1), {"message": "bad", "type": "refuse", "id": "x"}, {"message": "s", "type": "?", "id": "y"})
        shop.clock.advance(400)
        late = await shop.sources.standing("default", "shop")
        assert (late.health, late.waiting, late.lag_seconds) == ("late", 3, 400)
        await shop.map()
        after = await shop.sources.standing("default", "shop")
        assert (after.health, after.waiting, after.refused) == ("refusing", 0, 1)
        assert (after.last_day.kept, after.last_day.mapped, after.last_day.skipped, after.last_day.refused) == (3, 1, 1, 1)

    async def test_calls_nobody_late_that_waits_for_what_another_message_tells(self, shop: Installed) -> None:
        await shop.set_up()
        waits = {"message": "m1", "id": "x", "type": "later", "remembers": ["go"]}
        await shop.take(waits, {**waits, "message": "m2"})
        await shop.map()
        shop.clock.advance(400)
        await shop.map()
        stands = await shop.sources.standing("default", "shop")
        assert (stands.health, stands.waiting, stands.expecting, stands.lag_seconds) == ("moving", 2, 2, 0)
        assert stands.reason == "The shop has not said go yet."

    async def test_forgets_by_the_clock(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1))
        await shop.map()
        shop.clock.advance(timedelta(days=32).total_seconds())
        await shop.wiring.scheduler.look()
        await shop.wiring.scheduler.idle()
        assert await shop.messages() == []

    async def test_forgets_what_is_old_unless_it_was_refused(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1), {"message": "bad", "type": "refuse", "id": "x"})
        await shop.map()
        await shop.take(order(2))
        shop.clock.advance(timedelta(days=31).total_seconds())
        assert await shop.sources.forget(shop.clock.now() - timedelta(days=30)) == 1
        assert [kept.state for kept in await shop.messages()] == [State.REFUSED, State.WAITING]
