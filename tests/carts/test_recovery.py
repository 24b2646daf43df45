"""Links that bring a cart back: signed, ending, and telling nothing about anybody."""

import base64

import pytest

from tests.carts.conftest import JANE, MUG, Shop

pytestmark = pytest.mark.anyio
DAY = 86_400.0


async def link(shop: Shop, cart: str = "k-1", **body: object) -> str:
    told = await shop.post(cart, "items", items=[MUG], **JANE, **body)
    address: str = told["recoveryUrl"]
    return address.removeprefix("http://ferrata.test")


class TestALink:
    async def test_leads_to_the_cart_in_the_shop_without_a_token_of_ours(self, shop: Shop) -> None:
        await shop.settle(shopUrl="https://shop.example/cart?restore={cart_id}")
        answer = await shop.doors.client.get(await link(shop, "k 1&x=ä"))
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("https://shop.example/cart?restore=k%201")
        assert "&x=" not in answer.headers["location"]
        assert answer.headers["cache-control"] == "no-store"

    async def test_leads_to_where_the_shop_said_that_this_cart_is(self, shop: Shop) -> None:
        await shop.settle(shopUrl="https://shop.example/{cart_id}")
        answer = await shop.doors.client.get(await link(shop, checkoutUrl="https://shop.example/c/abc"))
        assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example/c/abc")

    async def test_answers_what_is_in_the_cart_and_nothing_about_the_person(self, shop: Shop) -> None:
        await shop.settle(recovery="contents", shopUrl="https://shop.example/{cart_id}")
        answer = await shop.doors.client.get(await link(shop))
        assert answer.status_code == 200
        assert answer.json()["cartId"] == "k-1"
        assert (answer.json()["total"], answer.json()["items"][0]["name"]) == ("25.00", "Mug")
        assert "jane" not in answer.text.lower()

    async def test_holds_nothing_that_could_be_guessed_or_read(self, shop: Shop) -> None:
        first, second = await link(shop, "jane@example.com"), await link(shop, "k-2")
        token = first.rpartition("/")[2]
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        assert b"jane" not in raw
        assert first != second

    async def test_ends(self, shop: Shop) -> None:
        await shop.settle(recoveryDays=7)
        address = await link(shop)
        shop.clock.advance(7 * DAY)
        assert (await shop.doors.client.get(address)).status_code in (200, 302)
        shop.clock.advance(1 * DAY)
        answer = await shop.doors.client.get(address)
        assert (answer.status_code, answer.json()["code"]) == (410, "cart_link_expired")

    async def test_that_was_changed_in_any_place_leads_nowhere(self, shop: Shop) -> None:
        address = await link(shop)
        path, _, token = address.rpartition("/")
        for place in range(0, len(token) - 1, 3):
            other = "A" if token[place] != "A" else "B"
            answer = await shop.doors.client.get(f"{path}/{token[:place]}{other}{token[place + 1 :]}")
            assert (answer.status_code, answer.json()["code"]) == (404, "cart_link_unknown")
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet[alphabet.index(token[-1]) ^ 1]  # differs in a bit that holds nothing
        for nonsense in (token[:-1] + last, "x", token[:-1], token + "A", "A" * 5000, "ä" * 50, token.upper()):
            assert (await shop.doors.client.get(f"{path}/{nonsense}")).status_code in (404, 414, 431, 400)

    async def test_is_signed_with_a_secret_that_is_sealed_at_rest(self, shop: Shop) -> None:
        await link(shop)
        rows = await shop.wiring.database.read(
            lambda connection: connection.exec_driver_sql("SELECT sealed FROM cart_settings").fetchall()
        )
        assert [row[0].startswith("v1.") for row in rows] == [True]
