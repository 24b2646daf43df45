"""One event's page: what came in, what was frozen of it, and everything that happened until Klaviyo had it."""

import pytest
from playwright.async_api import Page, expect

from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.pages.events import checkout, order
from tests.pages.shop import Shop

pytestmark = pytest.mark.browser


async def test_it_tells_the_whole_story(shop: Shop, page: Page) -> None:
    [id_] = await shop.accept({**order(1), "profileAttributes": {"firstName": "Mira", "gender": "f"}})
    await shop.settled([id_])
    await shop.visit(page, f"/ui/events/{id_}")
    came_in = page.get_by_role("region", name="What came in")
    await expect(came_in).to_contain_text('"firstName": "Mira"')
    frozen = page.get_by_role("region", name="What was frozen")
    await expect(frozen.locator('[data-mark="added"]', has_text='"time"')).to_have_count(1)
    await expect(frozen.locator('[data-mark="added"]', has_text='"first_name"')).to_have_count(1)
    await expect(frozen.locator('[data-mark="removed"]', has_text='"gender"')).to_have_count(1)
    story = page.locator("#story")
    await expect(story).to_contain_text("gender was not sent")
    await expect(story.locator("li strong").first).to_have_text("Accepted")
    await expect(story.locator(".f-story-step").last).to_contain_text("Klaviyo has it, once.")
    await story.get_by_text("Request, answer and rate").click()
    await expect(story.get_by_text("POST /api/events")).to_be_visible()
    await expect(story.get_by_text("ratelimit-remaining")).to_be_visible()
    await expect(story.locator(".f-exchange")).to_contain_text("202")


async def test_it_follows_while_one_reads(shop: Shop, page: Page) -> None:
    shop.sandbox.faults.add(Rule(effect="server_error", times=1))
    [id_] = await shop.accept(order(1))
    await shop.visit(page, f"/ui/events/{id_}")
    await expect(page.locator("#story")).to_contain_text("Attempt 1: Klaviyo failed")
    await expect(page.locator("#story")).to_contain_text("Klaviyo has it, once.", timeout=15_000)


async def test_a_parked_event_says_what_would_let_it_go(shop: Shop, page: Page) -> None:
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
    [id_] = await shop.accept(order(1))
    await shop.visit(page, f"/ui/events/{id_}")
    await expect(page.get_by_role("heading", name="Klaviyo refuses the key")).to_be_visible()
    await expect(page.locator("#standing")).to_contain_text("This event is safe and waits.")
    await expect(page.get_by_role("link", name="Add a new key")).to_be_visible()


async def test_an_event_that_names_nobody_says_why_it_is_not_sent(shop: Shop, page: Page) -> None:
    [id_] = await shop.accept({"eventName": "Imported", "eventAttributes": {}})
    await shop.visit(page, f"/ui/events/{id_}")
    await expect(page.locator("#story")).to_contain_text("The event names nobody")


async def test_it_gives_the_command_that_sends_it_again(shop: Shop, page: Page) -> None:
    [id_] = await shop.accept(order(1, Note="it's blue"))
    await shop.visit(page, f"/ui/events/{id_}")
    copied = await page.locator("[data-copy]", has_text="Copy as curl").get_attribute("data-copy")
    assert copied and copied.startswith(f"curl -sS {shop.url}/events")
    assert """it'"'"'s blue""" in copied and "$FERRATA_TOKEN" in copied


async def test_the_profile_gathers_what_events_told(shop: Shop, page: Page) -> None:
    first, _ = await shop.accept(
        {**order(1), "profileAttributes": {"firstName": "Mira"}}, {**checkout(1), "profileAttributes": {"city": "Chur"}}
    )
    await shop.visit(page, f"/ui/events/{first}")
    await page.get_by_role("link", name="Open the profile").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("mira1@example.org")
    await expect(page.get_by_role("region", name="Attributes")).to_contain_text('"first_name": "Mira"')
    await expect(page.locator("tbody tr")).to_have_count(2)


async def test_what_is_not_there_is_said_so(shop: Shop, page: Page) -> None:
    await shop.sign_in(page.context)
    for path in ("/ui/events/01a1f85d-0000-7000-8000-000000000000", "/ui/profiles?email=nobody@example.org"):
        answer = await page.request.get(shop.url + path, headers={"accept": "text/html"})
        assert answer.status == 404
