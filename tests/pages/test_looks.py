"""Every page of the spine, light and dark, wide and narrow: readable for everybody, and what is hostile stays text."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from klaviyo_sandbox.fault_presets import Effect
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.browser import accessibility_problems, overflows_sideways
from tests.pages.events import checkout, order
from tests.pages.shop import Shop, open_shop

pytestmark = pytest.mark.browser

PATHS = (
    "/ui",
    "/ui/events",
    "/ui/events?person=mira1%40example.org&q=N-",
    "/ui/events/{dead}",
    "/ui/events/{delivered}",
    "/ui/profiles?email=mira1%40example.org",
    "/ui/lanes",
    "/ui/dead-letters",
    "/ui/dead-letters/replay?ids={dead}",
    "/ui/dead-letters/discard?ids={dead}",
)
HOSTILE = """"><script>document.title = "owned"</script><img src=x onerror='document.title = "owned"'>{{ 7 * 7 }}${7 * 7}"""


@pytest.fixture(scope="module")
async def looked_at(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[tuple[Shop, dict[str, str]]]:
    """A shop with an event of each kind, for all tests of this file."""
    folder: Path = tmp_path_factory.mktemp("looks")
    async with open_shop(folder) as shop:
        shop.refuse("poison")
        delivered, dead, *more = await shop.accept(order(1), order(2, note="poison " + "w" * 400), checkout(1), checkout(3))
        await shop.settled([delivered, dead, *more])
        yield shop, {"delivered": delivered, "dead": dead}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_pages_are_readable_for_everybody(
    looked_at: tuple[Shop, dict[str, str]], page: Page, theme: str, width: int
) -> None:
    shop, ids = looked_at
    await page.set_viewport_size({"width": width, "height": 900})
    await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for path in PATHS:
        await shop.visit(page, path.format(**ids))
        assert await accessibility_problems(page) == [], path
        assert await overflows_sideways(page) == [], path


async def test_parked_pages_are_readable_for_everybody(shop: Shop, page: Page) -> None:
    shop.sandbox.tenants.revoke_key(DEFAULT_KEY)
    [id_] = await shop.accept(order(1))
    for path in ("/ui", "/ui/lanes", f"/ui/events/{id_}"):
        await shop.visit(page, path)
        await expect(page.get_by_text("Klaviyo refuses the key").first).to_be_visible()
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await accessibility_problems(page) == [], path
            assert await overflows_sideways(page) == [], path


async def test_hostile_text_stays_text(shop: Shop, page: Page) -> None:
    """In every field that outsiders fill, Klaviyo's own reasons included."""
    shop.sandbox.faults.add(_refusing_with(HOSTILE))
    hostile = {
        "eventName": HOSTILE[:120],
        "eventId": HOSTILE,
        "externalId": HOSTILE,
        "eventAttributes": {HOSTILE: HOSTILE, "list": [HOSTILE]},
        "profileAttributes": {"firstName": HOSTILE, HOSTILE: HOSTILE},
    }
    ids = await shop.accept(hostile, {**hostile, "eventId": HOSTILE + "2", "email": "eve@example.org"})
    await shop.settled(ids)
    paths = (
        "/ui",
        "/ui/events?persons=shown",
        f"/ui/events/{ids[0]}",
        "/ui/profiles?email=eve@example.org",
        "/ui/dead-letters?persons=shown",
        f"/ui/dead-letters/replay?ids={ids[0]}",
    )
    for path in paths:
        await shop.visit(page, path)
        if await page.locator("#live-state").count():
            await expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
        assert await page.title() != "owned", path
        assert await page.locator("img[src=x], main script:not([type='application/json'])").count() == 0, path
        assert "49" not in (await page.locator("main").inner_text()).split(), path
    await expect(page.locator("main")).to_contain_text("<script>")


def _refusing_with(detail: str) -> Rule:
    error = {"id": "1", "code": "invalid", "title": detail, "detail": detail, "source": {"pointer": f"/data/{detail}"}}
    return Rule(effect=Effect(status=400, text=json.dumps({"errors": [error]})))
