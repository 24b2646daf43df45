"""Stripe at the door: signed deliveries to a whole Ferrata, kept, mapped and handed over once, on each database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.events.schemas import Event, EventFilter
from ferrata.kit.clock import MovedClock
from ferrata.sources.schemas import State, Wanted
from ferrata.sources.stripe import SOURCE
from ferrata.sources.tasks import CATCHING_UP
from tests.doors import Doors, open_doors
from tests.sources.stripe.shop import LINE_ITEMS, SECRET, charge, event, intent, invoice, session, signed, subscription

pytestmark = pytest.mark.anyio
STORE = "default"


@dataclass
class Api:
    """Stripe's API, as far as these tests ask it."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.path)
        found = self.answers.get(request.url.path)
        return httpx2.Response(200 if found is not None else 404, json=found or {})


@dataclass
class Stripe:
    doors: Doors
    api: Api
    clock: MovedClock

    async def set_up(self, **settings: Any) -> None:
        configurations = self.doors.wiring.sources.configurations
        given = {"webhook_secret": SECRET, **settings}
        await configurations.save(STORE, "stripe", settings=given, rules=None, enabled=True, actor=SYSTEM)

    async def post(self, of: dict[str, Any], header: str | None = None) -> int:
        body = msgspec.json.encode(of)
        headers = {"stripe-signature": header or signed(body, SECRET, at=int(self.clock.now().timestamp()))}
        answer = await self.doors.client.post(f"/sources/stripe/{STORE}", content=body, headers=headers)
        return answer.status_code

    async def map(self) -> int:
        return await self.doors.wiring.sources.work_off(STORE, "stripe")

    async def events(self) -> list[Event]:
        page = await self.doors.wiring.events.explorer.page(STORE, EventFilter(), None, 1000)
        return [standing.event for standing in reversed(page.rows)]

    async def states(self) -> list[State]:
        page = await self.doors.wiring.sources.messages(Wanted(store_id=STORE, kind="stripe", states=()), limit=1000)
        return [row.state for row in reversed(page.rows)]


@pytest.fixture
async def stripe(database_url: str, tmp_path: Path, clock: MovedClock) -> AsyncIterator[Stripe]:
    api = Api()
    transport = httpx2.MockTransport(api)
    values = {"commerce_currency": "USD", "commerce_rates": f"table:{tmp_path / 'rates.csv'}"}
    (tmp_path / "rates.csv").write_text("EUR,USD,2\n")
    async with open_doors(
        database_url, tmp_path, clock, sources={"stripe": SOURCE}, source_transport=transport, **values
    ) as doors:
        yield Stripe(doors, api, clock)


def now(stripe: Stripe) -> int:
    return int(stripe.clock.now().timestamp())


class TestADelivery:
    async def test_becomes_one_order_whatever_else_tells_of_it(self, stripe: Stripe) -> None:
        await stripe.set_up(api_key="rk_test_1")
        stripe.api.answers = {
            "/v1/checkout/sessions/cs_1/line_items": LINE_ITEMS,
            "/v1/checkout/sessions": {"data": [session()]},
        }
        told = [
            event("payment_intent.succeeded", intent(), id_="evt_1", created=now(stripe)),
            event("checkout.session.completed", session(), id_="evt_2", created=now(stripe)),
            event("charge.succeeded", charge(), id_="evt_3", created=now(stripe)),
            event("checkout.session.completed", session(), id_="evt_2", created=now(stripe)),
        ]
        for one in told:
            assert await stripe.post(one) == 202
            await stripe.map()
        assert [each.metric for each in await stripe.events()] == ["Placed Order", "Ordered Product", "Ordered Product"]
        assert await stripe.states() == [State.MAPPED, State.MAPPED, State.SKIPPED], "the fourth is the second again"

    async def test_is_reported_in_the_currency_of_the_settings(self, stripe: Stripe) -> None:
        await stripe.set_up()
        await stripe.post(event("checkout.session.completed", session(), created=now(stripe)))
        await stripe.map()
        [placed] = await stripe.events()
        assert (placed.value, placed.currency) == ("67.60", "USD")
        kept = msgspec.json.decode(placed.attributes or "{}")
        assert (kept["OriginalValue"], kept["OriginalCurrency"], kept["Total"]) == (33.8, "EUR", 33.8)

    async def test_that_proves_nothing_is_answered_with_400_and_kept_apart(self, stripe: Stripe) -> None:
        await stripe.set_up()
        told = event("checkout.session.completed", session(), created=now(stripe))
        for header in ("t=1,v1=00", signed(msgspec.json.encode(told), SECRET, at=now(stripe) - 301)):
            assert await stripe.post(told, header) == 400
        await stripe.map()
        assert await stripe.events() == []
        assert await stripe.states() == [State.REFUSED, State.REFUSED]

    async def test_waits_for_an_address_and_nothing_waits_for_it(self, stripe: Stripe) -> None:
        await stripe.set_up()
        await stripe.post(event("payment_intent.succeeded", intent(id="pi_7"), id_="evt_1", created=now(stripe)))
        await stripe.map()
        assert await stripe.states() == [State.WAITING]
        customer = {"id": "cus_1", "object": "customer", "email": "jane@example.com"}
        await stripe.post(event("customer.updated", customer, id_="evt_2", created=now(stripe)))
        await stripe.map()
        assert await stripe.states() == [State.WAITING, State.MAPPED]
        stripe.clock.advance(700)
        await stripe.map()
        [placed] = await stripe.events()
        assert (placed.email, await stripe.states()) == ("jane@example.com", [State.MAPPED, State.MAPPED])

    async def test_gives_the_session_of_a_purchase_time_to_come_first(self, stripe: Stripe) -> None:
        await stripe.set_up(checkout_wait_seconds=60)
        for number in (1, 2):
            paid = intent(id=f"pi_{number}", receipt_email="jane@example.com")
            await stripe.post(event("payment_intent.succeeded", paid, id_=f"evt_{number}", created=now(stripe)))
        await stripe.map()
        assert await stripe.events() == []
        await stripe.post(event("checkout.session.completed", session(), id_="evt_3", created=now(stripe)))
        await stripe.map()
        stripe.clock.advance(61)
        await stripe.map()
        told = [msgspec.json.decode(each.attributes or "{}") for each in await stripe.events()]
        assert [each.get("stripe_checkout_session_id") for each in told] == ["cs_1", None]
        assert [each["stripe_payment_intent_id"] for each in told] == ["pi_1", "pi_2"]

    async def test_tells_a_subscription_soon_after_its_first_invoice_names_the_person(self, stripe: Stripe) -> None:
        await stripe.set_up()
        await stripe.post(event("customer.subscription.created", subscription(), id_="evt_1", created=now(stripe)))
        await stripe.map()
        assert await stripe.states() == [State.WAITING]
        await stripe.post(event("invoice.paid", invoice(), id_="evt_2", created=now(stripe)))
        stripe.clock.advance(2)
        await stripe.map()
        await stripe.map()
        stripe.clock.advance(2)
        await stripe.map()
        assert {each.metric for each in await stripe.events()} == {"Subscription Renewed", "Subscription Started"}

    async def test_keeps_refunds_of_one_order_apart_from_it(self, stripe: Stripe) -> None:
        await stripe.set_up()
        for number, so_far in enumerate((500, 3380)):
            told = charge(amount_refunded=so_far)
            previous = {"amount_refunded": 0 if number == 0 else 500}
            await stripe.post(event("charge.refunded", told, previous=previous, id_=f"evt_{number}", created=now(stripe)))
        await stripe.map()
        assert [(each.metric, each.event_id) for each in await stripe.events()] == [
            ("Refunded Order", "Refunded Order:refund:ch_1:500"),
            ("Refunded Order", "Refunded Order:refund:ch_1:3380"),
        ]


class TestAProfile:
    async def test_is_never_moved_back_by_what_comes_late(self, stripe: Stripe) -> None:
        await stripe.set_up()
        customer = {"id": "cus_1", "object": "customer", "email": "jane@example.com"}
        ended = subscription(status="canceled", ended_at=now(stripe))
        told = [
            event("customer.created", customer, id_="evt_0", created=now(stripe) - 9),
            event("customer.subscription.deleted", ended, id_="evt_3", created=now(stripe)),
            event("customer.subscription.updated", subscription(status="past_due"), previous={"status": "active"}, id_="evt_2",
                  created=now(stripe) - 1),
            event("customer.subscription.created", subscription(), id_="evt_1", created=now(stripe) - 2),
        ]  # fmt: skip
        for one in told:
            await stripe.post(one)
            await stripe.map()
        profile = await stripe.doors.wiring.profiles.find(STORE, "jane@example.com")
        assert profile is not None
        assert profile.attributes.properties["stripe_subscription_status"] == '"canceled"'
        assert profile.attributes.properties.get("subscription_tier", "null") == "null"
        assert sorted(each.metric for each in await stripe.events()) == [
            "Subscription Cancelled",
            "Subscription Started",
            "Subscription Updated",
        ]


class TestWhatWasMissed:
    async def test_is_fetched_by_the_clock_and_counts_once_and_as_live(self, stripe: Stripe) -> None:
        await stripe.set_up(api_key="rk_test_1")
        missed = event("checkout.session.completed", session(), id_="evt_9", created=now(stripe) - 60)
        stripe.api.answers = {"/v1/events": {"object": "list", "data": [missed], "has_more": False}}
        scheduler = stripe.doors.wiring.scheduler
        assert CATCHING_UP in scheduler.job_names
        for _ in range(2):
            await scheduler.look()
            await scheduler.idle()
            [run, *_] = (await stripe.doors.wiring.sources.backfills(STORE)).rows
            await stripe.doors.wiring.sources.work_off_backfill(run.id)
            await stripe.map()
            stripe.clock.advance(6 * 3600)
        [placed] = await stripe.events()
        assert (placed.metric, placed.backfill) == ("Placed Order", False)
        assert stripe.api.asked.count("/v1/events") == 2
