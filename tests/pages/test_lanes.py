"""The lanes' page: rates with their limits, and parked lanes that explain themselves."""

import pytest
from playwright.async_api import Browser, Page, expect

from ferrata.access.schemas import Role
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.pages.events import order
from tests.pages.shop import Shop

pytestmark = pytest.mark.browser


async def test_a_lane_shows_its_rates_beside_their_limits(shop: Shop, page: Page) -> None:
    await shop.settled(await shop.accept(order(1)))
    await shop.visit(page, "/ui/lanes")
    lane = page.get_by_role("article")
    await expect(lane.locator(".f-gauge")).to_have_count(4)
    for told in (
        "of 350 requests per second",
        "of 3,500 requests per minute",
        "of 10 requests",
        "of 150 requests",
        "nothing waits",
    ):
        await expect(lane).to_contain_text(told)


async def test_a_parked_lane_explains_itself_and_is_opened_again(shop: Shop, page: Page) -> None:
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
    ids = await shop.accept(order(1), order(2))
    await shop.visit(page, "/ui/lanes")
    lane = page.get_by_role("article")
    await expect(lane).to_contain_text("Klaviyo refuses the key")
    await expect(lane).to_contain_text("2 events wait, none is lost.")
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY, revoked=False)
    await lane.get_by_role("button", name="Try again now").click()
    await expect(page.locator(".f-notice")).to_contain_text("was opened and tries now")
    await shop.settled(ids)
    await expect(lane).to_contain_text("nothing waits")


async def test_filters_find_lanes_by_state_and_store(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui/lanes?state=parked")
    await expect(page.get_by_role("heading", name="No lane matches")).to_be_visible()
    await page.goto(f"{shop.url}/ui/lanes?q=default")
    await expect(page.get_by_role("article")).to_have_count(1)


async def test_readers_are_offered_nothing_that_they_may_not_do(shop: Shop, browser: Browser) -> None:
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
    await shop.accept(order(1))
    context = await shop.open(browser, Role.READER)
    page = await context.new_page()
    await page.goto(shop.url + "/ui/lanes")
    await expect(page.get_by_role("article")).to_contain_text("Klaviyo refuses the key")
    await expect(page.get_by_role("button", name="Try again now")).to_have_count(0)
    answer = await page.request.post(f"{shop.url}/ui/lanes/default/events/probe", headers={"sec-fetch-site": "same-origin"})
    assert answer.status == 403
    await context.close()


async def test_without_a_key_the_lane_asks_for_one(keyless: Shop, page: Page) -> None:
    await keyless.accept(order(1))
    await keyless.visit(page, "/ui/lanes")
    await expect(page.get_by_role("article")).to_contain_text("No key yet")
    await expect(page.get_by_role("link", name="Add a key")).to_have_attribute("href", "/ui/settings/connection")
