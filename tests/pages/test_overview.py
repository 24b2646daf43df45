"""The overview answers whether everything is kept and moving, and what to do if not."""

import pytest
from playwright.async_api import Page, expect

from ferrata.dashboard.guide import METRIC, Guide
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.pages.events import checkout, order
from tests.pages.shop import STORE, Guided, Shop

pytestmark = pytest.mark.browser


async def test_it_says_what_to_do_while_nothing_has_come(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui")
    await expect(page.get_by_role("heading", name="Ready: the first event can come")).to_be_visible()
    await expect(page.locator("#latest")).to_contain_text("None yet.")


async def test_one_line_tells_that_all_is_well_and_follows_live(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui")
    await expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    ids = await shop.accept(*(order(number) for number in range(3)))
    await shop.settled(ids)
    heading = page.get_by_role("heading", name="All 3 events of today are safe; all are delivered; nothing needs you")
    await expect(heading).to_be_visible()
    await expect(page.locator("#latest tbody tr")).to_have_count(3)
    delivered = page.locator("#tiles .f-stat", has_text="Delivered")
    await expect(delivered.locator(".f-stat-value")).to_have_text("3")


async def test_the_chart_names_the_allowed_rate(shop: Shop, page: Page) -> None:
    await shop.settled(await shop.accept(order(1)))
    await shop.visit(page, "/ui")
    await expect(page.locator("#throughput")).to_contain_text("Klaviyo allows 153,500 a minute")
    assert "allowed 153,500" in str(await page.locator("#throughput-chart-data").text_content())
    await expect(page.locator("#throughput canvas")).to_be_visible()


async def test_a_refused_key_comes_first_with_its_mending(shop: Shop, page: Page) -> None:
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
    await shop.accept(order(1), checkout(2))
    await shop.visit(page, "/ui")
    heading = page.get_by_role("heading", name="Klaviyo refuses the key: 2 events wait, none is lost")
    await expect(heading).to_be_visible()
    await expect(page.get_by_role("link", name="Add a new key")).to_have_attribute("href", "/ui/settings/connection")
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY, revoked=False)
    await page.get_by_role("button", name="Try again now").click()
    await page.goto(shop.url + "/ui")
    await expect(page.get_by_role("heading", name="nothing needs you")).to_be_visible()


async def test_dead_letters_are_shown_with_their_reason(shop: Shop, page: Page) -> None:
    shop.refuse("poison")
    await shop.settled(await shop.accept(order(1), order(2, note="poison")))
    await shop.visit(page, "/ui")
    await expect(page.get_by_role("heading", name="All 2 events of today are safe; 1 dead letter needs you")).to_be_visible()
    await expect(page.locator("#letters li")).to_have_count(1)
    await page.locator("#letters a[data-row]").click()
    await expect(page.get_by_role("heading", name="Klaviyo refuses this event")).to_be_visible()


async def test_the_guide_leads_from_the_first_event_to_a_mended_key(guided: Guided, page: Page) -> None:
    shop = guided.shop
    await shop.visit(page, "/ui")
    guide = page.locator("#guide")
    await expect(guide.locator("pre")).to_contain_text(f"curl -sS {shop.url}/events")
    await expect(guide.locator("pre")).to_contain_text(guided.token)
    await shop.accept({"eventName": METRIC, "email": "you@example.com", "value": 19.9})
    await expect(guide.get_by_role("link", name="Read its whole story")).to_be_visible()
    await guide.get_by_role("button", name="Break the key").click()
    await shop.accept(order(1))
    await guide.get_by_role("button", name="Mend the key").click()
    await shop.wiring.delivery.probe(STORE)
    await expect(guide).to_contain_text("everything arrived, once")
    assert isinstance(shop.wiring.guide, Guide)


async def test_the_guide_follows_whoever_uses_a_terminal_instead(guided: Guided, page: Page) -> None:
    shop = guided.shop
    await shop.visit(page, "/ui")
    guide = page.locator("#guide")
    await expect(guide).to_contain_text("0 of 5 done")
    await shop.accept({"eventName": "Purchase", "email": "john.doe@example.com"})
    await expect(guide).to_contain_text("1 of 5 done")
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
    await shop.accept(order(1))
    await expect(guide).to_contain_text("3 of 5 done")
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY, revoked=False)
    await shop.wiring.delivery.probe(STORE)
    await expect(guide).to_contain_text("everything arrived, once")
