"""Connections that are opened to be a burden: heads without an end, two hosts, bytes that trickle, a thousand that wait."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from ferrata.infra.http.body import SmallBodies, TooSlow
from ferrata.infra.http.connection import MOST_HEAD_BYTES, Connection
from tests.doors import Doors

pytestmark = pytest.mark.anyio
HEAD_SECONDS = 1.0
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"


class Hasty(Connection):
    head_seconds = HEAD_SECONDS


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@pytest.fixture
async def port(doors: Doors) -> AsyncIterator[int]:
    """The application behind real sockets, impatient."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    server = Server(uvicorn.Config(doors.app, http=Hasty, log_config=None, lifespan="off", ws="none", timeout_keep_alive=2))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def exchange(port: int, *pieces: bytes) -> bytes:
    """All that is answered until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def refusal(said: bytes) -> tuple[int, str]:
    head, _, body = said.partition(b"\r\n\r\n")
    told = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % told["statusCode"])
    assert b"connection: close" in head
    assert told["error"] and told["message"] and told["recovery"] == "reject"
    return told["statusCode"], told["code"]


MALFORMED = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT a:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    GET + b"X: a\x00b\r\n\r\n",
    GET + b"X: a\r\n folded\r\n\r\n",
    GET.replace(b"\r\n", b"\n") + b"\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestTheHeadOfARequest:
    async def test_that_is_none_is_refused_in_the_one_shape(self, port: int) -> None:
        for head in MALFORMED:
            assert refusal(await exchange(port, head)) == (400, "malformed_request"), head

    async def test_that_is_too_large_is_refused(self, port: int) -> None:
        for bulk in (b"X: " + b"a" * MOST_HEAD_BYTES, b"".join(b"X%d: aaaaaaaaaa\r\n" % number for number in range(4000))):
            assert refusal(await exchange(port, GET + bulk + b"\r\n\r\n")) == (431, "head_too_large")

    async def test_that_never_ends_is_refused_before_it_fills_the_memory(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET + b"X: ")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 1000 and not reader.at_eof():
                writer.write(b"a" * 16_384)
                await writer.drain()
                await asyncio.sleep(0)
                sent += 1
        assert sent < 1000
        writer.close()

    async def test_that_stops_is_given_up(self, port: int) -> None:
        assert refusal(await exchange(port, GET + b"X: a")) == (408, "request_timeout")
        assert await exchange(port) == b""  # nothing was asked, so nothing is answered
        assert refusal(await exchange(port, b"\r\n"))[0] == 408

    async def test_that_trickles_is_given_up_too(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = time.monotonic()
        writer.write(GET)
        answer = asyncio.create_task(reader.read())
        while not answer.done():
            writer.write(b"X: a\r\n")
            await asyncio.sleep(0.1)
            assert time.monotonic() - began < 10
        assert refusal(await answer)[0] == 408
        writer.close()

    async def test_of_a_second_request_is_awaited_as_the_first(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET + b"\r\n")
        assert (await reader.readuntil(b'"live"}')).startswith(b"HTTP/1.1 200")
        writer.write(b"GET /health/live HT")
        assert refusal(await asyncio.wait_for(reader.read(), 10)) == (408, "request_timeout")
        writer.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestOthers:
    async def test_are_served_while_a_thousand_connections_wait(self, port: int) -> None:
        beginnings = (b"", b"GET /hea", b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na=b")
        idle = []
        for number in range(999):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginnings[number % 3])
            idle.append((reader, writer))
            if number % 100 == 0:
                said = await exchange(port, GET + b"Connection: close\r\n\r\n")
                assert said.startswith(b"HTTP/1.1 200")
        silent = [reader.read() for index, (reader, _) in enumerate(idle) if index % 3 == 0]
        assert set(await asyncio.wait_for(asyncio.gather(*silent), 20)) == {b""}
        for _, writer in idle:
            writer.close()

    async def test_a_body_that_nobody_waits_for_any_more_does_not_hold_the_connection(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        answer = asyncio.create_task(reader.read())
        began = time.monotonic()
        while not answer.done():
            with contextlib.suppress(ConnectionError):
                writer.write(b"x")
            await asyncio.sleep(0.1)
            assert time.monotonic() - began < 10
        assert (await answer).count(b"HTTP/1.1 ") == 1
        writer.close()


async def test_a_form_that_trickles_is_given_up(anyio_backend: str) -> None:
    """Within the time for all of it, however often another byte comes."""
    seen: list[Any] = []

    async def trickle() -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"a", "more_body": True}

    async def form(_scope: Any, receive: Any, _send: Any) -> None:
        while True:
            seen.append(await receive())

    with pytest.raises(TooSlow):
        await SmallBodies(form, seconds=0.5)({"type": "http"}, trickle, None)  # type: ignore[arg-type]  # nothing is sent
    assert seen


POST = b"POST /nowhere HTTP/1.1\r\nHost: x\r\n"
HIDDEN = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLING = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n0\r\n\r\n",
    b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    b"Content-Length: 0, 44\r\n\r\n",
    b"Content-Length: +0\r\n\r\n",
    b"Content-Length: 0x0\r\n\r\n",
    b"Content-Length: -1\r\n\r\n",
    b"Content-Length: 99999999999999999999999\r\n\r\n",
    b"Content-Length : 0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n\r\n",
    b"X: a\rContent-Length: 44\r\n\r\n",
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestARequestOfTwoLengths:
    async def test_is_refused_and_nothing_behind_it_is_read(self, port: int) -> None:
        for shape in SMUGGLING:
            said = await exchange(port, POST + shape + HIDDEN)
            assert b'"live"' not in said, shape
            assert said.count(b"HTTP/1.1 ") == 1, (shape, said)
            assert b"HTTP/1.1 400" in said, (shape, said)
