"""The explorer: a table like a log, filters in the address, a live tail, nobody's name until asked for."""

import pytest
from playwright.async_api import Page, expect

from tests.pages.events import checkout, order
from tests.pages.shop import Shop

pytestmark = pytest.mark.browser
ROWS = "#events tr"


async def test_without_events_it_shows_how_to_send_one(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui/events")
    await expect(page.get_by_role("heading", name="No events yet")).to_be_visible()
    await expect(page.locator(".f-empty pre")).to_contain_text(f"{shop.url}/events")


async def test_rows_tell_when_what_who_how_much_and_how_it_stands(shop: Shop, page: Page) -> None:
    await shop.settled(await shop.accept(order(1)))
    await shop.visit(page, "/ui/events")
    row = page.locator(ROWS)
    for told in ("Placed Order", "m•••@example.org", "€127.90", "api", "Delivered"):
        await expect(row).to_contain_text(told)
    await expect(page.locator("body")).not_to_contain_text("mira1@example.org")
    await page.get_by_role("link", name="Show them").click()
    await expect(row).to_contain_text("mira1@example.org")


async def test_filters_stand_in_the_address_and_hold_together(shop: Shop, page: Page) -> None:
    await shop.settled(await shop.accept(order(1, Note="blue rope"), order(2), checkout(1, Note="blue rope"), order(3)))
    await shop.visit(page, "/ui/events")
    await page.get_by_label("Text in properties").fill("BLUE rope")
    await page.get_by_label("Metric").select_option("Placed Order")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator(ROWS)).to_have_count(1)
    assert "q=BLUE+rope" in page.url and "metric=Placed+Order" in page.url
    await page.goto(f"{shop.url}/ui/events?person=Mira1@Example.org&state=delivered")
    await expect(page.locator(ROWS)).to_have_count(2)
    await page.goto(f"{shop.url}/ui/events?metric=Unheard")
    await expect(page.get_by_role("heading", name="No event matches")).to_be_visible()
    await page.get_by_role("link", name="Clear 1 filter").click()
    await expect(page.locator(ROWS)).to_have_count(4)


async def test_days_are_the_stores_own(shop: Shop, page: Page) -> None:
    await shop.accept(order(1))
    today = f"{shop.wiring.clock.now():%Y-%m-%d}"
    await shop.visit(page, f"/ui/events?since={today}&until={today}")
    await expect(page.locator(ROWS)).to_have_count(1)
    await page.goto(f"{shop.url}/ui/events?until=2020-01-01")
    await expect(page.get_by_role("heading", name="No event matches")).to_be_visible()


async def test_an_unreadable_filter_is_named(shop: Shop, page: Page) -> None:
    await shop.sign_in(page.context)
    for query, named in (("person=nobody", "person must be a valid e-mail address"), ("since=yesterday", "since is not a day")):
        answer = await page.request.get(f"{shop.url}/ui/events?{query}", headers={"accept": "text/html"})
        assert answer.status == 400
        assert named in await answer.text()


async def test_pages_follow_each_other_by_key(shop: Shop, page: Page) -> None:
    await shop.accept(*(order(number) for number in range(60)))
    await shop.visit(page, "/ui/events")
    await expect(page.locator(ROWS)).to_have_count(50)
    await page.get_by_role("link", name="Older").click()
    await expect(page.locator(ROWS)).to_have_count(10)
    await expect(page.locator("body")).not_to_have_attribute("data-live", "")
    await page.get_by_role("link", name="Newer").click()
    await expect(page.locator(ROWS)).to_have_count(50)


async def test_the_tail_is_live_and_can_be_paused(shop: Shop, page: Page) -> None:
    await shop.settled(await shop.accept(order(1)))
    await shop.visit(page, "/ui/events")
    await expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    await shop.settled(await shop.accept(order(2)))
    await expect(page.locator(ROWS)).to_have_count(2)
    await expect(page.locator(ROWS).first).to_contain_text("Delivered")
    await page.get_by_role("button", name="Pause").click()
    await shop.accept(order(3))
    await page.get_by_role("button", name="Show 1 new").click()
    await expect(page.locator(ROWS)).to_have_count(3)


async def test_an_event_arrives_where_there_was_none(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui/events")
    await expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    await shop.accept(order(1))
    await expect(page.locator(ROWS)).to_have_count(1)


async def test_keys_lead_to_an_event(shop: Shop, page: Page) -> None:
    await shop.settled(await shop.accept(order(1), checkout(2)))
    await shop.visit(page, "/ui/events")
    await page.keyboard.press("/")
    await expect(page.get_by_label("Text in properties")).to_be_focused()
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Placed Order")


async def test_the_export_holds_what_the_filters_show(shop: Shop, page: Page) -> None:
    await shop.settled(await shop.accept(order(1), checkout(2)))
    await shop.visit(page, "/ui/events?metric=Placed+Order")
    href = await page.get_by_role("link", name="Export as CSV").get_attribute("href")
    answer = await page.request.get(shop.url + str(href))
    lines = (await answer.text()).splitlines()
    assert answer.status == 200 and len(lines) == 2
    assert "mira1@example.org" in lines[1]
