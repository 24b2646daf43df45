"""A real Chromium for tests: one browser for the session, a fresh context for each test.

tests/conftest.py imports these fixtures, so a test only asks for `page` (or for `browser`, to open contexts of its own).
`page` fails the test when the page writes an error to its console or asks another host for anything (see `complaints`).
`serve(app)` puts an ASGI app on a free port of this machine. Where there is no Chromium the tests are skipped and say so; the
environment variable CHROMIUM names another executable.
"""

import asyncio
import os
import shutil
import socket
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

CLOSING_SECONDS = 30
LOCAL = {"127.0.0.1", "localhost"}
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


@dataclass
class Complaints:
    """What a page did that no page of ours may do."""

    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in LOCAL:
            self.found.append(f"asked another host: {request.url}")


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine: install one, or name it in the environment variable CHROMIUM")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        _let_no_window_hold_up(opened)
        yield opened
        await opened.close()


def _let_no_window_hold_up(browser: Browser) -> None:
    """Once in thousands of times Chromium never answers that a window is closed; the tests after it wait no longer than this."""
    open_window = browser.new_context

    async def new_context(**options: Any) -> BrowserContext:
        context = await open_window(**options)
        close = context.close

        async def close_in_time() -> None:
            try:
                await asyncio.wait_for(close(), CLOSING_SECONDS)
            except TimeoutError:
                warnings.warn("Chromium did not say that a window was closed", stacklevel=2)

        context.close = close_in_time  # type: ignore[method-assign,assignment]  # the tests call it by this name
        return context

    browser.new_context = new_context  # type: ignore[method-assign,assignment]  # the tests call it by this name


@pytest.fixture
def complaints() -> Complaints:
    """The page's complaints so far; a test that provokes one clears the list when it has looked."""
    return Complaints()


@pytest.fixture
async def page(browser: Browser, complaints: Complaints) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    opened = await context.new_page()
    complaints.watch(opened)
    yield opened
    await context.close()
    assert complaints.found == []


@asynccontextmanager
async def serve(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI app on a free port while the context is open; gives its address without a slash at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def accessibility_problems(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA and its own best practices, each with the places."""
    # axe waits for the next frame after it has scrolled; animations would let it measure colours on their way.
    await page.emulate_media(reduced_motion="reduce")
    results = await Axe().run(page)
    return [
        f"{problem['id']}: {problem['help']} at {', '.join(str(node['target']) for node in problem['nodes'][:5])}"
        for problem in results.response["violations"]
    ]


async def overflows_sideways(page: Page) -> list[str]:
    """The elements that make the page wider than its window; empty when nothing does."""
    return await page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          return [...document.body.querySelectorAll('*')]
            .filter((element) => element.getBoundingClientRect().right > width + 0.5)
            .map((element) => element.tagName + '.' + element.getAttribute('class')).slice(0, 10);
        }"""
    )
