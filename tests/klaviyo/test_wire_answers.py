"""Answers that are too long, too short, packed wrongly, or point elsewhere: over real sockets."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib

import pytest

from ferrata.klaviyo import Bounds, Kind
from ferrata.klaviyo.errors import Redirected, UnreadableAnswer

from .calling import EVENT, MEGABYTE, client
from .raw_server import Connection, RawServer

pytestmark = pytest.mark.anyio


class TestABodyThatEndsEarly:
    async def test_is_accepted_after_a_2xx_on_a_write(self, server: RawServer) -> None:
        async def short(connection: Connection) -> None:
            await connection.say(b"HTTP/1.1 202 Accepted\r\ncontent-length: 500\r\n\r\n{")

        server.plays(short)
        async with client(server) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).is_accepted

    async def test_is_unreadable_on_a_read(self, server: RawServer) -> None:
        async def short(connection: Connection) -> None:
            await connection.say(b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"data":[]}')

        server.plays(short)
        async with client(server) as klaviyo:
            with pytest.raises(UnreadableAnswer, match="truncated"):
                await klaviyo.read("GET /api/events")

    async def test_still_tells_a_refusal(self, server: RawServer) -> None:
        async def short(connection: Connection) -> None:
            await connection.say(b'HTTP/1.1 400 Bad\r\ncontent-length: 500\r\n\r\n{"errors":[')
            connection.reset()

        server.plays(short)
        async with client(server) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).kind is Kind.REJECTED


class TestSize:
    async def test_of_a_huge_answer_is_cut(self, server: RawServer) -> None:
        async def flood(connection: Connection) -> None:
            await connection.say(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(500):
                await connection.say(b" " * MEGABYTE)

        server.plays(flood)
        async with client(server, bounds=Bounds(success=2 * MEGABYTE)) as klaviyo:
            with pytest.raises(UnreadableAnswer, match="too_large"):
                await klaviyo.read("GET /api/events")

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    async def test_of_a_bomb_stays_small_in_memory(self, server: RawServer, coding: str) -> None:
        packer = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
        bomb = b"".join(packer.compress(b"\0" * MEGABYTE) for _ in range(300)) + packer.flush()
        server.answers(200, bomb, b"content-encoding: " + coding.encode())
        async with client(server, bounds=Bounds(success=2 * MEGABYTE)) as klaviyo:
            tracemalloc.start()
            with pytest.raises(UnreadableAnswer, match="too_large"):
                await klaviyo.read("GET /api/events")
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 20 * MEGABYTE

    async def test_of_an_error_page_is_cut_at_64_kb(self, server: RawServer) -> None:
        server.answers(502, b"<html>" + b"x" * MEGABYTE, b"content-type: text/html")
        async with client(server) as klaviyo:
            seen = await klaviyo.request(EVENT, body=b"{}")
        assert len(getattr(seen, "body", b"")) == 64 * 1024


class TestCoding:
    async def test_gzip_is_understood(self, server: RawServer) -> None:
        server.answers(200, gzip.compress(b'{"data":[]}'), b"content-encoding: gzip")
        async with client(server) as klaviyo:
            assert (await klaviyo.read("GET /api/events")).many() == []

    @pytest.mark.parametrize(
        ("coding", "body"), [(b"gzip", b"not gzip"), (b"gzip", gzip.compress(os.urandom(5000))[:900]), (b"br", b"\x0b")]
    )
    async def test_a_wrong_one_is_unreadable(self, server: RawServer, coding: bytes, body: bytes) -> None:
        server.answers(200, body, b"content-encoding: " + coding)
        async with client(server) as klaviyo:
            with pytest.raises(UnreadableAnswer, match="undecodable"):
                await klaviyo.read("GET /api/events")

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"data":7}', b'{"data":[{"type":1,"id":2}]}', b"\xff"])
    async def test_a_document_of_another_shape_is_unreadable(self, server: RawServer, body: bytes) -> None:
        server.answers(200, body)
        async with client(server) as klaviyo:
            with pytest.raises(UnreadableAnswer):
                await klaviyo.read("GET /api/events")


class TestARedirect:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_is_not_followed_and_the_key_stays(self, server: RawServer, status: int) -> None:
        async with RawServer() as canary:
            canary.answers(202)
            server.answers(status, b"", b"location: " + canary.url.encode() + b"/api/events")
            async with client(server) as klaviyo:
                outcome = await klaviyo.send(EVENT, b"{}")
                with pytest.raises(Redirected):
                    await klaviyo.read("GET /api/events")
        assert outcome.kind is Kind.REDIRECTED
        assert canary.connections == 0
