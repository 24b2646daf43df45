"""What a shop tells of its carts, and what is made of it."""

from datetime import timedelta

import pytest

from tests.carts.conftest import JANE, MINUTE, MUG, TEA, Shop, properties
from tests.conftest import START

pytestmark = pytest.mark.anyio


class TestAnAct:
    async def test_makes_the_cart_keeps_it_and_tells_klaviyo(self, shop: Shop) -> None:
        told = await shop.post("k-1", "items", items=[MUG, TEA], **JANE)
        assert (told["state"], told["email"], told["total"], told["currency"]) == ("open", "jane@example.com", "29.90", "EUR")
        assert [item["name"] for item in told["items"]] == ["Mug", "Tea"]
        assert told["abandonAt"] == "2026-11-20T09:10:00Z"
        mug, tea = await shop.events()
        assert [event.id for event in (mug, tea)] == told["eventIds"]
        assert (mug.metric, mug.value, mug.currency, mug.source) == ("Added to Cart", "29.90", "EUR", "carts")
        assert properties(mug)["AddedItemProductName"] == "Mug"
        assert properties(mug)["AddedItemQuantity"] == 2
        assert properties(mug)["ItemNames"] == ["Mug", "Tea"]
        assert properties(mug)["CheckoutURL"].startswith("http://ferrata.test/carts/recover/")
        assert properties(tea)["AddedItemPrice"] == 4.9

    async def test_changes_the_cart_as_it_says(self, shop: Shop) -> None:
        await shop.post("k-1", "items", items=[MUG], **JANE)
        for act, body, total in (
            ("items", {"items": [MUG]}, "50.00"),
            ("items", {"items": [TEA]}, "54.90"),
            ("remove", {"lineId": "mug"}, "4.90"),
            ("remove", {"lineId": "mug"}, "4.90"),
            ("update", {"items": [TEA | {"quantity": 3}]}, "14.70"),
            ("update", {"items": [TEA | {"quantity": 0}]}, "0.00"),
            ("update", {"items": [MUG]}, "25.00"),
            ("checkout", {}, "25.00"),
            ("clear", {}, "0.00"),
        ):
            shop.clock.advance(1)
            assert (await shop.post("k-1", act, **body))["total"] == total, act
        assert await shop.metrics() == [
            *["Added to Cart"] * 3,
            "Removed from Cart",
            *["Updated Cart"] * 3,
            "Started Checkout",
            "Updated Cart",
        ]
        assert properties((await shop.events())[-1])["Cleared"] is True
        assert await shop.story("k-1") == [
            "Added 2 × Mug.",
            "Added 2 × Mug.",
            "Added 1 × Tea.",
            "Removed Mug.",
            "Nothing to remove: this line was not in the cart.",
            *["Updated."] * 3,
            "Started the checkout.",
            "Cleared.",
        ]

    async def test_told_twice_counts_once(self, shop: Shop) -> None:
        first = await shop.post("k-1", "items", items=[MUG], actId="a-1", **JANE)
        again = await shop.post("k-1", "items", items=[MUG], actId="a-1", **JANE)
        assert (again["repeated"], again["total"], again["eventIds"]) == (True, "25.00", first["eventIds"])
        assert len(await shop.events()) == 1

    async def test_that_changes_nothing_is_no_event_but_a_sign_of_life(self, shop: Shop) -> None:
        await shop.post("k-1", "items", items=[MUG], **JANE)
        shop.clock.advance(5 * MINUTE)
        told = await shop.post("k-1", "update", items=[MUG])
        assert (told["eventIds"], told["abandonAt"]) == ([], "2026-11-20T09:15:00Z")

    async def test_has_its_own_time_but_never_one_of_the_future(self, shop: Shop) -> None:
        past = (START - timedelta(minutes=3)).isoformat()
        await shop.post("k-1", "checkout", items=[MUG], time=past, **JANE)
        [event] = await shop.events()
        assert event.occurred_at == START - timedelta(minutes=3)
        await shop.post("k-1", "checkout", 400, time="2030-01-01T00:00:00Z")

    async def test_that_is_wrong_is_refused_with_the_place(self, shop: Shop) -> None:
        wrong: list[tuple[str, dict[str, object], str]] = [
            ("items", {}, "items"),
            ("items", {"items": []}, "items"),
            ("update", {}, "items"),
            ("remove", {}, "lineId"),
            ("checkout", {"email": "nobody"}, "email"),
            ("checkout", {"phone": "0301234"}, "phone"),
            ("items", {"items": [MUG | {"price": "-1"}]}, "items.0.price"),
            ("items", {"items": [MUG | {"url": "javascript:alert(1)"}]}, "items.0.url"),
            ("checkout", {"checkoutUrl": "data:text/html,x"}, "checkoutUrl"),
            ("checkout", {"currency": "euro"}, "currency"),
            ("checkout", {"colour": "red"}, "colour"),
        ]
        for act, body, path in wrong:
            told = await shop.post("k-1", act, 400, **body)
            assert path in [error["path"] for error in told["errors"]], told
        assert (await shop.get("/carts"))["carts"] == []

    async def test_of_an_unknown_kind_is_refused(self, shop: Shop) -> None:
        assert (await shop.doors.client.post("/carts/k-1/dance", json={}, headers=shop.headers)).status_code == 404
        assert (await shop.doors.client.post("/carts/recover/x", json={}, headers=shop.headers)).status_code == 405

    async def test_takes_the_stores_names_and_leaves_out_what_it_does_not_want(self, shop: Shop) -> None:
        await shop.settle(names={"Started Checkout": "Went to Till"}, silent=["Added to Cart"])
        await shop.post("k-1", "items", items=[MUG], **JANE)
        await shop.post("k-1", "checkout")
        assert await shop.metrics() == ["Went to Till"]


class TestManyActs:
    async def test_are_answered_one_by_one(self, shop: Shop) -> None:
        acts = [
            {"act": "items", "cartId": "k-1", "actId": "a", "items": [MUG], **JANE},
            {"act": "remove", "cartId": "k-1", "actId": "b"},
            {"act": "checkout", "cartId": "k-1", "actId": "c"},
        ]
        for _ in range(2):
            answer = await shop.doors.client.post("/carts/acts", json={"acts": acts}, headers=shop.headers)
            assert answer.status_code == 200, answer.text
            assert [each.get("id") for each in answer.json()] == ["a", None, "c"]
            assert "acts.1.lineId must name what was removed" in answer.json()[1]["message"]
        assert await shop.metrics() == ["Added to Cart", "Started Checkout"]


class TestAGuest:
    async def test_is_told_of_once_they_are_known_with_the_times_that_things_happened(self, shop: Shop) -> None:
        await shop.post("k-1", "items", items=[MUG])
        shop.clock.advance(MINUTE)
        told = await shop.post("k-1", "checkout")
        assert (told["abandonAt"], await shop.events()) == (None, [])
        shop.clock.advance(MINUTE)
        told = await shop.post("k-1", "person", **JANE)
        assert len(told["eventIds"]) == 2
        events = await shop.events()
        assert [event.metric for event in events] == ["Added to Cart", "Started Checkout"]
        assert [event.occurred_at for event in events] == [START, START + timedelta(minutes=1)]
        assert {event.email for event in events} == {"jane@example.com"}
        assert events[0].value == "25.00"
        assert told["abandonAt"] == "2026-11-20T09:12:00Z"
        await shop.post("k-1", "person", **JANE)
        assert len(await shop.events()) == 2


class TestTheList:
    async def test_shows_carts_with_filters_page_by_page(self, shop: Shop) -> None:
        for number in range(3):
            shop.clock.advance(1)
            await shop.post(f"k-{number} ä", "items", items=[MUG], **(JANE if number else {}))
        await shop.post("k-2 ä", "purchase", orderId="o-1")
        first = await shop.get("/carts?limit=2")
        rest = await shop.get(f"/carts?limit=2&cursor={first['nextCursor']}")
        assert [cart["cartId"] for cart in first["carts"] + rest["carts"]] == ["k-2 ä", "k-1 ä", "k-0 ä"]
        assert rest["nextCursor"] is None
        for query, ids in (
            ("state=ordered", ["k-2 ä"]),
            ("known=false", ["k-0 ä"]),
            ("q=Jane%40example.com", ["k-2 ä", "k-1 ä"]),
            ("q=k-1 ä", ["k-1 ä"]),
        ):
            assert [cart["cartId"] for cart in (await shop.get(f"/carts?{query}"))["carts"]] == ids, query

    async def test_forgets_what_nobody_has_touched_for_long(self, shop: Shop) -> None:
        await shop.settle(keepDays=2)
        await shop.post("old", "items", items=[MUG], **JANE)
        shop.clock.advance(86_400)
        await shop.post("new", "items", items=[MUG], **JANE)
        shop.clock.advance(86_400 + 1)
        assert await shop.wiring.carts.forget() == 1
        assert [cart["cartId"] for cart in (await shop.get("/carts"))["carts"]] == ["new"]
        assert (await shop.doors.client.get("/carts/old", headers=shop.headers)).status_code == 404


class TestSettings:
    async def test_are_kept_checked_and_noted(self, shop: Shop) -> None:
        await shop.settle(silenceMinutes=30, shopUrl="https://shop.example/cart?id={cart_id}")
        assert (await shop.get("/cart-settings"))["silenceMinutes"] == 30
        records = (await shop.wiring.audit.newest()).rows
        assert [record.action for record in records].count("carts.settings_changed") == 1
        for wrong in ({"silent": ["Nonsense"]}, {"names": {"Nonsense": "x"}}, {"silenceMinutes": 0}, {"shopUrl": "ftp://x"}):
            answer = await shop.doors.client.put("/cart-settings", json=wrong, headers=shop.headers)
            assert answer.status_code == 400, answer.text
