"""Reads a request's body within bounds of size and time, compressed or not."""

import asyncio
import zlib
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from ferrata.infra.errors import Rejected, TooLarge

RECEIVE = "ferrata.receive"
SMALL_BODY_BYTES = 256 * 1024
BODY_SECONDS = 30.0
_PIECE = 64 * 1024


class TooSlow(Rejected):
    """The body did not arrive in time."""

    code, status = "request_timeout", 408


class UnknownEncoding(Rejected):
    """The body is compressed in a way that is not understood here. Send it plain, or with `Content-Encoding: gzip`."""

    code, status = "unsupported_encoding", 415


class Incomplete(Rejected):
    """The body broke off before its end."""

    code = "incomplete_body"


async def read_body(request: Request, limit_bytes: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body, decompressed, of at most ``limit_bytes`` before and after decompression, within ``seconds`` in all.

    Reads past the general bound of :class:`SmallBodies`: a route that takes more calls this with its own limit.

    Raises:
        TooLarge: 413, as soon as it is known, without reading on.
        TooSlow: 408.
        UnknownEncoding: 415, anything but gzip, deflate or nothing.
        Incomplete: 400, broken off or not what its encoding says.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise UnknownEncoding
    if _announced(request) > limit_bytes:
        raise _too_large(limit_bytes)
    if encoding in ("identity", "") and _has_arrived(
        request
    ):  # to wait by the clock for what is there costs more than to read it
        return await _whole(request, limit_bytes)
    pieces = _pieces(request, limit_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            if encoding in ("identity", ""):
                return b"".join([piece async for piece in pieces])  # bounded already, and nearly always one
            async for piece in _inflated(pieces):
                body += piece
                if len(body) > limit_bytes:
                    raise _too_large(limit_bytes)
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {seconds:g} seconds.") from None
    return bytes(body)


async def _whole(request: Request, limit_bytes: int) -> bytes:
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise Incomplete
    body: bytes = message["body"]
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


def _has_arrived(request: Request) -> bool:
    """Whether the whole body is here, so that nothing will be waited for. Only uvicorn's own cycle can tell; otherwise False."""
    cycle = getattr(request.receive, "__self__", None)
    return isinstance(cycle, RequestResponseCycle) and not cycle.more_body


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than the {limit_bytes:,} bytes that are accepted here.")


async def _pieces(request: Request, limit_bytes: int) -> AsyncIterator[bytes]:
    receive: Receive = request.scope.get(RECEIVE) or request.receive
    seen = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Incomplete
        piece = message.get("body", b"")
        seen += len(piece)
        if seen > limit_bytes:
            raise _too_large(limit_bytes)
        more = message.get("more_body", False)
        if piece:
            yield piece


async def _inflated(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decompress by steps of 64 KB, so that the reader's limit stops a bomb before it unfolds."""
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    started = False
    async for piece in pieces:
        rest = piece
        while rest:
            if inflater.eof:  # gzip allows members one after another
                inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            started = True
            try:
                yield inflater.decompress(rest, _PIECE)
            except zlib.error:
                raise Incomplete("The body is not what its Content-Encoding says.") from None
            rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if started and not inflater.eof:
        raise Incomplete("The compressed body ends too early.")


class SmallBodies:
    """Bounds every body that the framework reads by itself, forms and small JSON; ``read_body`` goes past it."""

    def __init__(self, app: ASGIApp, limit_bytes: int = SMALL_BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._limit = limit_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[RECEIVE] = receive
        await self._app(scope, self._bounded(receive), send)

    def _bounded(self, receive: Receive) -> Receive:
        seen = 0
        whole = False
        deadline = asyncio.get_running_loop().time() + self._seconds  # in all: a body that drips is as slow as one that stops

        async def bounded() -> Message:
            nonlocal seen, whole
            if whole:  # from here on only the disconnect is waited for, by streams that live long
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise TooSlow(f"The body did not arrive within {self._seconds:g} seconds.") from None
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise _too_large(self._limit)
            whole = message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        return bounded
