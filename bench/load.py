"""A load generator: so many connections, each with one request under way at a time; every request is made before the start."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True)
class Load:
    """``requests`` went through in ``seconds``; ``latencies`` are sorted, in seconds; ``refused`` were not answered with 2xx."""

    requests: int
    seconds: float
    latencies: Sequence[float]
    refused: int
    refused_bodies: Sequence[bytes] = ()

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000


def post_all(url: str, token: str, bodies: Sequence[bytes], *, connections: int = 64, store: str = "") -> Load:
    """POST every body once, as fast as the answers come; for ``store``, or else for the first."""
    parts = urlsplit(url)
    of_store = f"Ferrata-Store: {store}\r\n" if store else ""
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"{of_store}Content-Type: application/json\r\nPrefer: respond-async\r\nContent-Length: "
    ).encode()
    requests = [b"%b%d\r\n\r\n%b" % (head, len(body), body) for body in bodies]
    return uvloop.run(_drive(parts.hostname or "", parts.port or 80, requests, connections))


async def _drive(host: str, port: int, requests: Sequence[bytes], connections: int) -> Load:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    work = _Work(requests, done)
    began = time.perf_counter()
    for _ in range(min(connections, len(requests))):
        await loop.create_connection(lambda: _Connection(work), host, port)
    await done
    return Load(len(requests), time.perf_counter() - began, sorted(work.latencies), work.refused, work.refused_bodies)


class _Work:
    def __init__(self, requests: Sequence[bytes], done: "asyncio.Future[None]") -> None:
        self.left = iter(requests)
        self.latencies: list[float] = []
        self.refused = 0
        self.refused_bodies: list[bytes] = []
        self._expected = len(requests)
        self._done = done

    def answered(self, seconds: float, body: bytes, *, accepted: bool) -> None:
        self.latencies.append(seconds)
        if not accepted:
            self.refused += 1
            self.refused_bodies.append(body)
        if len(self.latencies) == self._expected:
            self._done.set_result(None)

    def failed(self, reason: str) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(reason))


class _Connection(asyncio.Protocol):
    def __init__(self, work: _Work) -> None:
        self._work = work
        self._received = b""
        self._body = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            self._received = b""
            self._work.answered(time.perf_counter() - self._sent_at, self._body, accepted=head[9:10] == b"2")
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if self._sent_at:
            self._work.failed(f"the server closed a connection: {error}")

    def _next(self) -> None:
        request = next(self._work.left, None)
        self._sent_at = time.perf_counter() if request else 0.0
        if request:
            self._body = request.partition(b"\r\n\r\n")[2]
            self._transport.write(request)  # type: ignore[attr-defined]  # of a stream, as asked for
        else:
            self._transport.close()


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(b"content-length:") + 15
    return int(lower[start:].partition(b"\r\n")[0])
