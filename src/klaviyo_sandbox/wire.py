"""How answers leave: whole, or in the broken ways that faults ask for.

Served by `server`, a request carries its TCP transport in the scope extension `EXTENSION`, so that resets, truncated
bodies, raw headers and byte-wise delivery are real. Without it (in process) a broken connection raises
`ConnectionResetError` at the caller, and slow delivery is slow per chunk.
"""

import asyncio
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from klaviyo_sandbox.errors import ApiError, Problem, throttled
from klaviyo_sandbox.exchange import Answer
from klaviyo_sandbox.fault_presets import Effect

if TYPE_CHECKING:
    from klaviyo_sandbox.sandbox import Sandbox

EXTENSION = "klaviyo_sandbox.transport"
_HTML = "<!DOCTYPE html><html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>cloudflare</body></html>"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ClientLeft(Exception):
    """The client closed the connection before its request was complete: there is nobody to answer."""


class Line:
    """One request's connection."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        self._transport: asyncio.Transport | None = (scope.get("extensions") or {}).get(EXTENSION)
        self._receive = receive
        self._send = send

    async def read_body(self, most: int) -> bytes:
        """The body as it came, cut off beyond `most` bytes (which the limits refuse anyway); may raise ClientLeft."""
        chunks: list[bytes] = []
        size = 0
        while size <= most:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if not message.get("more_body"):
                break
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def send(self, answer: Answer) -> None:
        """Deliver an answer properly."""
        body = answer.body()
        await self.send_bytes(answer.status, headers_of(answer, body), body)

    async def send_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Deliver a status, headers and body properly."""
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})
        await self._send({"type": "http.response.body", "body": body})

    async def wait(self, seconds: float) -> None:
        """Let real time pass; ends early when the client leaves."""
        if not seconds:
            return
        try:
            await asyncio.wait_for(self._gone(), seconds)
        except TimeoutError:
            return

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def reset(self) -> None:
        """TCP RST."""
        if self._transport is None:
            raise ConnectionResetError("reset by a fault of the sandbox")
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
        await self._gone()

    async def send_raw(self, raw: bytes, bytes_per_second: float = 0) -> None:
        """Write bytes to the connection as they are, slowly if asked, and close it."""
        if self._transport is None:
            raise ConnectionResetError("broken off by a fault of the sandbox")
        if bytes_per_second:
            step = max(1, int(bytes_per_second / 10))
            for start in range(0, len(raw), step):
                if self._transport.is_closing():
                    break
                self._transport.write(raw[start : start + step])
                await self.wait(step / bytes_per_second)
        else:
            self._transport.write(raw)
        self._transport.close()
        await self._gone()


def headers_of(answer: Answer, body: bytes) -> list[tuple[str, str]]:
    """An answer's headers. Empty bodies have no content type, nor have the 429s (recorded)."""
    headers = list(answer.headers.items())
    if body and answer.status != HTTPStatus.TOO_MANY_REQUESTS:
        headers.append(("content-type", answer.media_type))
    if answer.status != HTTPStatus.NO_CONTENT:
        headers.append(("content-length", str(len(body))))
    return headers


async def deliver(line: Line, sandbox: "Sandbox", effect: Effect, answer: Answer | None) -> None:
    """Send what an effect makes of an answer (None if the operation did not run)."""
    if effect.reset:
        await line.reset()
        return
    status, headers, body = compose(sandbox, effect, answer)
    breaks_http = any("\n" in value or "\r" in value for _, value in headers)
    if effect.truncate or effect.drip_bytes_per_second or breaks_http:
        end = len(body) // 2 if effect.truncate else len(body)
        await line.send_raw(_raw_head(status, headers) + body[:end], effect.drip_bytes_per_second)
        return
    await line.send_bytes(status, headers, body)


def compose(sandbox: "Sandbox", effect: Effect, answer: Answer | None) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of the answer that an effect asks for."""
    invented = _invented(sandbox, effect) if effect.status is not None or answer is None else answer
    body = invented.body() if effect.text is None else effect.text.encode()
    if effect.truncate and not body:
        body = b'{"data":null}'
    if effect.body_bytes > len(body):
        body += b" " * (effect.body_bytes - len(body))
    if effect.gzip_bomb_bytes:
        body = gzip.compress(b"\0" * effect.gzip_bomb_bytes, compresslevel=6)
        invented.headers["content-encoding"] = "gzip"
    headers = headers_of(invented, body)
    if effect.retry_after is not None:
        headers = [pair for pair in headers if pair[0] != "retry-after"]
        headers.append(("retry-after", _retry_after(effect.retry_after, sandbox.clock.timestamp())))
    headers.extend(effect.headers.items())
    return invented.status, headers, body


def _invented(sandbox: "Sandbox", effect: Effect) -> Answer:
    status = effect.status or HTTPStatus.OK
    if effect.body == "json" and status >= HTTPStatus.BAD_REQUEST:
        problems = _error(status).problems
        return Answer(status, {"errors": [problem.document(sandbox.ids.error()) for problem in problems]})
    if effect.body == "html":
        title = f"{status} {_phrase(status)}"
        return Answer(status, _HTML.format(title), media_type="text/html; charset=UTF-8")
    if effect.body == "garbage":
        return Answer(status, '{"errors":[{"id":"\ufffd', media_type="application/octet-stream")
    return Answer(status)


def _error(status: int) -> ApiError:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return throttled(1)
    code = {400: "invalid", 401: "not_authenticated", 403: "permission_denied", 404: "not_found"}.get(status, "error")
    title = _phrase(status)
    return ApiError(Problem("A fault of the sandbox.", status=status, code=code, title=f"{title}."))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Web Server Returned an Unknown Error"


def _retry_after(value: int | str, now: float) -> str:
    text = str(value)
    if text.startswith("date:"):
        return formatdate(now + float(text.removeprefix("date:")), usegmt=True)
    return text


def _raw_head(status: int, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1")
