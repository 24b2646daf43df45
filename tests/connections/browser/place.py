"""One place to connect stores in a browser, and what every walk through it does."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from playwright.async_api import Page

from ferrata.connections.oauth_app import CALLBACK
from ferrata.kit.clock import SystemClock
from klaviyo_sandbox.sandbox import Sandbox
from tests.browser import accessibility_problems, overflows_sideways
from tests.connections.oauth import open_installed, register
from tests.doors import ADMINISTRATOR, PASSWORD, Doors


@dataclass
class Place:
    url: str
    doors: Doors
    sandbox: Sandbox


@asynccontextmanager
async def open_place(database_url: str, folder: Path, sandbox: Sandbox, klaviyo: str) -> AsyncIterator[Place]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with open_installed(database_url, folder, SystemClock(), sandbox, klaviyo, public_url=url) as installed:
            register(sandbox, url + CALLBACK)
            server = uvicorn.Server(uvicorn.Config(installed.doors.app, log_level="warning", timeout_graceful_shutdown=1))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:
                await asyncio.sleep(0.01)
            await installed.doors.administrator()
            yield Place(url, installed.doors, sandbox)
            installed.doors.wiring.stopping.set()
            server.should_exit = True
            await serving


async def sign_in(page: Page, place: Place, email: str = ADMINISTRATOR) -> None:
    await page.goto(place.url + "/sign-in")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/ui**")


async def look(page: Page, name: str) -> None:
    """Readable for everybody, wide and narrow, light and dark; pictures where they are asked for."""
    folder = os.environ.get("FERRATA_TEST_PICTURES")
    for width in (1280, 360):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await overflows_sideways(page) == [], f"{name} at {width}"
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            if (width, scheme) in ((1280, "light"), (360, "dark")):
                assert await accessibility_problems(page) == [], f"{name} {scheme} {width}"
            if folder:
                await page.screenshot(path=f"{folder}/{name}-{scheme}-{width}.png", full_page=True)
    await page.set_viewport_size({"width": 1280, "height": 900})
    await page.emulate_media(color_scheme="light")
