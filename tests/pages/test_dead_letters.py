"""The dead letters' pages: by reason first, a dry run before every change, and nothing changed that nobody was shown."""

import pytest
from playwright.async_api import Browser, Page, expect

from ferrata.delivery.schemas import State
from tests.pages.events import order
from tests.pages.shop import STORE, Shop

pytestmark = pytest.mark.browser


@pytest.fixture
async def dead(shop: Shop) -> list[str]:
    """Three dead letters among five events."""
    shop.refuse("poison")
    ids = await shop.accept(*(order(number, note="poison" if number < 3 else "fine") for number in range(5)))
    states = await shop.settled(ids)
    return [id_ for id_ in ids if states[id_].state is State.DEAD]


async def test_without_any_the_page_says_what_would_be_here(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui/dead-letters")
    await expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()


async def test_a_group_is_replayed_after_a_dry_run(shop: Shop, dead: list[str], page: Page) -> None:
    await shop.visit(page, "/ui/dead-letters")
    group = page.locator(".f-group")
    await expect(group).to_have_count(1)
    await expect(group).to_contain_text("3 dead letters")
    await group.get_by_role("link", name="Replay").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Replay 3 dead letters?")
    await expect(page.locator(".f-dry-run")).to_contain_text("Nothing has been changed.")
    assert {found.state for found in (await shop.wiring.delivery.states(dead)).values()} == {State.DEAD}
    shop.sandbox.faults.clear()
    await page.get_by_role("button", name="Replay 3 events").click()
    await expect(page.locator(".f-notice")).to_contain_text("3 events were put back into the lane")
    await shop.settled(dead, [State.DELIVERED])
    records = (await shop.wiring.audit.newest()).rows
    assert records[0].action == "delivery.dead_letters_replayed"
    assert records[0].after["count"] == 3


async def test_those_that_are_picked_are_discarded(shop: Shop, dead: list[str], page: Page) -> None:
    await shop.visit(page, "/ui/dead-letters")
    await page.locator(f'input[value="{dead[0]}"]').check()
    await page.locator(".f-pick-bar").get_by_role("button", name="Discard").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Discard 1 dead letter?")
    await page.get_by_role("button", name="Discard 1 event").click()
    await expect(page.locator(".f-notice")).to_contain_text("1 event was discarded")
    states = await shop.wiring.delivery.states(dead)
    assert [states[id_].state for id_ in dead] == [State.DISCARDED, State.DEAD, State.DEAD]


async def test_what_died_after_the_dry_run_stays(shop: Shop, dead: list[str], page: Page) -> None:
    await shop.visit(page, "/ui/dead-letters/discard?reason=invalid")
    later = await shop.accept(order(9, note="poison"))
    await shop.settled(later)
    await page.get_by_role("button", name="Discard 3 events").click()
    await expect(page.locator(".f-notice")).to_contain_text("3 events were discarded")
    states = await shop.wiring.delivery.states([*dead, *later])
    assert states[later[0]].state is State.DEAD


async def test_nothing_named_changes_nothing(shop: Shop, dead: list[str], page: Page) -> None:
    await shop.sign_in(page.context)
    await page.request.post(f"{shop.url}/ui/dead-letters/discard", headers={"sec-fetch-site": "same-origin"})
    assert await shop.wiring.delivery.dead_count(STORE) == len(dead)


async def test_it_works_without_a_script(shop: Shop, dead: list[str], browser: Browser) -> None:
    context = await shop.open(browser, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(shop.url + "/ui/dead-letters")
    await page.locator(f'input[value="{dead[1]}"]').check()
    await page.locator(".f-pick-bar").get_by_role("button", name="Replay").click()
    shop.sandbox.faults.clear()
    await page.get_by_role("button", name="Replay 1 event").click()
    await expect(page.locator(".f-notice")).to_contain_text("1 event was put back")
    await shop.settled([dead[1]], [State.DELIVERED])
    await context.close()


async def test_groups_are_live(shop: Shop, page: Page) -> None:
    await shop.visit(page, "/ui/dead-letters")
    await expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    shop.refuse("poison")
    await shop.accept(order(1, note="poison"))
    await expect(page.locator(".f-group")).to_contain_text("1 dead letter")


async def test_filters_and_export(shop: Shop, dead: list[str], page: Page) -> None:
    await shop.visit(page, "/ui/dead-letters?reason=other")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await page.goto(f"{shop.url}/ui/dead-letters?reason=invalid")
    href = await page.get_by_role("link", name="Export as CSV").get_attribute("href")
    lines = (await (await page.request.get(shop.url + str(href))).text()).splitlines()
    assert len(lines) == 1 + len(dead)
    assert lines[1].split(",")[0] in dead
