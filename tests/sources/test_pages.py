"""The pages of sources in a browser: at a glance, one message's story, history, explain, settings."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from ferrata.access.schemas import Role
from ferrata.audit.schemas import SYSTEM
from ferrata.sources.contract import Received
from ferrata.sources.errors import Unverified
from ferrata.sources.schemas import Wanted
from tests.browser import Complaints, accessibility_problems, overflows_sideways
from tests.pages.shop import STORE, Shop, open_shop
from tests.sources.shop import SECRET, ShopApi, order, received
from tests.sources.shop import Shop as ShopSource

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
async def api() -> ShopApi:
    return ShopApi(orders=25)


@pytest.fixture(scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, api: ShopApi, anyio_backend: str) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path_factory.mktemp("sources"), sources={"shop": ShopSource(api)}) as shop:
        yield shop


async def set_up(shop: Shop, **rules: Any) -> None:
    save = shop.wiring.sources.configurations.save
    await save(STORE, "shop", settings={"secret": SECRET}, rules=rules, enabled=True, actor=SYSTEM)


async def take(shop: Shop, *documents: Any) -> list[str]:
    """A delivery that is kept and mapped; the messages' ids, newest first."""
    sources = shop.wiring.sources
    await sources.receive("shop", STORE, received(list(documents), shop.wiring.clock.now()))
    await sources.work_off(STORE, "shop")
    return [kept.id for kept in (await sources.messages(Wanted(store_id=STORE, kind="shop"))).rows]


async def stray(shop: Shop) -> None:
    with pytest.raises(Unverified):
        await shop.wiring.sources.receive("shop", STORE, Received(body=b"\xff not ours", at=shop.wiring.clock.now()))


async def readable(page: Page) -> None:
    for width in (1280, 360):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await accessibility_problems(page) == [], (page.url, width)
        assert await overflows_sideways(page) == [], (page.url, width)


class TestBeforeItIsSetUp:
    async def test_the_pages_teach_the_next_step(self, tmp_path: Path, page: Page, complaints: Complaints) -> None:
        async with open_shop(tmp_path, sources={"shop": ShopSource()}) as shop:
            for path, words in (
                ("/ui/sources", "Not set up for this store"),
                ("/ui/sources/shop", "is not set up for this store"),
                ("/ui/sources/shop/history", "History can be read once"),
                ("/ui/sources/shop/explain", "Nothing is kept and nothing is sent"),
                ("/ui/sources/shop/settings", "Not set up for this store yet"),
            ):
                await shop.visit(page, path)
                await expect(page.locator("main")).to_contain_text(words)
                await readable(page)
            await page.set_viewport_size({"width": 1280, "height": 900})
            await page.get_by_label("Page size").fill("0")
            await page.get_by_role("button", name="See what changes").click()
            await expect(page.get_by_role("alert")).to_contain_text("2 things to correct")
            await expect(page.locator(".f-error")).to_have_count(2)
            await readable(page)
            await page.set_viewport_size({"width": 1280, "height": 900})
            complaints.found.clear()  # of the 422
            await page.get_by_label("Page size").fill("25")
            await page.get_by_label("Secret", exact=True).fill(SECRET)
            await page.get_by_role("button", name="See what changes").click()
            await expect(page.get_by_role("region", name="What changes")).to_contain_text("typed just now")
            assert SECRET not in await page.content()
            await readable(page)
            await page.set_viewport_size({"width": 1280, "height": 900})
            await page.get_by_role("button", name="Back to the form").click()
            await expect(page.get_by_label("Page size")).to_have_value("25")
            await page.get_by_role("button", name="See what changes").click()
            await page.get_by_role("button", name="Save as version 1").click()
            await expect(page.locator("main")).to_contain_text("Version 1 counts from now on.")
            assert SECRET not in await page.content()
            assert (await shop.wiring.sources.configurations.get(STORE, "shop")).settings.secret.get_secret_value() == SECRET

    async def test_settings_may_also_be_given_as_json(self, opened: Shop, page: Page) -> None:
        await set_up(opened)
        await opened.visit(page, "/ui/sources/shop/settings?as=json")
        await page.get_by_label("Settings as JSON").fill(json.dumps({"page_size": 7}))
        await page.get_by_role("button", name="Save as version").click()
        await expect(page.locator("main")).to_contain_text("counts from now on.")


class TestRules:
    async def test_show_on_a_recent_message_what_they_would_do_before_they_count(self, opened: Shop, page: Page) -> None:
        await set_up(opened)
        await take(opened, order(88))
        await opened.visit(page, "/ui/sources/shop/settings")
        await page.get_by_label("Names of metrics").fill("Placed Order = Bought")
        await page.get_by_text("Properties of a metric: one more").click()
        await page.locator("[name='mapping.properties.0.key']").fill("Placed Order")
        await page.locator("[name='mapping.properties.0.drop']").fill("OrderId")
        await page.get_by_role("button", name="See what changes").click()
        await expect(page.get_by_role("region", name="What changes")).to_contain_text("mapping.properties.Placed Order.drop.0")
        await expect(page.locator("main")).to_contain_text('"Bought"')
        await expect(page.locator("main")).to_contain_text("/properties/OrderId")
        await readable(page)
        await page.set_viewport_size({"width": 1280, "height": 900})
        await page.get_by_role("button", name="Save as version").click()
        await expect(page.locator("main")).to_contain_text("counts from now on.")
        rules = (await opened.wiring.sources.configurations.get(STORE, "shop")).rules
        assert (rules.metrics, rules.properties["Placed Order"].drop) == ({"Placed Order": "Bought"}, ["OrderId"])


class TestMessages:
    async def test_are_seen_at_a_glance_and_one_by_one(self, opened: Shop, page: Page) -> None:
        await set_up(opened)
        await stray(opened)
        await take(opened, order(1), {"message": "c", "type": "cart", "id": "c"}, {"message": "bad", "type": "refuse", "id": "x"})
        await opened.visit(page, "/ui/sources")
        await expect(page.get_by_role("article", name="Shop")).to_contain_text("Refuses some")
        await page.get_by_role("link", name="Shop", exact=True).first.click()
        await expect(page.get_by_role("heading", name="Shop", level=1)).to_be_visible()
        await page.get_by_role("link", name="Message m1").click()
        await expect(page.locator("#story")).to_contain_text("Delivered", timeout=15_000)
        await page.locator("#story").get_by_role("link", name="Placed Order").click()
        await expect(page.get_by_role("heading", name="Placed Order", level=1)).to_be_visible()

    async def test_that_were_refused_are_mapped_again_after_a_look(self, opened: Shop, page: Page) -> None:
        await set_up(opened)
        await take(opened, {"message": f"bad{id(page)}", "type": "refuse", "id": "x"})
        await opened.visit(page, "/ui/sources/shop?state=refused")
        await page.get_by_label(f"Pick Message bad{id(page)}").check()
        await page.get_by_role("button", name="Map again…").click()
        await expect(page.locator("main")).to_contain_text("Nothing has been changed.")
        await readable(page)
        await page.set_viewport_size({"width": 1280, "height": 900})
        await page.get_by_role("button", name="Map 1 message again").click()
        await expect(page.locator("main")).to_contain_text("1 message will be mapped again, in their order.")


class TestExplain:
    async def test_ties_a_field_to_where_it_comes_from(self, opened: Shop, page: Page) -> None:
        await set_up(opened)
        await opened.visit(page, "/ui/sources/shop/explain")
        await page.get_by_label("A message as Shop sends it").fill(json.dumps(order(7, phone="no")))
        await page.get_by_role("button", name="Explain it").click()
        call = page.get_by_role("region", name="Call 1: Placed Order")
        await expect(call).to_contain_text("/api/events")
        await expect(page.get_by_role("region", name="What is not sent")).to_contain_text("no phone number")
        value = call.locator(".f-tied-line", has_text='"value": 17.90')
        await value.hover()
        await expect(page.get_by_role("region", name="The message").locator("[data-lit]")).to_have_text('"total": "17.90"')
        await value.get_by_role("link", name="/total").focus()
        await expect(value).to_have_attribute("data-lit", "")
        await readable(page)


class TestHistory:
    async def test_is_started_watched_and_ended(self, opened: Shop, page: Page, complaints: Complaints) -> None:
        await set_up(opened)
        await opened.visit(page, "/ui/sources/shop/history")
        await page.get_by_label("From").fill("2099-01-01")
        await page.get_by_role("button", name="Read it").click()
        await expect(page.get_by_role("alert")).to_contain_text("since must lie before until")
        complaints.found.clear()  # of the 422
        await page.get_by_label("From").fill("")
        await page.get_by_role("button", name="Read it").click()
        run = page.get_by_role("article", name="Orders, running")
        await expect(run).to_be_visible()
        [kept] = (await opened.wiring.sources.backfills(STORE)).rows
        await opened.wiring.sources.backfilling.step(kept)
        await expect(run).to_contain_text("10 of 25 messages")
        await readable(page)
        await page.set_viewport_size({"width": 1280, "height": 900})
        await run.get_by_role("button", name="Pause").click()
        await page.get_by_role("article", name="Orders, paused").get_by_role("button", name="Resume").click()
        await opened.wiring.sources.work_off_backfill(kept.id)
        done = page.get_by_role("article", name="Orders, done")
        await expect(done).to_contain_text("25 of 25 messages")


class TestWhoeverMayOnlyRead:
    async def test_sees_and_changes_nothing(self, opened: Shop, page: Page, complaints: Complaints) -> None:
        await set_up(opened)
        await opened.sign_in(page.context, Role.READER)
        for path in ("/ui/sources", "/ui/sources/shop", "/ui/sources/shop/history", "/ui/sources/shop/settings"):
            await page.goto(opened.url + path)
            await expect(page.locator("main h1")).to_be_visible()
            for verb in ("Read it", "Save as version", "Map again…"):
                assert await page.get_by_role("button", name=verb).count() == 0, (path, verb)
        answer = await page.goto(f"{opened.url}/ui/sources/shop/explain")
        assert answer
        assert answer.status == 403
        complaints.found.clear()  # of the 403


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_are_readable_for_everybody(opened: Shop, page: Page, theme: str) -> None:
    await set_up(opened, off=["Refunded Order"], person_fields=["email"])
    await stray(opened)
    bad = {"message": f"bad-{theme}", "type": "refuse", "id": "x" * 60}
    ids = await take(opened, order(3), {"message": f"cart-{theme}", "type": "cart", "id": "c"}, bad)
    await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    paths = [
        "/ui/sources",
        "/ui/sources/shop",
        "/ui/sources/shop?state=refused",
        *(f"/ui/sources/shop/messages/{id_}" for id_ in ids[:4]),
        "/ui/sources/shop/history",
        f"/ui/sources/shop/explain?message={ids[-1]}",
        "/ui/sources/shop/settings",
        "/ui/sources/shop/replay?state=skipped",
    ]
    for path in paths:
        await opened.visit(page, path)
        await readable(page)
