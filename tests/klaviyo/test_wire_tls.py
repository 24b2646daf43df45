"""Servers that cannot be trusted get nothing, neither in clear nor encrypted."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from ferrata.klaviyo import Executed, Kind, Klaviyo, PrivateKey

from .calling import EVENT, KEY, client
from .certificates import issue
from .raw_server import RawServer

pytestmark = pytest.mark.anyio


class TestTLS:
    @pytest.mark.parametrize("flaw", ["self-signed", "wrong name", "expired"])
    async def test_refuses_a_server_that_it_cannot_trust(self, flaw: str, tmp_path: Path) -> None:
        made = issue(tmp_path, name="example.org" if flaw == "wrong name" else "127.0.0.1", expired=flaw == "expired")
        async with RawServer(made.server) as server:
            server.answers(202)
            ca_file = None if flaw == "self-signed" else made.ca_file
            async with client(server, ca_file=ca_file) as klaviyo:
                outcome = await klaviyo.send(EVENT, b"{}")
            assert (outcome.kind, outcome.executed) == (Kind.UNTRUSTED, Executed.NO)
            assert server.requests == []

    async def test_refuses_an_old_protocol(self, tmp_path: Path) -> None:
        made = issue(tmp_path, name="127.0.0.1")
        with pytest.warns(DeprecationWarning):
            made.server.minimum_version = ssl.TLSVersion.TLSv1
            made.server.maximum_version = ssl.TLSVersion.TLSv1_1
        made.server.set_ciphers("ALL:@SECLEVEL=0")
        async with RawServer(made.server) as server, client(server, ca_file=made.ca_file) as klaviyo:
            outcome = await klaviyo.send(EVENT, b"{}")
        assert outcome.executed is Executed.NO
        assert server.requests == []

    async def test_says_nothing_to_a_server_that_speaks_in_clear(self) -> None:
        async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 plain HTTP here\r\n\r\n")
            await writer.drain()

        clear = await asyncio.start_server(plain, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{clear.sockets[0].getsockname()[1]}"
        async with Klaviyo(PrivateKey(KEY), url) as klaviyo:
            outcome = await klaviyo.send(EVENT, b"{}")
        clear.close()
        assert (outcome.kind, outcome.executed) == (Kind.UNTRUSTED, Executed.NO)

    async def test_trusts_a_configured_authority(self, tmp_path: Path) -> None:
        made = issue(tmp_path, name="127.0.0.1")
        async with RawServer(made.server) as server, client(server, ca_file=made.ca_file) as klaviyo:
            server.answers(202)
            assert (await klaviyo.send(EVENT, b"{}")).is_accepted
