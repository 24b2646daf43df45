"""A server made of a socket, for answers that no well-behaved HTTP library would give."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

Script = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One accepted connection: read the request, then say whatever is in the script."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        self.head = b""
        self.body = b""

    async def read_request(self) -> None:
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in self.head.split(b"\r\n") if line.lower().startswith(b"content-length:")),
            0,
        )
        self.body = await self.reader.readexactly(length)

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, status: int, body: bytes = b"", *headers: bytes) -> None:
        lines = [b"HTTP/1.1 %d Whatever" % status, b"content-length: %d" % len(body), *headers]
        await self.say(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def reset(self) -> None:
        """Cut the connection with RST instead of FIN."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class RawServer:
    """Runs `script` for every connection on a free local port; remembers the requests that came whole."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Connection] = []
        self.connections = 0
        self._script: Script | None = None
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def plays(self, script: Script) -> None:
        self._script = script

    def answers(self, status: int, body: bytes = b"", *headers: bytes) -> None:
        async def script(connection: Connection) -> None:
            await connection.answer(status, body, *headers)

        self._script = script

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        connection = Connection(reader, writer)
        try:
            await connection.read_request()
            self.requests.append(connection)
            if self._script is not None:
                await self._script(connection)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
