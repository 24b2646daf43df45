"""The pages of the carts: found by filters, told as a story, readable for everybody, and hostile text stays text."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from ferrata.audit.schemas import SYSTEM
from ferrata.carts.documents import ActBody
from ferrata.carts.schemas import Act, Settings
from tests.browser import Complaints, accessibility_problems, overflows_sideways
from tests.pages.shop import STORE, Shop, open_shop

pytestmark = pytest.mark.browser
MUG = {"productId": "mug", "name": "Mug", "sku": "MUG-1", "quantity": 2, "price": "12.50"}
HOSTILE = "\"><script>document.title='owned'</script>{{7*7}}"


async def tell(shop: Shop, cart: str, act: Act, **body: Any) -> None:
    now = shop.wiring.clock.now()
    await shop.wiring.carts.tell(STORE, ActBody.model_validate(body).act(act, cart, now))


@pytest.fixture
async def shop(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as opened:
        await tell(opened, "k-guest", Act.ITEMS, items=[MUG])
        await tell(opened, "k-jane", Act.ITEMS, items=[MUG], email="jane.roe@shop.example")
        await tell(opened, "k-jane", Act.CHECKOUT)
        await tell(opened, "k-done", Act.ITEMS, items=[MUG], email="otto@shop.example")
        await tell(opened, "k-done", Act.PURCHASE, orderId="o-1")
        yield opened


async def test_carts_are_found_by_state_and_person(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui/carts")
    await expect(page.locator("#carts_list tbody tr")).to_have_count(3)
    await expect(page.get_by_text("j•••@shop.example")).to_be_visible()
    await page.goto(f"{shop.url}/ui/carts?state=ordered")
    await expect(page.get_by_role("link", name="k-done")).to_be_visible()
    await expect(page.get_by_role("link", name="k-jane")).to_have_count(0)
    await page.goto(f"{shop.url}/ui/carts?known=no")
    await expect(page.get_by_role("link", name="k-guest")).to_be_visible()
    await page.goto(f"{shop.url}/ui/carts?q=nobody")
    await expect(page.get_by_role("heading", name="No cart matches")).to_be_visible()


async def test_a_cart_tells_its_story_and_leads_to_its_events(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui/carts")
    await page.get_by_role("link", name="k-jane").click()
    story = page.get_by_role("list", name="The story of this cart")
    await expect(story.get_by_role("listitem")).to_have_count(2)
    await expect(story).to_contain_text("Started the checkout.")
    await expect(page.get_by_role("group", name="In the cart")).to_contain_text("MUG-1")
    await story.get_by_role("link", name="event 1").last.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Started Checkout")


async def test_what_happens_appears_by_itself(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui/carts")
    await expect(page.get_by_role("link", name="k-new")).to_have_count(0)
    await tell(shop, "k-new", Act.ITEMS, items=[MUG], email="new@shop.example")
    await expect(page.get_by_role("link", name="k-new")).to_be_visible(timeout=10_000)


async def test_settings_are_a_form_that_says_all_that_is_wrong_and_what_changes(
    shop: Shop, page: Page, complaints: Complaints
) -> None:
    await shop.visit(page, "/ui/carts")
    await page.locator("main").get_by_role("link", name="Settings").click()
    await page.get_by_label("Minutes of silence").fill("soon")
    await page.get_by_label("Names of events").fill("No Such Event = X")
    await page.get_by_role("button", name="See what changes").click()
    await expect(page.get_by_role("alert")).to_contain_text("to correct")
    complaints.found.clear()  # of the 422
    assert await accessibility_problems(page) == []
    await page.get_by_label("Minutes of silence").fill("25")
    await page.get_by_role("button", name="See what changes").click()
    await expect(page.get_by_role("alert")).to_contain_text("There is no such event")
    complaints.found.clear()  # of the 422
    await page.get_by_label("Names of events").fill("Added to Cart = In den Korb gelegt")
    await page.get_by_role("button", name="See what changes").click()
    await expect(page.get_by_role("region", name="What changes")).to_contain_text("25")
    assert (await shop.wiring.carts.settings(STORE)).silence_minutes == 10
    assert await accessibility_problems(page) == []
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("main")).to_contain_text("Saved.")
    saved = await shop.wiring.carts.settings(STORE)
    assert (saved.silence_minutes, saved.names) == (25, {"Added to Cart": "In den Korb gelegt"})
    await shop.wiring.carts.change_settings(STORE, Settings(), SYSTEM)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_pages_are_readable_for_everybody(shop: Shop, page: Page, theme: str, width: int) -> None:
    await tell(shop, HOSTILE[:100], Act.ITEMS, items=[{**MUG, "name": HOSTILE}], email="eve@shop.example")
    await page.set_viewport_size({"width": width, "height": 900})
    await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for path in ("/ui/carts", "/ui/carts?state=abandoned", "/ui/carts/of/k-jane", "/ui/carts/of/k-guest", "/ui/carts/settings"):
        await shop.visit(page, path)
        assert await accessibility_problems(page) == [], path
        assert await overflows_sideways(page) == [], path
    await page.goto(f"{shop.url}/ui/carts")
    await page.get_by_role("link", name="script").first.click()
    await expect(page.locator(".f-mono").first).to_contain_text("<script>")
    assert await page.title() != "owned"
    assert await overflows_sideways(page) == []
