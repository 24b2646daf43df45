"""Stripe's API: asked as its reference says, page by page, and every kind of answer understood."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import msgspec
import pytest

from ferrata.infra.errors import NeedsReconnect, Rejected, Transient
from ferrata.kit.clock import MovedClock
from ferrata.sources.contract import Lookup, Reader, Span, Surroundings
from ferrata.sources.stripe import SOURCE
from ferrata.sources.stripe.mapping import MEANINGS
from tests.sources.stripe.shop import NOW, SETTINGS, WITH_KEY, Reading, charge, event, invoice, session, subscription

SPAN = Span(until=datetime.fromtimestamp(NOW, UTC), since=datetime.fromtimestamp(NOW, UTC) - timedelta(days=365))
Answer = Callable[[httpx2.Request], httpx2.Response]


def reader(clock: MovedClock, answer: Answer) -> Reader:
    made = SOURCE.reader(WITH_KEY, Surroundings("default", clock, httpx2.MockTransport(answer)))
    assert made is not None
    return made


def listed(*found: dict[str, Any], more: bool = False) -> httpx2.Response:
    return httpx2.Response(200, json={"object": "list", "data": list(found), "has_more": more})


class TestTheApi:
    def test_is_not_asked_without_a_key(self, clock: MovedClock) -> None:
        assert SOURCE.reader(SETTINGS, Surroundings("default", clock)) is None

    @pytest.mark.parametrize(
        ("lookup", "path", "account"),
        [
            (Lookup("customer", "cus_1"), "/v1/customers/cus_1", None),
            (Lookup("customer", "acct_1/cus_1"), "/v1/customers/cus_1", "acct_1"),
            (Lookup("line_items", "cs_1"), "/v1/checkout/sessions/cs_1/line_items", None),
            (Lookup("session_of", "pi_1"), "/v1/checkout/sessions", None),
            (Lookup("invoice_of", "acct_1/pi_1"), "/v1/invoice_payments", "acct_1"),
            (Lookup("object", "/v1/invoices/in_1"), "/v1/invoices/in_1", None),
            (Lookup("object", "acct_1//v1/invoices/in_1"), "/v1/invoices/in_1", "acct_1"),
        ],
    )
    async def test_is_asked_with_the_key_a_version_and_the_account(
        self, clock: MovedClock, lookup: Lookup, path: str, account: str | None
    ) -> None:
        asked: list[httpx2.Request] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            asked.append(request)
            return httpx2.Response(200, json={"id": "found"})

        assert await reader(clock, answer).look_up([lookup]) == {lookup: {"id": "found"}}
        [request] = asked
        assert (request.url.host, request.url.path) == ("api.stripe.com", path)
        assert request.headers["authorization"] == "Bearer rk_test_1"
        assert request.headers["stripe-version"] == "2025-03-31.basil"
        assert request.headers.get("stripe-account") == account

    async def test_that_has_no_such_thing_answers_none(self, clock: MovedClock) -> None:
        lookup = Lookup("customer", "cus_1")
        assert await reader(clock, lambda _: httpx2.Response(404, json={})).look_up([lookup]) == {lookup: None}

    @pytest.mark.parametrize(
        ("status", "raised"), [(401, NeedsReconnect), (403, NeedsReconnect), (429, Transient), (500, Transient), (400, Rejected)]
    )
    async def test_that_refuses_says_what_is_to_be_done(self, clock: MovedClock, status: int, raised: type[Exception]) -> None:
        with pytest.raises(raised) as told:
            await reader(clock, lambda _: httpx2.Response(status, headers={"retry-after": "7"})).check()
        assert "rk_test_1" not in str(told.value)
        if status == 429:
            assert told.value.retry_after_seconds == 7  # type: ignore[attr-defined]  # a Transient's

    async def test_that_is_away_is_asked_later(self, clock: MovedClock) -> None:
        def away(request: httpx2.Request) -> httpx2.Response:
            raise httpx2.ConnectError("refused", request=request)

        with pytest.raises(Transient, match="ConnectError"):
            await reader(clock, away).check()
        with pytest.raises(Transient, match="no JSON"):
            await reader(clock, lambda _: httpx2.Response(200, text="<html>")).check()


class TestHistory:
    async def test_is_read_page_by_page_in_its_time(self, clock: MovedClock) -> None:
        asked: list[httpx2.QueryParams] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            asked.append(request.url.params)
            last = "starting_after" in request.url.params
            return listed(charge(id="ch_2" if last else "ch_1"), more=not last)

        stripe = reader(clock, answer)
        first = await stripe.page("charges", None, SPAN)
        second = await stripe.page("charges", first.cursor, SPAN)
        assert (first.cursor, second.cursor) == ("ch_1", None)
        assert [page.messages[0].message_id for page in (first, second)] == ["history:charge:ch_1", "history:charge:ch_2"]
        assert (asked[0]["created[lt]"], asked[0]["created[gte]"]) == (str(NOW), str(NOW - 365 * 86_400))
        assert (asked[0]["expand[]"], asked[1]["starting_after"]) == ("data.refunds", "ch_1")

    @pytest.mark.parametrize(
        ("backfill", "about", "metrics"),
        [
            ("charges", charge(amount_refunded=0), ["Placed Order"]),
            ("invoices", invoice(), ["Subscription Renewed"]),
            ("subscriptions", subscription(status="canceled", ended_at=NOW), ["Subscription Cancelled", "Subscription Started"]),
            ("customers", {"id": "cus_1", "object": "customer", "email": "jane@example.com", "created": NOW}, []),
        ],
    )
    async def test_means_the_same_as_what_came_live(
        self, clock: MovedClock, backfill: str, about: dict[str, Any], metrics: list[str]
    ) -> None:
        page = await reader(clock, lambda _: listed(about)).page(backfill, None, SPAN)
        reading = Reading(WITH_KEY, {Lookup("customer", "cus_1"): {"email": "jane@example.com"}})
        mapped = reading.read(msgspec.json.decode(page.messages[0].body), history=True)
        assert reading.metrics == metrics
        assert all(each.backfill for each in mapped.events)
        assert mapped.profiles or backfill == "invoices"

    async def test_has_the_keys_of_live_events(self, clock: MovedClock) -> None:
        page = await reader(clock, lambda _: listed(charge(amount_refunded=0))).page("charges", None, SPAN)
        reading = Reading()
        reading.read(msgspec.json.decode(page.messages[0].body), history=True)
        reading.read(event("checkout.session.completed", session()))
        assert list(reading.sent) == [("Placed Order", "purchase:pi_1")]


class TestMissedEvents:
    async def test_are_those_that_stripe_could_not_deliver(self, clock: MovedClock) -> None:
        asked: list[httpx2.QueryParams] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            asked.append(request.url.params)
            return listed(event("invoice.paid", invoice(), id_="evt_missed"))

        page = await reader(clock, answer).page("missed_events", None, SPAN)
        assert page.messages[0].message_id == "evt_missed", "under its own id, so that it counts once if it comes after all"
        assert asked[0]["delivery_success"] == "false"
        assert 0 < len(asked[0].get_list("types[]")) <= 20
        assert set(asked[0].get_list("types[]")) == set(MEANINGS)

    def test_arrive_as_if_they_were_new(self) -> None:
        [missed] = [backfill for backfill in SOURCE.backfills if backfill.name == "missed_events"]
        assert missed.live
