"""The pages of the doors in a real browser: they work, say nothing to the console, ask no other host, and can be used by all."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from tests.browser import Complaints, accessibility_problems, overflows_sideways, serve
from tests.doors import ADMINISTRATOR, PASSWORD, Doors

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, sqlite_template: object, tmp_path: object) -> str:
    """One engine is enough for what a browser shows."""
    return f"sqlite:///{tmp_path}/ferrata.db"


@pytest.fixture
async def address(doors: Doors) -> AsyncIterator[str]:
    async with serve(doors.app) as served:
        yield served


async def fine(page: Page) -> None:
    assert await accessibility_problems(page) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await overflows_sideways(page) == []
    await page.set_viewport_size({"width": 1280, "height": 900})


class TestTheWayIn:
    async def test_leads_from_the_printed_token_to_a_first_token_for_a_program(
        self, doors: Doors, page: Page, address: str, complaints: Complaints
    ) -> None:
        issued = await doors.wiring.access.first_administrator.issue_token()
        assert issued
        await page.goto(address)
        await expect(page).to_have_url(f"{address}/setup")
        await fine(page)
        await page.get_by_label("One-time token").fill(issued[0])
        await page.get_by_label("E-mail address").fill(ADMINISTRATOR)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Become the administrator").click()
        await expect(page.get_by_role("heading", name="Not connected to Klaviyo yet")).to_be_visible()
        await fine(page)
        await page.get_by_role("link", name="Settings").click()
        await page.get_by_role("link", name="Tokens").click()
        await fine(page)
        await page.get_by_label("Name").fill("shop-backend")
        await page.get_by_role("button", name="Create the token").click()
        secret = await page.locator("pre code").inner_text()
        assert await doors.wiring.access.authenticate_token(secret)
        await fine(page)
        await page.goto(f"{address}/ui/settings/tokens")
        assert secret not in await page.content()
        await page.get_by_role("link", name="Revoke shop-backend").click()
        await fine(page)
        await page.get_by_role("button", name="Revoke the token").click()
        await expect(page.get_by_text("is revoked")).to_be_visible()
        assert await doors.wiring.access.authenticate_token(secret) is None

    async def test_leads_out_and_in_again(self, doors: Doors, page: Page, address: str) -> None:
        await doors.administrator()
        await page.goto(f"{address}/ui/settings/people")
        await fine(page)
        await page.get_by_label("E-mail address").fill(ADMINISTRATOR)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="People", exact=True)).to_be_visible()
        await fine(page)
        await page.get_by_label("Mira, menu").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_text("You are signed out.")).to_be_visible()
        await page.goto(f"{address}/ui/settings")
        await expect(page).to_have_url(f"{address}/sign-in?next=/ui/settings")


class TestTheApiPage:
    async def test_can_be_tried_with_a_token(self, doors: Doors, page: Page, address: str) -> None:
        await page.goto(f"{address}/api")
        await expect(page.get_by_role("button", name="Authorize")).to_be_visible(timeout=30_000)  # the description is long
        await expect(page.locator(".opblock").first).to_be_visible()


class TestAnErrorPage:
    async def test_leads_back(self, page: Page, address: str, complaints: Complaints) -> None:
        await page.goto(f"{address}/nowhere")
        await expect(page.get_by_text("Cannot GET /nowhere")).to_be_visible()
        await fine(page)
        assert [text for text in complaints.found if "404" not in text] == []
        complaints.found.clear()
