"""What Segment's calls become."""

import json
from datetime import timedelta
from typing import Any

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from ferrata.sources.schemas import Wanted
from tests.sources.segment.conftest import STORE, Desk

pytestmark = pytest.mark.anyio

ORDER: dict[str, Any] = {
    "messageId": "m-1",
    "userId": "u-1",
    "event": "Order Completed",
    "timestamp": "2026-11-20T08:59:00.000Z",
    "context": {"traits": {"email": "Jane@Example.com"}, "ip": "198.51.100.7"},
    "properties": {
        "order_id": "50314b8e",
        "total": 27.50,
        "revenue": 25.00,
        "currency": "USD",
        "coupon": "hasbros",
        "products": [
            {"product_id": "1", "sku": "45790-32", "name": "Monopoly", "price": 19, "quantity": 2, "category": "Games"},
            {"product_id": "2", "sku": "46493-32", "name": "Uno", "price": 3, "quantity": 1, "category": "Games"},
        ],
    },
}


class TestATrack:
    async def test_of_an_order_is_a_placed_order_with_its_products(self, desk: Desk) -> None:
        answer = await desk.call("track", ORDER)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        placed, *ordered = await desk.mapped()
        assert (placed.metric, placed.email, placed.external_id) == ("Placed Order", "jane@example.com", "u-1")
        assert (placed.value, placed.currency) == ("27.5", "USD")
        properties = json.loads(placed.attributes or "")
        assert properties["OrderId"] == properties["order_id"] == "50314b8e"
        assert (properties["ItemNames"], properties["Categories"], properties["DiscountCode"]) == (
            ["Monopoly", "Uno"],
            ["Games"],
            "hasbros",
        )
        assert properties["Items"][0]["RowTotal"] == 38
        assert "198.51.100.7" not in (placed.attributes or "")
        assert [(event.metric, event.value) for event in ordered] == [("Ordered Product", "38"), ("Ordered Product", "3")]

    @pytest.mark.parametrize(
        ("event", "metric"),
        [
            ("Product Added", "Added to Cart"),
            ("Product Viewed", "Viewed Product"),
            ("Checkout Started", "Started Checkout"),
            ("Products Searched", "Searched Site"),
            ("Product List Viewed", "Viewed Category"),
            ("Order Refunded", "Refunded Order"),
            ("Song Played", "Song Played"),
        ],
    )
    async def test_keeps_the_name_that_klaviyo_knows(self, desk: Desk, event: str, metric: str) -> None:
        await desk.call("track", {"messageId": "m", "userId": "u", "event": event, "properties": {"price": 5, "sku": "S-1"}})
        [kept] = await desk.mapped()
        assert kept.metric == metric
        assert json.loads(kept.attributes or "")["sku"] == "S-1"

    async def test_sent_again_is_the_same_event(self, desk: Desk) -> None:
        for _ in range(3):
            await desk.call("track", ORDER)
        await desk.call("batch", {"batch": [ORDER | {"type": "track"}]})
        assert len(await desk.mapped()) == 3

    async def test_is_timed_by_our_clock_whatever_the_senders_says(self, desk: Desk, clock: MovedClock) -> None:
        """The sender is an hour ahead, and sends ten seconds after it happened."""
        ahead = clock.now() + timedelta(hours=1)
        times = {"timestamp": (ahead - timedelta(seconds=10)).isoformat(), "sentAt": ahead.isoformat()}
        await desk.call("track", {"messageId": "m", "userId": "u", "event": "Song Played", **times})
        [kept] = await desk.mapped()
        assert kept.occurred_at == clock.now() - timedelta(seconds=10)

    async def test_of_nobody_known_is_kept_for_the_anonymous_profile(self, desk: Desk) -> None:
        await desk.call("track", {"messageId": "m", "anonymousId": "a-1", "event": "Song Played"})
        [kept] = await desk.mapped()
        assert (kept.email, kept.external_id, kept.deliverable) == (None, None, True)
        assert json.loads(kept.profile_attributes or "") == {"anonymous_id": "a-1"}

    async def test_keeps_every_digit(self, desk: Desk) -> None:
        body = b'{"messageId":"m","userId":"u","event":"Measured","properties":{"n":9007199254740993,"x":0.100000000000000005}}'
        await desk.call("track", body)
        [kept] = await desk.mapped()
        assert "9007199254740993" in (kept.attributes or "") and "0.100000000000000005" in (kept.attributes or "")


class TestAnIdentify:
    async def test_changes_the_profile_and_names_the_user_from_then_on(self, desk: Desk) -> None:
        traits = {
            "email": "jane@example.com",
            "name": "Jane van Doe",
            "plan": "gold",
            "address": {"city": "Bern", "postalCode": "3000", "country": "Switzerland"},
            "company": {"name": "Doe & Co"},
        }
        await desk.call("identify", {"messageId": "m-1", "userId": "u-7", "anonymousId": "a-7", "traits": traits})
        await desk.call("track", {"messageId": "m-2", "userId": "u-7", "event": "Song Played"})
        await desk.call("track", {"messageId": "m-3", "anonymousId": "a-7", "event": "Song Paused"})
        assert [(event.metric, event.email) for event in await desk.mapped()] == [
            ("Song Played", "jane@example.com"),
            ("Song Paused", "jane@example.com"),
        ]
        profile = await desk.doors.wiring.profiles.find(STORE, "jane@example.com")
        assert profile is not None
        told = json.loads(profile.attributes.to_json())
        assert (told["first_name"], told["last_name"], told["organization"]) == ("Jane", "van Doe", "Doe & Co")
        assert told["location"]["city"] == "Bern" and told["properties"]["plan"] == "gold"

    async def test_of_nobody_whom_klaviyo_could_find_is_skipped(self, desk: Desk) -> None:
        await desk.call("identify", {"messageId": "m", "anonymousId": "a", "traits": {"plan": "gold"}})
        assert await desk.mapped() == [] and await desk.refused() == []


class TestABatch:
    async def test_keeps_the_good_calls_beside_a_bad_one_and_says_what_is_wrong(self, desk: Desk) -> None:
        calls = [
            {"type": "track", "messageId": "1", "userId": "u", "event": "First"},
            {"type": "dance", "messageId": "2", "userId": "u"},
            {"type": "track", "messageId": "3", "event": "Nobody"},
            {"type": "track", "messageId": "4", "userId": "u"},
            {"type": "track", "messageId": "5", "userId": "u", "event": "Large", "properties": {"x": "x" * 33_000}},
            {"type": "page", "messageId": "6", "userId": "u", "name": "Home"},
            {"type": "screen", "messageId": "7", "userId": "u", "name": "Start"},
            {"type": "alias", "messageId": "8", "userId": "u", "previousId": "before"},
            {"type": "group", "messageId": "9", "userId": "u", "groupId": "g"},
            7,
        ]
        assert (await desk.call("batch", {"batch": calls}, compressed=True)).status_code == 200
        assert [event.metric for event in await desk.mapped()] == ["First", "Viewed Page", "Viewed Screen"]
        reasons = sorted(message.reason or "" for message in await desk.refused())
        assert len(reasons) == 5
        assert any("32,768" in reason for reason in reasons) and any("'dance'" in reason for reason in reasons)

    async def test_takes_the_write_key_from_the_body_too(self, desk: Desk) -> None:
        body = {"writeKey": desk.key, "batch": [{"type": "track", "messageId": "1", "userId": "u", "event": "First"}]}
        answer = await desk.doors.client.post("/v1/batch", json=body)
        assert answer.status_code == 200
        assert desk.key not in repr([(event.attributes, event.profile_attributes) for event in await desk.mapped()])

    async def test_keeps_the_write_key_nowhere(self, desk: Desk) -> None:
        call = {"writeKey": desk.key, "userId": "u", "event": "First", "properties": {"price": 1.25}}
        large = call | {"type": "track", "messageId": "3", "properties": {"x": "x" * 33_000}}
        for name, body in (
            ("track", call | {"messageId": "1"}),
            ("track", call),
            ("batch", {"writeKey": desk.key, "batch": [call | {"type": "track", "messageId": "2"}, large]}),
        ):
            assert (await desk.doors.client.post(f"/v1/{name}", json=body)).status_code == 200
        assert len(await desk.mapped()) == 3
        sources = desk.doors.wiring.sources
        found = (await sources.messages(Wanted(store_id=STORE, kind="segment"), limit=100)).rows
        bodies = [(await sources.message(STORE, "segment", each.id)).message.body for each in found]
        assert len(bodies) == 4
        assert all(b"writeKey" not in body and desk.key.encode() not in body for body in bodies)
        assert json.loads(bodies[-1]) == {key: value for key, value in call.items() if key != "writeKey"} | {"messageId": "1"}


class TestRefusing:
    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("track", b"{"),
            ("track", b"[]"),
            ("batch", b'{"batch": 7}'),
            ("batch", b"{}"),
            ("track", b'{"event": "' + b"x" * 40_000 + b'"}'),
            ("batch", b'{"batch": ["' + b"x" * 520_000 + b'"]}'),
        ],
    )
    async def test_what_is_no_call_is_a_400_that_says_why(self, desk: Desk, name: str, body: bytes) -> None:
        answer = await desk.call(name, body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] in ("source_unreadable", "segment_too_large")
        assert await desk.mapped() == []

    async def test_a_strangers_key_is_a_401(self, desk: Desk) -> None:
        assert (await desk.call("track", ORDER, key="frt_unknown_key")).status_code == 401
        assert (await desk.call("track", ORDER, key="")).status_code == 401
        assert (await desk.doors.client.post("/v1/track", json=ORDER)).status_code == 401
        other = await desk.doors.token(Right.EVENTS_READ)
        assert (await desk.call("track", ORDER, key=other["authorization"][7:])).status_code == 403

    async def test_of_one_store_that_names_another_is_refused(self, desk: Desk) -> None:
        await desk.doors.wiring.connections.registry.create("second", "Second", actor=SYSTEM)
        token = {"authorization": f"Bearer {desk.key}"}
        for headers, query in ((token | {"ferrata-store": "second"}, ""), (token, "?store=nowhere")):
            refused = await desk.doors.client.post("/v1/track" + query, json=ORDER, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "other_store")
        assert await desk.mapped() == []
