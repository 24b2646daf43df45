"""Connecting by OAuth in a real browser: from our page to the sandbox's own consent page, and back."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Page, expect

from ferrata.connections.oauth_app import CALLBACK
from ferrata.connections.schemas import Method
from ferrata.kit.clock import SystemClock
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.switches import Switches
from tests.browser import Complaints, accessibility_problems, overflows_sideways
from tests.connections.oauth import CONNECT, Installed, open_installed, register
from tests.doors import ADMINISTRATOR, PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.anyio]


@dataclass
class Place:
    url: str
    installed: Installed


@pytest.fixture
def klaviyo() -> Iterator[tuple[Sandbox, str]]:
    sandbox = Sandbox(seed=1, switches=Switches(limits=False))
    with running(sandbox) as served:
        yield sandbox, served.url
    sandbox.close()


@pytest.fixture
async def place(tmp_path: Path, sqlite_template: Path, klaviyo: tuple[Sandbox, str], anyio_backend: str) -> AsyncIterator[Place]:
    file = tmp_path / "ferrata.db"
    file.write_bytes(sqlite_template.read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with open_installed(f"sqlite:///{file}", tmp_path, SystemClock(), *klaviyo, public_url=url) as opened:
            register(klaviyo[0], url + CALLBACK)
            server = uvicorn.Server(uvicorn.Config(opened.doors.app, log_level="warning", timeout_graceful_shutdown=1))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:
                await asyncio.sleep(0.01)
            yield Place(url, opened)
            opened.doors.wiring.stopping.set()
            server.should_exit = True
            await serving


async def look(page: Page, name: str) -> None:
    """Readable for everybody, wide and narrow, light and dark; pictures where they are asked for."""
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await accessibility_problems(page) == [], (name, theme, width)
            assert await overflows_sideways(page) == [], (name, theme, width)
            if folder := os.environ.get("FERRATA_TEST_PICTURES"):
                await page.screenshot(path=f"{folder}/{name}-{theme}-{width}.png", full_page=True)
    await page.set_viewport_size({"width": 1280, "height": 900})


async def test_a_person_connects_refuses_and_is_told_when_the_app_is_gone(
    place: Place, page: Page, complaints: Complaints
) -> None:
    await place.installed.doors.administrator()
    await page.goto(place.url + "/sign-in")
    await page.get_by_label("E-mail").fill(ADMINISTRATOR)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.goto(place.url + CONNECT)
    await look(page, "oauth-before")

    await page.get_by_role("button", name="Continue at Klaviyo").click()
    await expect(page.get_by_role("heading", name="Ferrata asks for access")).to_be_visible()
    complaints.found.clear()  # what another site's page complains of is not ours
    await page.get_by_role("button", name="Deny").click()
    await expect(page.get_by_text("Access was not given on Klaviyo's page")).to_be_visible()
    complaints.found.clear()  # the 422 of that answer

    await page.get_by_role("button", name="Continue at Klaviyo").click()
    await page.get_by_label("Sandbox Shop").check()
    complaints.found.clear()
    await page.get_by_role("button", name="Allow").click()
    await expect(page.get_by_text("Connected to Sandbox Shop by OAuth.")).to_be_visible()
    assert page.url.endswith("/connect/metric")  # what is counted as a conversion is asked next, as after a key
    await page.goto(place.url + CONNECT)
    await expect(page.get_by_text("Connected by OAuth to Sandbox Shop").first).to_be_visible()
    assert "state=" not in page.url
    assert "code=" not in page.url
    assert (await place.installed.doors.wiring.connections.connection("default")).method is Method.OAUTH
    await look(page, "oauth-connected")

    await page.get_by_role("button", name="Renew the tokens now").click()
    await expect(page.get_by_text("Klaviyo gave new tokens.")).to_be_visible()
    place.installed.sandbox.oauth.uninstall(place.installed.sandbox.oauth.installations()[0]["id"])
    await page.get_by_role("button", name="Renew the tokens now").click()
    await expect(page.get_by_role("heading", name="Klaviyo does not accept this connection any more")).to_be_visible()
    await look(page, "oauth-lost")
    await page.goto(place.url + CALLBACK + "?state=replayed&code=stolen")
    await expect(page.get_by_text("belongs to no connecting that is under way")).to_be_visible()
    await look(page, "oauth-refused")
    complaints.found.clear()  # the 400 of that answer
