"""The pages of alerts, in a real browser: readable for everybody, and walked by a person who sets up who is told."""

import asyncio
import os
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from ferrata.access.schemas import Role
from ferrata.audit.schemas import SYSTEM
from ferrata.infra.incidents import Condition
from tests.alerts.conftest import Receiver, webhook
from tests.alerts.test_alerts import say
from tests.browser import Complaints, accessibility_problems, overflows_sideways, serve
from tests.doors import ADMINISTRATOR, PASSWORD, Doors

pytestmark = [pytest.mark.browser, pytest.mark.anyio]


async def look(page: Page, name: str) -> None:
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await accessibility_problems(page) == [], (name, theme, width)
            assert await overflows_sideways(page) == [], (name, theme, width)
            if folder := os.environ.get("FERRATA_TEST_PICTURES"):
                await page.screenshot(path=str(Path(folder) / f"{name}-{theme}-{width}.png"), full_page=True)
    await page.set_viewport_size({"width": 1280, "height": 900})


async def sign_in(page: Page, url: str, email: str = ADMINISTRATOR) -> None:
    await page.goto(url + "/sign-in")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(url + "/ui")


async def test_a_person_says_who_is_told_and_sees_what_was(
    on_sqlite: Doors, receiver: Receiver, page: Page, complaints: Complaints
) -> None:
    await on_sqlite.administrator()
    async with serve(on_sqlite.app) as url:
        await sign_in(page, url)
        await page.goto(url + "/ui/alerts")
        await expect(page.get_by_text("Nobody is told yet")).to_be_visible()
        await look(page, "alerts-empty")
        await page.goto(url + "/ui/alerts/channels")
        await look(page, "channels-empty")
        await page.get_by_label("Name").fill("on-call")
        await page.get_by_label("Where to").fill("https://10.0.0.1/hook")
        await page.get_by_role("button", name="Add").click()
        await expect(page.get_by_text("not on the public internet").first).to_be_visible()
        await look(page, "channels-refused")
        complaints.found.clear()  # the 400 of that answer
        await page.get_by_label("Where to").fill(receiver.url)
        await page.get_by_role("button", name="Add").click()
        await expect(page.get_by_text("it is shown this once")).to_be_visible()
        await look(page, "channels-made")
        await page.get_by_role("link", name="Send a test").click()
        await page.get_by_role("button", name="Send a test").click()
        await expect(page.get_by_text("The test arrived.")).to_be_visible()
        receiver.status = 503
        await page.get_by_role("button", name="Send a test").click()
        await expect(page.get_by_text("The test did not arrive.")).to_be_visible()
        await look(page, "channel")
        await page.get_by_role("button", name="New secret").click()
        await expect(page.get_by_text("Copy the new secret now")).to_be_visible()
        await page.get_by_role("link", name="Remove").click()
        await page.get_by_role("button", name="Remove this channel").click()
        await expect(page.get_by_text("on-call is told nothing any more")).to_be_visible()
        on_sqlite.wiring.stopping.set()
        await asyncio.sleep(0)


async def test_alerts_now_and_before_are_readable_and_hostile_text_stays_text(
    on_sqlite: Doors, receiver: Receiver, page: Page
) -> None:
    await on_sqlite.administrator()
    hostile = '"><script>document.title = "owned"</script><img src=x onerror=alert(1)>'
    await webhook(on_sqlite.wiring.alerts, receiver)
    await say(on_sqlite, holds=True)
    await on_sqlite.wiring.alerts.watch()
    await say(on_sqlite, holds=False)
    await say(on_sqlite, holds=True, condition=Condition("source.failing", "default", hostile))
    await on_sqlite.wiring.alerts.watch()
    await on_sqlite.wiring.access.people.create("rita@example.com", hostile[:60], PASSWORD, Role.READER, actor=SYSTEM)
    async with serve(on_sqlite.app) as url:
        await sign_in(page, url, "rita@example.com")
        await page.goto(url + "/ui/alerts")
        await expect(page.get_by_text("It can be read again.")).to_be_visible()
        await expect(page.get_by_role("link", name=re.compile("^Alerts"))).to_contain_text("1")
        assert await page.title() != "owned"
        await look(page, "alerts")
        await page.goto(url + "/ui/alerts/channels")
        await expect(page.get_by_text("needs the right alerts:manage")).to_be_visible()
        on_sqlite.wiring.stopping.set()
        await asyncio.sleep(0)
