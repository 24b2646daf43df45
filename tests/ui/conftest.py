"""The pattern page on a server of its own, with the headers that the pages are meant for."""

import asyncio
from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

import pytest
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from ferrata.kit.clock import Clock, SystemClock
from ferrata.ui.chrome import NAVIGATION, Chrome, NavItem, Person, StoreChoice
from ferrata.ui.pages import PatternPages
from ferrata.ui.policy import CONTENT_SECURITY_POLICY
from ferrata.ui.render import Pages, environment
from ferrata.ui.static import StaticFiles
from tests.browser import serve


def chrome(_: Request) -> Chrome:
    waiting = NavItem("Dead letters", "/ui/dead-letters", "dead-letters", "d", count=214, tone="dead")
    here = NavItem("Overview", "/ui/patterns", "overview", "o")
    stores = (StoreChoice("Grat & Gipfel", "#", current=True), StoreChoice("Grat & Gipfel Outlet", "#"))
    return Chrome(
        navigation=(here, *NAVIGATION[1:3], waiting, NAVIGATION[-1]),
        stores=stores,
        person=Person("Mira Keller", "mira.keller@example.com"),
        zone=ZoneInfo("Europe/Berlin"),
    )


class StrictHeaders(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response


def pattern_app(clock: Clock, closing: asyncio.Event) -> Starlette:
    static = StaticFiles()
    pages = Pages(environment(static), clock, chrome)
    app = Starlette(routes=[static.route(), *PatternPages(pages, clock, closing).routes()])
    app.add_middleware(StrictHeaders)
    return app


@pytest.fixture(scope="session")
async def patterns(anyio_backend: str) -> AsyncIterator[str]:
    """The address of a server that shows the pattern page and runs with the session."""
    closing = asyncio.Event()
    async with serve(pattern_app(SystemClock(), closing)) as address:
        yield f"{address}/ui/patterns"
        closing.set()
