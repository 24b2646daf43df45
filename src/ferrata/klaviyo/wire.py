"""One exchange over the injected transport: total deadline, bounded and safely decompressed answer, no redirects.

The transport is called directly: no cookies, no environment proxies, no log line that would hold an address with an e-mail in it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import lru_cache

import httpx2

from .answer import Answer, Flaw, NoAnswer

_NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)
_HANDSHAKE_BROKEN_OFF = (
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ssl.SSLSyscallError,
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
)
_READ_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Largest decompressed bodies that are kept, in bytes.

    An error body may list one problem for each of 10,000 rows, hence megabytes for JSON but little for web pages.
    """

    success: int = 64 * 1024 * 1024
    error: int = 4 * 1024 * 1024
    page: int = 64 * 1024

    def limit_for(self, status: int, content_type: str) -> int:
        if 200 <= status < 300:
            return self.success
        return self.error if "json" in content_type else self.page


class _Progress:
    """Learns from the transport's trace whether the first byte of the request may have left."""

    def __init__(self) -> None:
        self._saw_connection = False
        self._saw_request = False

    async def trace(self, event: str, _info: object) -> None:
        self._saw_connection = self._saw_connection or event.startswith("connection.")
        self._saw_request = self._saw_request or event.endswith("send_request_headers.started")

    @property
    def maybe_sent(self) -> bool:
        """True unless the transport was seen to be still connecting."""
        return self._saw_request or not self._saw_connection


async def exchange(
    transport: httpx2.AsyncBaseTransport,
    request: httpx2.Request,
    *,
    connect_timeout_seconds: float,
    deadline_seconds: float,
    bounds: Bounds,
    clock: Callable[[], float] = time.monotonic,
) -> Answer | NoAnswer:
    """Send `request` once and read the answer; never raises for anything the network does.

    `deadline_seconds` covers everything from connecting to the last byte of the body.
    """
    progress = _Progress()
    began = clock()
    connect = min(connect_timeout_seconds, deadline_seconds)
    request.extensions = {
        **request.extensions,
        "trace": progress.trace,
        "timeout": {"connect": connect, "pool": connect, "read": None, "write": None},
    }
    response: httpx2.Response | None = None
    body, flaw = b"", None
    try:
        async with asyncio.timeout(deadline_seconds):
            response = await transport.handle_async_request(request)
            body, flaw = await _read(response, bounds)
    except TimeoutError:
        if response is None:
            reason = f"no answer within {deadline_seconds:g} seconds"
            return NoAnswer(reason, progress.maybe_sent, duration_ms=(clock() - began) * 1000)
        flaw = Flaw.DEADLINE
    except httpx2.TransportError as error:
        if response is None:
            return _no_answer(error, progress, (clock() - began) * 1000)
        flaw = Flaw.TRUNCATED
    finally:
        if response is not None:
            await _close(response)
    return Answer(response.status_code, _headers(response), body, (clock() - began) * 1000, flaw)


async def _close(response: httpx2.Response) -> None:
    """Closing a connection that has already failed may fail again; the answer was judged before."""
    try:
        await response.aclose()
    except (httpx2.TransportError, OSError):
        return


def _headers(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


async def _read(response: httpx2.Response, bounds: Bounds) -> tuple[bytes, Flaw | None]:
    limit = bounds.limit_for(response.status_code, response.headers.get("content-type", "").lower())
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "deflate"}:
        return b"", Flaw.UNDECODABLE
    body = bytearray()
    flaw: Flaw | None = None
    try:
        async for piece in _inflated(_pieces(response), encoding, limit + 1):
            body += piece
            if len(body) > limit:
                flaw = Flaw.TOO_LARGE
                break
    except zlib.error:
        flaw = Flaw.UNDECODABLE
    except httpx2.TransportError:
        flaw = Flaw.TRUNCATED
    return bytes(body[:limit]), flaw


def _pieces(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The bytes as the transport gives them, not decoded."""
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - for the type: every async transport gives it
    return aiter(response.stream)


async def _inflated(pieces: AsyncIterator[bytes], encoding: str, most: int) -> AsyncIterator[bytes]:
    """Decompress in steps of at most 64 KB, so that a small answer cannot fill the memory."""
    if encoding in {"", "identity"}:
        async for piece in pieces:
            yield piece
        return
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    given = 0
    async for piece in pieces:
        rest = piece
        while rest and given <= most and not inflater.eof:
            plain = inflater.decompress(rest, _READ_PIECE)
            rest = inflater.unconsumed_tail
            given += len(plain)
            yield plain
    if not inflater.eof:
        raise zlib.error("the compressed body ends early")


def _no_answer(error: httpx2.TransportError, progress: _Progress, duration_ms: float) -> NoAnswer:
    reason = type(error).__name__
    tls = _tls_refusal(error) if isinstance(error, httpx2.ConnectError) else None
    if tls is not None:
        return NoAnswer(f"TLS refused: {tls}", sent=False, untrusted=True, duration_ms=duration_ms)
    sent = not isinstance(error, _NEVER_SENT)
    words = "no answer" if sent else "could not connect"
    return NoAnswer(f"{words}: {reason}", sent=sent, duration_ms=duration_ms)


def _tls_refusal(error: BaseException | None) -> str | None:
    """The reason why the peer was not trusted. A handshake that merely broke off is an outage and gives None."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return str(getattr(error, "verify_message", None) or "certificate")
        if isinstance(error, ssl.SSLError) and not isinstance(error, _HANDSHAKE_BROKEN_OFF):
            return str(getattr(error, "reason", None) or "handshake")
        error = error.__cause__ or error.__context__
    return None


@lru_cache(maxsize=8)
def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Shared by all pools of the process: reading the system's store takes longer than anything else about one."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def open_transport(ca_file: str | None, proxy: str | None, connections: int) -> httpx2.AsyncHTTPTransport:
    """A pool that trusts `ca_file` or the system's store, speaks TLS 1.2 or newer and ignores the environment."""
    context = _trust(ca_file)
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=4.0)
    return httpx2.AsyncHTTPTransport(verify=context, trust_env=False, http1=True, limits=limits, proxy=proxy)
