"""Stands between the product and PostgreSQL, and cuts the line just when the answer to a COMMIT comes: done, but who knows?"""

import asyncio
import random
import tempfile
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""The server's CommandComplete message."""


class PostgresProxy:
    """Use as a context manager. ``share``: of the answers to COMMIT that are swallowed, together with the connection."""

    def __init__(self, url: str, seed: int) -> None:
        self._real = Path(parse_qs(urlsplit(url).query)["host"][0]) / ".s.PGSQL.5432"
        self._folder = tempfile.TemporaryDirectory(prefix="ferrata-cut-")
        self.url = url.replace(str(self._real.parent), self._folder.name)
        self.share = 0.0
        self.cuts = 0
        self._chance = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "PostgresProxy":
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._folder.cleanup()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._connection, Path(self._folder.name) / ".s.PGSQL.5432")
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._real)
        except OSError:  # it was killed
            writer.close()
            return
        there = asyncio.create_task(self._pump(reader, upstream_writer))
        back = asyncio.create_task(self._pump(upstream_reader, writer, may_cut=True))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, upstream_writer):
            end.close()
        there.cancel()
        back.cancel()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, may_cut: bool = False) -> None:
        try:
            while data := await reader.read(65536):
                if may_cut and COMMITTED in data and self._chance.random() < self.share:
                    self.cuts += 1
                    return
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
