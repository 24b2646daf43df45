"""Carts through the hook: told without waiting, arriving once and in their order, also after Ferrata was away."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from ferrata.client import AsyncFerrata, Ferrata
from tests.client.conftest import Served
from tests.client.test_client import closed, flushed

MUG = {"productId": "mug", "name": "Mug", "quantity": 1, "price": Decimal("12.50")}


async def carts(served: Served) -> list[dict[str, Any]]:
    answer = await served.doors.client.get("/carts", headers={"authorization": f"Bearer {served.token}"})
    found: list[dict[str, Any]] = answer.json()["carts"]
    return found


class TestACart:
    async def test_arrives_in_order_beside_events(self, served: Served) -> None:
        client = Ferrata(served.url, served.token, **served.options())
        client.cart("k-1", "items", items=[MUG], email="jane@shop.com", currency="EUR")
        client.track("Viewed", email="jane@shop.com")
        client.cart("k-1", "items", items=[MUG])
        client.cart("k-1", "checkout")
        assert await flushed(client)
        [cart] = await carts(served)
        assert (cart["total"], cart["email"]) == ("25.00", "jane@shop.com")
        assert sorted(event["eventName"] for event in await served.kept()) == [
            *["Added to Cart"] * 2,
            "Started Checkout",
            "Viewed",
        ]
        assert (client.counts.tracked, client.counts.accepted) == (4, 4)
        await closed(client)

    async def test_is_told_once_although_answers_are_lost_and_ferrata_is_away(self, served: Served, tmp_path: Path) -> None:
        served.network.is_cut.set()
        client = Ferrata(served.url, served.token, **served.options(spool=tmp_path / "spool"))
        for _ in range(5):
            client.cart("k-1", "items", items=[MUG], email="jane@shop.com")
        await closed(client, 1.0)
        assert await carts(served) == []
        served.network.is_cut.clear()
        served.network.loses_answers.set()
        after = Ferrata(served.url, served.token, **served.options(spool=tmp_path / "spool"))
        after.cart("k-1", "checkout")
        assert await flushed(after)
        [cart] = await carts(served)
        assert cart["total"] == "62.50"
        assert [event["eventName"] for event in await served.kept()].count("Added to Cart") == 5
        await closed(after)

    async def test_that_is_wrong_is_dropped_alone_and_told(self, served: Served) -> None:
        told: list[str] = []
        client = Ferrata(served.url, served.token, on_drop=lambda _id, reason: told.append(reason), **served.options())
        assert client.cart("k-1", "items", items=[{"price": object()}]) is None
        client.cart("k-1", "remove")
        client.cart("k-1", "dance")
        client.cart("k-1", "items", items=[MUG], email="jane@shop.com")
        assert await flushed(client)
        assert len(await carts(served)) == 1
        assert len(told) == 3
        assert any("lineId must name what was removed" in reason for reason in told)
        assert (client.counts.accepted, client.counts.dropped) == (1, 3)
        await closed(client)

    async def test_is_told_from_asyncio(self, served: Served) -> None:
        async with AsyncFerrata(served.url, served.token, **served.options()) as client:
            client.cart("k-1", "items", items=[MUG])
            assert await client.flush()
        assert (await carts(served))[0]["email"] is None
