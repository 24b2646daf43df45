"""The pages of flags and of the audit in a browser: by keyboard, light and dark, wide and narrow, for readers too."""

import os

import pytest
from playwright.async_api import Browser, Page, expect

from ferrata.access.schemas import Role
from ferrata.audit.schemas import SYSTEM, Actor, Refused
from ferrata.flags.schemas import Mode
from tests.browser import accessibility_problems, overflows_sideways
from tests.pages.events import checkout, order
from tests.pages.shop import STORE, Shop

pytestmark = pytest.mark.browser
MIRA = Actor("person", "p1", "Mira Keller")
PATHS = (
    "/ui/flags",
    "/ui/flags/change?metric=Placed+Order&mode=percentage&percentage=35",
    "/ui/flags/held?metric=Placed+Order",
    "/ui/audit",
    "/ui/audit?actor=nobody",
)


async def fill(shop: Shop) -> None:
    await shop.wiring.flags.set(STORE, "Placed Order", Mode.DRY_RUN, None, actor=MIRA)
    await shop.wiring.flags.set(STORE, "Started Checkout", Mode.PERCENTAGE, 35, actor=MIRA)
    await shop.wiring.flags.set(STORE, "Subscription Started", Mode.OFF, None, actor=MIRA)
    await shop.accept(order(1), order(2), checkout(1))
    now = shop.wiring.clock.now()
    for number in range(3):
        actor = Actor("unknown", "", "a token frt_0123…")
        shop.wiring.audit.refused(Refused(actor, "unknown_token", f"GET /events/{number}", now, address="203.0.113.9"))
    await shop.wiring.audit.write_refusals()
    await shop.wiring.audit.seal()


async def test_pages_are_readable_for_everybody(shop: Shop, page: Page) -> None:
    await fill(shop)
    await shop.wiring.flags.stop(STORE, "The prices of the import are wrong.", actor=SYSTEM)
    shots = os.environ.get("FERRATA_SHOTS")
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 900})
            for number, path in enumerate(PATHS):
                await shop.visit(page, path)
                if "audit" in path and "?" not in path:
                    await page.locator(".f-trail summary").first.click()
                if shots:
                    await page.screenshot(path=f"{shots}/{number}-{theme}-{width}.png", full_page=True)
                assert await accessibility_problems(page) == [], path
                assert await overflows_sideways(page) == [], path


async def test_a_rollout_is_set_by_keyboard_and_taken_back(shop: Shop, page: Page) -> None:
    await shop.accept(order(1))
    await shop.visit(page, "/ui/flags")
    await page.get_by_role("link", name="Change Placed Order").press("Enter")
    slider = page.get_by_role("slider", name="Share of the profiles, in percent")
    await slider.focus()
    for _ in range(5):
        await slider.press("ArrowRight")
    await expect(page.locator("#percentage-shown")).to_have_text("15 %")
    await expect(page.get_by_role("radio", name="For a share of the profiles")).to_be_checked()
    await page.get_by_role("button", name="Set the flag").press("Enter")
    await expect(page.locator(".f-notice")).to_contain_text("Placed Order: on for 15 % of the profiles")
    await page.locator(".f-notice").get_by_role("link", name="Undo").click()
    await page.get_by_role("button", name="Set the flag").click()
    await expect(page.locator(".f-notice")).to_contain_text("Placed Order: on.")


async def test_everything_is_stopped_and_goes_on(shop: Shop, page: Page) -> None:
    await shop.settled(await shop.accept(order(1)))
    await shop.visit(page, "/ui/flags")
    await page.get_by_label("Why").fill("Wrong prices")
    await page.get_by_role("button", name="Stop sending").click()
    await expect(page.get_by_role("heading", name="Sending is stopped for this store")).to_be_visible()
    ids = await shop.accept(order(2))
    await page.goto(f"{shop.url}/ui/lanes")
    await expect(page.get_by_role("article").first).to_contain_text("Wrong prices")
    await page.goto(f"{shop.url}/ui/flags")
    await page.get_by_role("button", name="Let sending go on").click()
    await shop.settled(ids)


async def test_readers_look_and_change_nothing(shop: Shop, browser: Browser) -> None:
    await fill(shop)
    context = await shop.open(browser, Role.READER)
    page = await context.new_page()
    await page.goto(shop.url + "/ui/flags")
    await expect(page.get_by_role("cell", name="Placed Order")).to_be_visible()
    await expect(page.get_by_role("link", name="Change Placed Order")).to_have_count(0)
    await expect(page.get_by_role("button", name="Stop sending")).to_have_count(0)
    answer = await page.request.get(f"{shop.url}/ui/flags/change?metric=Placed+Order")
    assert answer.status == 403
    await context.close()


async def test_the_audit_opens_to_what_changed(shop: Shop, page: Page) -> None:
    await shop.wiring.flags.set(STORE, "Placed Order", Mode.PERCENTAGE, 10, actor=MIRA)
    await shop.wiring.flags.set(STORE, "Placed Order", Mode.OFF, None, actor=MIRA)
    await shop.visit(page, "/ui/audit?action=flags.flag_set")
    line = page.get_by_text("Mira Keller set the flag of Placed Order from 10 % of the profiles to off").first
    await line.click()
    table = page.get_by_role("group", name="What changed").first
    await expect(table).to_contain_text("percentage")
    await expect(table.locator("ins").first).to_have_text("off")
