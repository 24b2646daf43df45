"""The pattern page in a real Chromium: it is what screenshots, readers with a keyboard and readers with a screen reader get."""

import pytest
from playwright.async_api import Browser, Page, Route, expect

from ferrata.ui.live import message
from tests.browser import Complaints, accessibility_problems, overflows_sideways

pytestmark = pytest.mark.browser


async def answer_live(page: Page, *streams: str) -> None:
    """Connections to the live address get these streams, one each and the last one again; each ends after its message."""
    pending = list(streams)

    async def answer(route: Route) -> None:
        stream = pending.pop(0) if len(pending) > 1 else pending[0]
        await route.fulfill(status=200, content_type="text/event-stream", body=message(stream))

    await page.route("**/ui/patterns/live", answer)


class TestPatterns:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1280, 360])
    async def test_are_readable_for_everybody(self, page: Page, patterns: str, theme: str, width: int) -> None:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for path in ("", "/sign-in"):
            await page.goto(patterns + path)
            await page.wait_for_function("document.querySelectorAll('[data-needs-script][hidden]').length === 0")
            assert await accessibility_problems(page) == []
            assert await overflows_sideways(page) == []

    async def test_read_without_a_script(self, browser: Browser, patterns: str) -> None:
        context = await browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
        page = await context.new_page()
        await page.goto(patterns)
        await expect(page.get_by_role("heading", name="Patterns")).to_be_visible()
        await page.get_by_text("Show as table").first.click()
        await expect(page.get_by_role("columnheader", name="Accepted, events")).to_be_visible()
        await page.get_by_role("searchbox").fill("N-104822")
        await page.get_by_role("button", name="Filter").click()
        assert "q=N-104822" in page.url
        await context.close()

    async def test_offer_room_for_fingers(self, browser: Browser, patterns: str) -> None:
        context = await browser.new_context(viewport={"width": 360, "height": 800}, has_touch=True, is_mobile=True)
        page = await context.new_page()
        await page.goto(patterns)
        small = await page.evaluate(
            """() => [...document.querySelectorAll('a.btn, button, select, summary, nav a, input:is([type=search], [type=text])')]
                .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
                .map((element) => element.outerHTML.slice(0, 120))"""
        )
        assert small == []
        await context.close()


class TestKeyboard:
    async def test_help_opens_on_a_question_mark_and_closes_on_escape(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        assert await accessibility_problems(page) == []
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()

    async def test_searches_and_types_without_triggering_anything(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("jk?")
        await expect(page.get_by_role("searchbox")).to_have_value("jk?")
        await expect(page.get_by_role("dialog")).to_have_count(0)

    async def test_moves_between_rows_and_opens_one(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        rows = page.locator("[data-row]")
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await expect(rows.nth(1)).to_be_focused()
        await page.keyboard.press("k")
        await expect(rows.nth(0)).to_be_focused()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**#0197a3c4-0000-7b20")

    async def test_goes_to_a_page(self, page: Page, patterns: str) -> None:
        await page.goto(f"{patterns}#lists")
        await page.keyboard.press("g")
        await page.keyboard.press("o")
        await page.wait_for_url(patterns)


class TestFilters:
    async def test_follow_while_one_types_and_stand_in_the_address(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        await page.evaluate("window.stillTheSamePage = true")
        await page.keyboard.press("/")
        await page.keyboard.type("N-104")
        await expect(page.locator("#pattern-events")).to_contain_text("that contain “N-104”")
        assert "q=N-104" in page.url
        assert await page.evaluate("window.stillTheSamePage")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await expect(page.locator("#pattern-events [data-row]")).to_have_count(8)

    async def test_that_fail_say_so_and_leave_the_list(self, page: Page, patterns: str, complaints: Complaints) -> None:
        await page.goto(patterns)
        await page.route("**/ui/patterns?*", lambda route: route.fulfill(status=503, body="busy"))
        await page.get_by_role("searchbox").fill("x")
        await expect(page.locator("#toasts")).to_contain_text("The server answered 503. Nothing on this page was changed.")
        await expect(page.locator("#pattern-events [data-row]")).to_have_count(8)
        complaints.found.clear()  # the browser reports the 503


class TestTheme:
    async def test_is_kept_and_there_from_the_first_paint(self, page: Page, patterns: str) -> None:
        await page.emulate_media(color_scheme="light")
        await page.goto(patterns)
        light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.get_by_label("Mira Keller, menu").click()
        await page.get_by_label("Dark").check()
        dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark != light
        await page.reload()
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
        assert 'data-theme="dark"' in await (await page.request.get(patterns)).text()


class TestDialogs:
    async def test_say_what_happens_and_to_how_many_before_it_does(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        await page.get_by_role("button", name="Discard 214 events…").click()
        dialog = page.get_by_role("dialog", name="Discard 214 events?")
        await expect(dialog).to_contain_text("will never be sent")
        await dialog.get_by_role("button", name="Keep as it is").click()
        await expect(dialog).to_be_hidden()
        await page.get_by_role("button", name="Discard 214 events…").click()
        await dialog.get_by_role("button", name="Discard 214 events").click()
        await page.wait_for_url("**/ui/patterns?reason=invalid_phone")


class TestCharts:
    async def test_are_drawn_and_follow_the_theme(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        canvas = page.locator("[data-chart=throughput] canvas")
        await expect(canvas).to_be_visible()
        picture = "document.querySelector('[data-chart=throughput] canvas').toDataURL()"
        await page.emulate_media(color_scheme="light")
        light = await page.evaluate(picture)
        await page.emulate_media(color_scheme="dark")
        await page.wait_for_function(f"(light) => {picture} !== light", arg=light)

    async def test_say_their_numbers_under_the_pointer(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        canvas = page.locator("[data-chart=throughput] canvas")
        await canvas.scroll_into_view_if_needed()
        await canvas.hover()
        tip = page.locator(".f-chart-tip").first
        await expect(tip).to_be_visible()
        await expect(tip).to_contain_text("events")
        await expect(tip).to_contain_text("allowed 3,500")

    async def test_are_drawn_again_when_a_message_brings_new_numbers(self, page: Page, patterns: str) -> None:
        html = await (await page.request.get(patterns)).text()
        figure = html[html.index('<figure class="f-chart" id="throughput"') :].partition("</figure>")[0] + "</figure>"
        await answer_live(page, "", figure.replace("3450", "1200"))
        await page.goto(patterns)
        canvas = page.locator("[data-chart=throughput] canvas")
        await expect(canvas).to_be_visible()
        picture = "document.querySelector('[data-chart=throughput] canvas').toDataURL()"
        before = await page.evaluate(picture)
        await page.wait_for_function(f"(before) => {picture} !== before", arg=before)
        await expect(canvas).to_be_visible()


class TestFrame:
    async def test_stays_at_the_top_and_side_while_one_scrolls(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        await page.evaluate("scrollTo(0, document.body.scrollHeight)")
        await expect(page.get_by_role("banner")).to_be_in_viewport()
        await expect(page.get_by_role("link", name="Settings")).to_be_in_viewport()


class TestLive:
    async def test_numbers_move_and_the_page_says_that_it_is_live(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        await expect(page.locator("#live-state")).to_have_text("Live")
        number = page.locator("#live-stats .f-num").first
        before = await number.inner_text()
        await expect(number).not_to_have_text(before)

    async def test_a_row_in_focus_stays_in_focus_when_it_is_updated(self, page: Page, patterns: str) -> None:
        await page.goto(patterns)
        link = page.locator("#live-stats a")
        await link.focus()
        number = page.locator("#live-stats .f-num").first
        await expect(number).not_to_have_text(await number.inner_text())
        await expect(link).to_be_focused()

    async def test_rows_wait_while_the_list_is_paused(self, page: Page, patterns: str) -> None:
        def rows(*names: str) -> str:
            cells = "".join(f'<tr id="{name}"><td>{name}</td></tr>' for name in names)
            return f'<template data-into="tail-rows">{cells}</template>'

        await answer_live(page, rows("new-2", "new-1"), rows("new-3", "new-2"), rows("new-4", "new-3", "new-2"))
        await page.goto(patterns)
        listed = page.locator("#tail-rows tr")
        await expect(listed.first).to_have_id("new-2")
        await page.get_by_role("button", name="Pause").click()
        await expect(page.get_by_role("button", name="Show 2 new")).to_be_visible(timeout=15_000)
        await expect(listed.first).to_have_id("new-2")
        await page.get_by_role("button", name="Show 2 new").click()
        ids = await listed.evaluate_all("(rows) => rows.map((row) => row.id)")
        assert ids[:4] == ["new-4", "new-3", "new-2", "new-1"]
        assert len(ids) == 5

    async def test_a_lost_connection_is_said_and_then_mended(self, page: Page, patterns: str, complaints: Complaints) -> None:
        await page.route("**/ui/patterns/live", lambda route: route.abort())
        await page.goto(patterns)
        await expect(page.locator("#live-state")).to_have_text("Connection lost, trying again")
        await page.unroute("**/ui/patterns/live")
        await expect(page.locator("#live-state")).to_have_text("Live")
        assert complaints.found, "the browser reports each refused connection"
        complaints.found.clear()
