"""The client against a hostile network: real sockets, no sleeping longer than a deadline of a fraction of a second."""

from __future__ import annotations

import asyncio
import socket

import pytest

from ferrata.klaviyo import Executed, Kind, Klaviyo, PrivateKey, Timeouts
from ferrata.klaviyo.errors import UnreadableAnswer, UpstreamFault

from .calling import EVENT, KEY, client
from .raw_server import Connection, RawServer

pytestmark = pytest.mark.anyio


class TestSending:
    async def test_sends_the_bytes_unchanged_with_the_right_headers(self, server: RawServer) -> None:
        server.answers(202)
        body = b' {"data" : {"b":1,"a":"\xc3\xa9\\u00e9"}}\n'
        async with client(server) as klaviyo:
            assert (await klaviyo.send(EVENT, body)).is_accepted
        request = server.requests[0]
        assert request.body == body
        head = request.head.lower()
        assert head.startswith(b"post /api/events http/1.1\r\n")
        assert b"\r\nauthorization: klaviyo-api-key " + KEY.lower().encode() in head
        assert b"\r\nrevision: 2026-07-15\r\n" in head
        assert b"\r\ncontent-type: application/vnd.api+json\r\n" in head
        assert b"cookie" not in head

    async def test_reuses_its_connection(self, server: RawServer) -> None:
        async def two(connection: Connection) -> None:
            await connection.answer(202)
            await connection.read_request()
            await connection.answer(202)

        server.plays(two)
        async with client(server) as klaviyo:
            outcomes = [await klaviyo.send(EVENT, b"1"), await klaviyo.send(EVENT, b"2")]
        assert all(outcome.is_accepted for outcome in outcomes)
        assert server.connections == 1

    async def test_takes_no_proxy_from_the_environment(self, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        server.answers(202)
        async with client(server) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).is_accepted


class TestNotSent:
    async def test_a_refused_connection(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            async with Klaviyo(PrivateKey(KEY), url) as klaviyo:
                outcome = await klaviyo.send(EVENT, b"{}")
        assert (outcome.kind, outcome.executed) == (Kind.TRANSIENT_NOT_SENT, Executed.NO)

    async def test_an_unknown_host(self) -> None:
        async with Klaviyo(PrivateKey(KEY), "https://klaviyo.invalid") as klaviyo:
            outcome = await klaviyo.send(EVENT, b"{}")
        assert outcome.kind is Kind.TRANSIENT_NOT_SENT

    async def test_a_connection_that_is_never_established(self) -> None:
        async with RawServer() as quiet:
            url = quiet.url.replace("http:", "https:")
            async with Klaviyo(PrivateKey(KEY), url, timeouts=Timeouts(0.3, 5)) as klaviyo:
                outcome = await klaviyo.send(EVENT, b"{}")
        assert (outcome.kind, outcome.executed) == (Kind.TRANSIENT_NOT_SENT, Executed.NO)

    async def test_a_deadline_that_passes_during_the_handshake(self) -> None:
        async with RawServer() as quiet:
            url = quiet.url.replace("http:", "https:")
            async with Klaviyo(PrivateKey(KEY), url, timeouts=Timeouts(5, 0.3)) as klaviyo:
                outcome = await klaviyo.send(EVENT, b"{}")
        assert (outcome.kind, outcome.executed) == (Kind.TRANSIENT_NOT_SENT, Executed.NO)


class TestOutcomeUnknown:
    @pytest.mark.parametrize("ending", ["reset", "close"])
    async def test_a_connection_cut_before_the_answer(self, server: RawServer, ending: str) -> None:
        async def cut(connection: Connection) -> None:
            if ending == "reset":
                connection.reset()

        server.plays(cut)
        async with client(server) as klaviyo:
            outcome = await klaviyo.send(EVENT, b"{}")
        assert (outcome.kind, outcome.executed) == (Kind.TRANSIENT_UNKNOWN, Executed.UNKNOWN)

    async def test_silence(self, server: RawServer) -> None:
        async def hang(_connection: Connection) -> None:
            await asyncio.sleep(60)

        server.plays(hang)
        async with client(server, total=0.3) as klaviyo:
            outcome = await klaviyo.send(EVENT, b"{}")
        assert (outcome.kind, outcome.executed) == (Kind.TRANSIENT_UNKNOWN, Executed.UNKNOWN)
        assert outcome.duration_ms >= 250

    async def test_half_a_status_line(self, server: RawServer) -> None:
        async def half(connection: Connection) -> None:
            await connection.say(b"HTTP/1.1 20")

        server.plays(half)
        async with client(server) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).kind is Kind.TRANSIENT_UNKNOWN

    async def test_something_that_is_not_http(self, server: RawServer) -> None:
        async def ssh(connection: Connection) -> None:
            await connection.say(b"SSH-2.0-OpenSSH_9.2\r\n")

        server.plays(ssh)
        async with client(server) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).kind is Kind.TRANSIENT_UNKNOWN

    async def test_headers_without_end(self, server: RawServer) -> None:
        async def endless(connection: Connection) -> None:
            await connection.say(b"HTTP/1.1 202 OK\r\n")
            for number in range(3000):
                await connection.say(b"x-%d: %s\r\n" % (number, b"y" * 1000))

        server.plays(endless)
        async with client(server) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).kind is Kind.TRANSIENT_UNKNOWN


class TestTheDeadline:
    async def test_covers_a_dripping_answer_as_a_whole(self, server: RawServer) -> None:
        async def drip(connection: Connection) -> None:
            await connection.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            for _ in range(1000):
                await connection.say(b" ")
                await asyncio.sleep(0.02)

        server.plays(drip)
        async with client(server, total=0.4) as klaviyo:
            with pytest.raises(UnreadableAnswer, match="deadline"):
                await klaviyo.read("GET /api/events")

    async def test_does_not_unmake_a_write_whose_status_was_seen(self, server: RawServer) -> None:
        async def stall(connection: Connection) -> None:
            await connection.say(b"HTTP/1.1 202 Accepted\r\ncontent-length: 10\r\n\r\n")
            await asyncio.sleep(60)

        server.plays(stall)
        async with client(server, total=0.3) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).is_accepted


class TestTheKey:
    async def test_is_in_no_outcome_error_or_repr_even_if_the_server_echoes_it(self, server: RawServer) -> None:
        async def echo(connection: Connection) -> None:
            await connection.answer(500, connection.head, b"x-request-id: " + KEY.encode())

        server.plays(echo)
        async with client(server) as klaviyo:
            outcome = await klaviyo.send(EVENT, b"{}")
            with pytest.raises(UpstreamFault) as raised:
                await klaviyo.read("GET /api/events")
            shown = f"{outcome!r} {raised.value!r} {raised.value} {raised.value.outcome} {klaviyo!r}"
        assert "canary" not in shown
