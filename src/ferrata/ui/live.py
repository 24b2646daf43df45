"""Live pages: a stream of HTML fragments, each of which replaces the element with its id.

A stream asks for all fragments of its page on each tick and sends those that differ from what this reader has. The first
message of every connection therefore carries them all: whoever was away catches up by connecting again, and nothing is
queued for anybody.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from markupsafe import Markup
from starlette.responses import StreamingResponse

from ferrata.kit.clock import Clock

Fragments = Callable[[], Awaitable[Mapping[str, str]]]
"""Answers the page's live elements by id: `{"stat-waiting": "<div id=stat-waiting>…</div>"}`."""

BEAT_SECONDS = 15
"""A silent stream says so this often; live.js takes 2.5 times this without a word for a lost connection."""
_RELATIVE_TIME = re.compile(r"(<time [^>]*data-ago>)[^<]*")


def rows_into(list_id: str, rows: str) -> Markup:
    """A fragment of table rows for the head of the list ``list_id``, newest first.

    Give it the newest page of the list each time: a row whose id is already on the page is updated in its place.
    ``rows`` comes from :meth:`ferrata.ui.render.Pages.block_text`, so it is escaped.
    """
    return Markup('<template data-into="{}">{}</template>').format(list_id, rows)


async def ticks(clock: Clock, seconds: float, closing: asyncio.Event) -> AsyncIterator[None]:
    """One tick at once and then one every ``seconds``, until ``closing`` is set (the server is shutting down)."""
    while not closing.is_set():
        yield
        pause = asyncio.ensure_future(clock.sleep(seconds))
        closed = asyncio.ensure_future(closing.wait())
        try:
            await asyncio.wait({pause, closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            closed.cancel()


def live_response(fragments: Fragments, ticking: AsyncIterator[None], clock: Clock) -> StreamingResponse:
    """The answer of a page's live address. When ``fragments`` raises, the stream ends and the reader connects again."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(messages(fragments, ticking, clock), media_type="text/event-stream", headers=headers)


async def messages(fragments: Fragments, ticking: AsyncIterator[None], clock: Clock) -> AsyncIterator[str]:
    """The stream itself, as text of server-sent events."""
    sent: dict[str, str] = {}
    spoken_at = clock.monotonic()
    async for _ in ticking:
        current = await fragments()
        # The browser keeps relative times current by itself: "4 s ago" becoming "5 s ago" is no news.
        compared = {name: _RELATIVE_TIME.sub(r"\1", html) for name, html in current.items()}
        changed = [name for name, html in compared.items() if sent.get(name) != html]
        sent = compared
        if changed:
            yield message("".join(current[name] for name in changed))
        elif clock.monotonic() - spoken_at >= BEAT_SECONDS:
            yield message("", event="beat")
        else:
            continue
        spoken_at = clock.monotonic()


def message(data: str, event: str = "fragments") -> str:
    """One server-sent event; every line of ``data`` needs its own field name."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {event}\n{lines}\n"
