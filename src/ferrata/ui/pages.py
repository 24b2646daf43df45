"""The pattern page: every component in every state. Screenshots are taken of it, and new pages start from it."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ferrata.kit.clock import Clock
from ferrata.ui import samples
from ferrata.ui.live import live_response, rows_into, ticks
from ferrata.ui.render import Pages

PATH = "/ui/patterns"
LIVE_PATH = "/ui/patterns/live"
SIGN_IN_PATH = "/ui/patterns/sign-in"


class PatternPages:
    """The routes of the pattern page. It shows invented data only, so it needs no sign-in."""

    def __init__(self, pages: Pages, clock: Clock, closing: asyncio.Event) -> None:
        self._pages = pages
        self._clock = clock
        self._closing = closing

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self._patterns),
            Route(LIVE_PATH, self._live),
            Route(SIGN_IN_PATH, self._sign_in),
        ]

    async def _patterns(self, request: Request) -> Response:
        now = self._clock.now()
        return self._pages.page(
            request,
            "patterns/index.html",
            live=LIVE_PATH,
            states=samples.STATES,
            rows=samples.rows(now),
            attempts=samples.attempts(now),
            order=samples.ORDER,
            order_before=samples.ORDER_BEFORE,
            curl=samples.CURL,
            steps=samples.STEPS,
            throughput=samples.throughput(now),
            waiting=samples.waiting_by_age(),
            query=request.query_params.get("q", ""),
            **self._live_values(),
        )

    async def _sign_in(self, request: Request) -> Response:
        return self._pages.page(request, "patterns/sign_in.html")

    async def _live(self, request: Request) -> Response:
        async def fragments() -> dict[str, str]:
            values = self._live_values()
            return {
                "live-stats": self._pages.block_text("patterns/index.html", "live_stats", request=request, **values),
                "tail-rows": rows_into(
                    "tail-rows", self._pages.block_text("patterns/index.html", "live_row", request=request, **values)
                ),
            }

        return live_response(fragments, ticks(self._clock, 1.0, self._closing), self._clock)

    def _live_values(self) -> dict[str, Any]:
        """Numbers that move with the clock, so that one sees a live page without a shop behind it."""
        now = self._clock.now()
        second = int(now.timestamp())
        return {
            "delivered_last_hour": 1_204 + second % 3600,
            "in_flight": second % 17,
            "used_rate": 2_100 + 37 * (second % 30),
            "fresh": {"id": f"row-{second // 5}", "at": now.replace(microsecond=0, second=now.second // 5 * 5)},
        }
