"""The catalogue's pages and what programs see of it, and the story of a delivery that is no event."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page, expect
from sqlalchemy import Connection

from ferrata.access.schemas import ALL_RIGHTS
from ferrata.audit.schemas import SYSTEM
from ferrata.catalog.schemas import CatalogChange, Relationships
from ferrata.commerce.tracked import PersonRef, ProfileChange
from ferrata.delivery.schemas import Filter
from ferrata.infra.paging import make_cursor
from tests.browser import accessibility_problems, overflows_sideways
from tests.pages.shop import STORE, Shop, open_shop
from tests.pages.test_delivery_commands import Terminal

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTILE = """"><script>document.title = "owned"</script>{{ 7 * 7 }}"""


def thing(kind: Any, id_: str, **attributes: Any) -> CatalogChange:
    related = Relationships(item="helmet" if kind == "variant" else None, categories=("climbing",) if kind == "item" else None)
    shown = {"title": f"Helmet {id_}", "description": "Keeps a head whole", "url": "https://shop.test/helmet"}
    of_kind = {
        "item": shown,
        "variant": {**shown, "sku": id_, "inventory_quantity": 4, "price": 59.9},
        "category": {"name": "Climbing"},
    }
    return CatalogChange(kind, "put", id_, NOON, {**of_kind[kind], **attributes}, related, 1)


@pytest.fixture(scope="module")
async def looked_at(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[tuple[Shop, Path]]:
    """A shop whose catalogue has one of each, and one of which Klaviyo refuses the price."""
    folder: Path = tmp_path_factory.mktemp("catalogue")
    things = [thing("category", "climbing"), thing("item", "helmet"), thing("variant", "helmet/s"), thing("variant", "helmet/m")]
    person = ProfileChange(PersonRef(email="mira1@example.org"), {"first_name": "Mira"}, NOON, "m-1")
    async with open_shop(folder) as shop:
        wiring = shop.wiring

        def record(connection: Connection) -> None:
            wiring.catalog.record(connection, STORE, [*things, thing("item", HOSTILE, price="free")], history=False)
            wiring.profiles.change(connection, STORE, [person], history=False)

        await wiring.database.write(record)
        wiring.catalog.wake(STORE)
        wiring.profiles.wake(STORE)
        for _ in range(200):
            lanes = await wiring.delivery.lanes(STORE)
            if len(lanes) == 3 and not any(lane.waiting or lane.sending for lane in lanes):
                break
            await asyncio.sleep(0.1)
        yield shop, folder


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
async def test_pages_are_readable_for_everybody(looked_at: tuple[Shop, Path], page: Page, theme: str, width: int) -> None:
    shop, _ = looked_at
    (letter,) = (await shop.wiring.delivery.dead_letters(Filter(STORE))).rows
    person = (await shop.wiring.profiles.find(STORE, "mira1@example.org")).delivery_id  # type: ignore[union-attr]
    await page.set_viewport_size({"width": width, "height": 900})
    await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for path in (
        "/ui/catalogue",
        "/ui/catalogue?q=nothing",
        "/ui/catalogue/one?kind=item&id=helmet",
        f"/ui/deliveries/{letter.id}",
        f"/ui/deliveries/{person}",
        "/ui/lanes",
        "/ui/dead-letters",
    ):
        await shop.visit(page, path)
        assert await accessibility_problems(page) == [], path
        assert await overflows_sideways(page) == [], path
        assert await page.title() != "owned"


@pytest.mark.browser
async def test_a_thing_is_found_and_leads_to_what_became_of_it(looked_at: tuple[Shop, Path], page: Page) -> None:
    shop, _ = looked_at
    await shop.visit(page, "/ui/catalogue?kind=variant&q=helmet/s")
    await page.get_by_role("link", name="Helmet helmet/s").click()
    await expect(page.get_by_text("What Klaviyo was told")).to_be_visible()
    await page.locator("tbody a").first.click()
    await expect(page.get_by_text("Klaviyo took it.")).to_be_visible()
    await shop.visit(page, "/ui/lanes")
    await expect(page.get_by_role("article", name="Catalogue")).to_contain_text("catalogue changes")
    await shop.visit(page, "/ui/dead-letters")
    await page.locator("tbody a").first.click()
    await expect(page.get_by_text("Klaviyo refuses it")).to_be_visible()


async def test_programs_see_the_same(looked_at: tuple[Shop, Path]) -> None:
    shop, _ = looked_at
    token = await shop.wiring.access.tokens.create("tests", actor=SYSTEM, store_id=STORE, rights=ALL_RIGHTS, expires_at=None)
    async with httpx2.AsyncClient(base_url=shop.url, headers={"authorization": f"Bearer {token.secret}"}) as client:
        first = (await client.get("/catalog", params={"limit": 2})).json()
        second = (await client.get("/catalog", params={"limit": 4, "cursor": first["nextCursor"]})).json()
        assert (len(first["things"]), len(second["things"]), second["nextCursor"]) == (2, 3, None)
        variants = (await client.get("/catalog", params={"kind": "variant", "item": "helmet"})).json()["things"]
        assert {each["externalId"]: each["delivery"]["state"] for each in variants} == {
            "helmet/s": "delivered",
            "helmet/m": "delivered",
        }
        one = (await client.get("/catalog/item", params={"externalId": "helmet"})).json()
        assert one["thing"]["categories"] == ["climbing"]
        assert [each["state"] for each in one["deliveries"]] == ["delivered"]
        assert (await client.get("/catalog/item", params={"externalId": "none"})).status_code == 404
        for cursor in (
            "x",
            make_cursor("yesterday", "x"),
            make_cursor("2026-01-01", "x"),
            make_cursor("0001-01-01T00:00+14:00", "x"),
        ):
            assert (await client.get("/catalog", params={"cursor": cursor})).status_code == 400


async def test_the_terminal_shows_it_too(looked_at: tuple[Shop, Path]) -> None:
    _, folder = looked_at
    terminal = Terminal(folder)
    listed = await terminal.json("catalog", "list", "--kind", "category")
    assert [(each["external_id"], each["delivery"]) for each in listed] == [("climbing", "delivered")]
    out, _ = await terminal.run("catalog", "show", "item", "helmet")
    assert '"state": "delivered"' in out
