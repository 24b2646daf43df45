"""Klaviyo's rate windows and nothing else: ``python -m bench.klaviyo PORT MILLISECONDS``.

For runs in which the stand-in must not be what is measured: an answer costs it some microseconds, where the sandbox validates,
keeps, and indexes what it gets. It enforces the published windows of the two event calls (fixed windows, aligned to the clock,
shared by all keys of an account: those that begin alike up to the last dash), answers after so many milliseconds, and counts: by
key what it took and what it refused, by second what arrived, and how many different ``unique_id`` there were.
``GET /seen`` tells all that, ``GET /seen?ids=1`` which ids there were, ``DELETE /seen`` forgets it.
``GET /silence`` begins to watch anew how long each key is silent.
"""

import asyncio
import json
import math
import re
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import httptools
import uvloop

WINDOWS = {"/api/events": ((1, 350), (60, 3_500)), "/api/event-bulk-create-jobs": ((1, 10), (60, 150))}
MOST_IDS = 20_000
NAMES = {"/api/events": "single", "/api/event-bulk-create-jobs": "bulk"}
_UNIQUE_ID = re.compile(rb'"unique_id": ?"([^"]*)"')


@dataclass
class Seen:
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    seconds: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    requests: list[tuple[float, str, int, int]] = field(default_factory=list)
    """Each bulk request: when, whose, its status, how many events."""
    distinct: set[int] = field(default_factory=set)
    repeated: int = 0
    gaps: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By key: when its last call came, and how long it was silent at most."""
    ids: list[str] = field(default_factory=list)
    """The first some thousand, as they were written."""

    def told(self) -> dict[str, Any]:
        return {
            "accepted": dict(self.accepted),
            "refused": dict(self.refused),
            "events": dict(self.events),
            "seconds": sorted(self.seconds.items()),
            "requests": self.requests,
            "distinct": len(self.distinct),
            "repeated": self.repeated,
            "silent": {key: longest for key, (_, longest) in self.gaps.items()},
        }


@dataclass
class Server:
    delay: float
    seen: Seen = field(default_factory=Seen)
    windows: dict[tuple[str, str, int], tuple[int, int]] = field(default_factory=dict)

    def answer(self, path: str, key: str, body: bytes) -> tuple[int, dict[str, str]]:
        now = time.time()
        account, name = key.rpartition("-")[0] or key, NAMES[path]
        used, waits = [], []
        for seconds, limit in WINDOWS[path]:
            number = int(now // seconds)
            last, count = self.windows.get((account, path, seconds), (number, 0))
            count = count if last == number else 0
            used.append((seconds, number, count, limit))
            if count >= limit:
                waits.append((number + 1) * seconds - now)
        events = _UNIQUE_ID.findall(body)
        if name == "bulk":
            self.seen.requests.append((now, key, 429 if waits else 202, len(events)))
        if waits:
            self.seen.refused[f"{key} {name}"] += 1
            return 429, {"retry-after": str(max(1, math.ceil(max(waits))))}
        for seconds, number, count, _ in used:
            self.windows[account, path, seconds] = (number, count + 1)
        self.seen.accepted[f"{key} {name}"] += 1
        self._count(key, name, events, now)
        seconds, number, count, limit = used[0]
        listed = ", ".join(f"{most};w={length}" for length, most in WINDOWS[path])
        return 202, {
            "ratelimit-limit": f"{limit}, {listed}",
            "ratelimit-remaining": str(limit - count - 1),
            "ratelimit-reset": str(math.ceil(number + 1 - now) - 1),
        }

    def _count(self, key: str, name: str, events: list[bytes], now: float) -> None:
        self.seen.events[f"{key} {name}"] += len(events)
        self.seen.seconds[int(now)] += len(events)
        last, longest = self.seen.gaps.get(key, (now, 0.0))
        self.seen.gaps[key] = (now, max(longest, now - last))
        for each in events:
            number = hash((key, each))
            if number in self.seen.distinct:
                self.seen.repeated += 1
            elif len(self.seen.ids) < MOST_IDS:
                self.seen.ids.append(each.decode())
            self.seen.distinct.add(number)


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._key, self._body = b"", "", []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._key = value.decode().rpartition(" ")[2]

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        path, server = self._url.decode().rstrip("/"), self._server
        if path in ("/seen", "/seen?ids=1"):
            told = {"ids": server.seen.ids} if path.endswith("ids=1") else server.seen.told()
            text = json.dumps(told).encode()
            if self._parser.get_method() == b"DELETE":
                server.seen = Seen()
            self._write(200, {}, text)
        elif path == "/silence":  # forget how long each was silent, and begin at this moment
            server.seen.gaps = {key: (time.time(), 0.0) for key in server.seen.gaps}
            self._write(200, {}, b"{}")
        elif path in WINDOWS:
            status, headers = server.answer(path, self._key, b"".join(self._body))
            asyncio.get_running_loop().call_later(server.delay, self._write, status, headers, b"{}")
        else:
            self._write(404, {}, b'{"errors":[]}')

    def _write(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if self._transport.is_closing():
            return
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        kind = "application/vnd.api+json"
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{lines}content-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)  # type: ignore[attr-defined]  # of a stream


async def main(port: int, milliseconds: int) -> None:
    server = Server(milliseconds / 1000)
    listening = await asyncio.get_running_loop().create_server(lambda: _Connection(server), "127.0.0.1", port)
    await listening.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
