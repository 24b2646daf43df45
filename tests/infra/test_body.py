"""Reading a body within bounds."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from starlette.requests import Request

from ferrata.infra.errors import FerrataError, TooLarge
from ferrata.infra.http.body import Incomplete, TooSlow, UnknownEncoding, read_body

pytestmark = pytest.mark.anyio


def request(pieces: Iterable[bytes], *, ends: str = "whole", **headers: str) -> Request:
    """A request whose body comes in these pieces; ``ends``: whole, disconnect (broken off) or never."""

    async def messages() -> AsyncIterator[dict[str, Any]]:
        for piece in pieces:
            yield {"type": "http.request", "body": piece, "more_body": True}
        if ends == "never":
            await asyncio.Event().wait()
        yield {"type": "http.disconnect"} if ends == "disconnect" else {"type": "http.request", "body": b"", "more_body": False}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    coming = messages()
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive=coming.__anext__)


class TestABody:
    @pytest.mark.parametrize("size", [0, 1, 99, 100])
    async def test_within_the_limit_is_read_whole(self, size: int) -> None:
        body = b"x" * size
        assert await read_body(request([body[:7], body[7:]]), 100) == body

    async def test_that_announces_too_much_is_refused_unread(self) -> None:
        def never() -> Iterable[bytes]:
            raise AssertionError("the body was read")
            yield b""

        with pytest.raises(TooLarge):
            await read_body(request(never(), content_length="101"), 100)

    async def test_without_an_end_is_refused_at_the_limit(self) -> None:
        seen = 0

        def endless() -> Iterable[bytes]:
            nonlocal seen
            while True:
                seen += 10
                yield b"x" * 10

        with pytest.raises(TooLarge):
            await read_body(request(endless()), 100)
        assert seen <= 120

    async def test_that_trickles_is_given_up_in_time(self) -> None:
        with pytest.raises(TooSlow):
            await read_body(request([b"x"], ends="never"), 100, seconds=0.05)

    async def test_that_breaks_off_is_not_taken_for_whole(self) -> None:
        with pytest.raises(Incomplete):
            await read_body(request([b"half"], ends="disconnect"), 100)


class TestACompressedBody:
    @pytest.mark.parametrize(
        ("encoding", "compress"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)]
    )
    @pytest.mark.parametrize("piece", [1, 7, 10_000])
    async def test_is_read_plain_however_it_is_cut(self, encoding: str, compress: Any, piece: int) -> None:
        plain = b'{"eventName": "Placed Order"}' * 20
        packed = compress(plain)
        pieces = [packed[at : at + piece] for at in range(0, len(packed), piece)]
        assert await read_body(request(pieces, content_encoding=encoding), 10_000) == plain

    async def test_of_several_members_is_read_on(self) -> None:
        packed = gzip.compress(b"one ") + gzip.compress(b"two")
        assert await read_body(request([packed], content_encoding="gzip"), 100) == b"one two"

    async def test_that_is_a_bomb_stops_at_the_limit_and_takes_no_memory(self) -> None:
        bomb = gzip.compress(b"\0" * 200_000_000)
        tracemalloc.start()
        with pytest.raises(TooLarge):
            await read_body(request([bomb], content_encoding="gzip"), 1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8_000_000

    @pytest.mark.parametrize(
        "body",
        [b"not gzip", gzip.compress(b"x" * 1_000)[:-9], gzip.compress(b"x") + b"trailing"],
        ids=["of another kind", "cut short", "followed by something"],
    )
    async def test_that_is_damaged_is_refused(self, body: bytes) -> None:
        with pytest.raises(Incomplete):
            await read_body(request([body], content_encoding="gzip"), 10_000)

    @pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "gzip;q=1", "x"])
    async def test_of_another_kind_is_refused(self, encoding: str) -> None:
        with pytest.raises(UnknownEncoding):
            await read_body(request([b"x"], content_encoding=encoding), 100)

    async def test_may_be_empty(self) -> None:
        assert await read_body(request([], content_encoding="gzip"), 100) == b""


def test_each_fault_has_a_status_of_its_own() -> None:
    kinds: list[type[FerrataError]] = [TooLarge, TooSlow, UnknownEncoding, Incomplete]
    assert [kind.status for kind in kinds] == [413, 408, 415, 400]
