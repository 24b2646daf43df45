"""Live streams: all at first, then what changed, and a beat when nothing does."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping

import pytest

from ferrata.kit.clock import MovedClock
from ferrata.ui.live import BEAT_SECONDS, message, messages, rows_into, ticks


async def stream(clock: MovedClock, states: Iterable[Mapping[str, str]], seconds: float = 1.0) -> list[str]:
    """What a reader receives when the page goes through ``states``, one per tick."""
    pending = list(states)

    async def ticking() -> AsyncIterator[None]:
        for _ in range(len(pending)):
            yield
            clock.advance(seconds)

    async def fragments() -> Mapping[str, str]:
        return pending.pop(0)

    return [sent async for sent in messages(fragments, ticking(), clock)]


class TestMessages:
    async def test_carry_everything_at_first_and_then_only_what_changed(self, clock: MovedClock) -> None:
        sent = await stream(clock, [{"a": "<i>1</i>", "b": "<i>2</i>"}, {"a": "<i>1</i>", "b": "<i>3</i>"}])
        assert sent == [message("<i>1</i><i>2</i>"), message("<i>3</i>")]

    async def test_send_again_what_came_back(self, clock: MovedClock) -> None:
        assert await stream(clock, [{"a": "1"}, {}, {"a": "1"}]) == [message("1"), message("1")]

    async def test_do_not_repeat_that_time_has_passed(self, clock: MovedClock) -> None:
        texts = (f'<p><time datetime="x" title="y" data-ago>{ago} s ago</time></p>' for ago in range(3))
        assert len(await stream(clock, [{"a": text} for text in texts])) == 1

    async def test_beat_when_there_is_nothing_to_say(self, clock: MovedClock) -> None:
        sent = await stream(clock, [{"a": "1"}] * 4, seconds=BEAT_SECONDS / 2)
        assert sent == [message("1"), message("", event="beat")]

    def test_give_every_line_its_field(self) -> None:
        assert message("a\nb") == "event: fragments\ndata: a\ndata: b\n\n"

    def test_name_the_list_that_rows_go_into(self) -> None:
        assert rows_into('x"y', "<b>") == '<template data-into="x&#34;y">&lt;b&gt;</template>'


class TestTicks:
    async def test_come_at_once_and_after_each_pause(self, clock: MovedClock) -> None:
        ticking = ticks(clock, 5, asyncio.Event())
        await anext(ticking)
        second = asyncio.ensure_future(anext(ticking))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not second.done()
        clock.advance(5)
        await second

    async def test_end_when_the_server_closes(self, clock: MovedClock) -> None:
        closing = asyncio.Event()
        ticking = ticks(clock, 3600, closing)
        await anext(ticking)
        second = asyncio.ensure_future(anext(ticking))
        await asyncio.sleep(0)
        closing.set()
        with pytest.raises(StopAsyncIteration):
            await second
