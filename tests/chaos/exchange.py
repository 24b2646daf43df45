"""One request to the hostile Klaviyo: how it is read, what is done about it, and how the answer is spoilt."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from tests.chaos.faults import Fault, Point
from tests.chaos.ledger import BULK, SINGLE, Refusal, Sent, read
from tests.chaos.windows import Quota

if TYPE_CHECKING:
    from tests.chaos.klaviyo import HostileKlaviyo

HANG_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One whole request, for the oracles."""

    at: float
    operation: str
    count: int
    status: int
    fault: str | None
    key: str


class Exchange:
    """One request and what is done about it. ``run`` tells whether the connection lives on."""

    def __init__(self, klaviyo: HostileKlaviyo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._klaviyo, self._reader, self._writer = klaviyo, reader, writer
        self._operation, self._key, self._body = "", "", b""
        self._events: list[Sent] = []

    async def run(self) -> bool:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")
        method, path, _ = request_line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        self._operation, self._key = f"{method} {path}", headers.get("authorization", "").rpartition(" ")[2]
        if self._operation not in (SINGLE, BULK):
            return await self._answer(404, [{"code": "not_found", "detail": f"no {self._operation} here"}])
        fault = self._klaviyo.deck.draw()
        length = int(headers["content-length"])
        self._body = await self._reader.readexactly(length // 2)
        if self._klaviyo.kill_at(Point.HALF_REQUEST, self._writer):
            return False
        if fault is Fault.HALF_RESET:
            return self._reset()
        if fault is Fault.HALF_STALL:
            await asyncio.sleep(HANG_SECONDS)
            return self._reset()
        self._body += await self._reader.readexactly(length - length // 2)
        return await self._whole(fault)

    async def _whole(self, fault: Fault | None) -> bool:
        klaviyo = self._klaviyo
        account = klaviyo.keys.get(self._key)
        if account is None:
            return await self._denied(401, "not_authenticated", "Missing or invalid private key.")
        if klaviyo.forbidden:
            return await self._denied(403, "permission_denied", "The key lacks the scope events:write.")
        self._events = read(self._operation, self._body)
        klaviyo.ledger.saw(account, self._operation, self._body, self._events)
        quota = klaviyo.quota.setdefault(account, Quota(klaviyo.chance))
        wait = quota.take(self._operation, time.monotonic())
        if wait:
            self._note(429, "own")
            return await self._answer(429, [{"code": "throttled"}], {"Retry-After": str(int(wait) + 1)})
        if klaviyo.kill_at(Point.BEFORE_EXECUTION, self._writer):
            klaviyo.ledger.left_in_doubt(account, self._operation, self._body, self._events)
            return False
        if fault and not fault.is_executed:
            return await self._misbehave(account, fault)
        return await self._execute(account, fault, quota.headers(self._operation))

    async def _execute(self, account: str, fault: Fault | None, headers: dict[str, str]) -> bool:
        klaviyo = self._klaviyo
        if fault is Fault.EXECUTED_LATE:
            self._doubt(account, fault)
            klaviyo.later(self._execute_late(account))
            await asyncio.sleep(HANG_SECONDS)
            return self._reset()
        refusal = klaviyo.ledger.execute(account, self._operation, self._events)
        if refusal:
            klaviyo.ledger.answered(account, self._events)
            if klaviyo.kill_at(Point.ON_REFUSAL, self._writer):
                return False
            return await self._refuse(refusal, headers)
        if klaviyo.kill_at(Point.AFTER_EXECUTION, self._writer):
            self._doubt(account, None)
            return False
        if fault and not await self._spoil(account, fault):
            return False
        if fault is None:
            klaviyo.ledger.answered(account, self._events)
            self._note(202, None)
            await self._send(202, b'{"data":{"id":"1"}}' if self._operation == BULK else b"", headers)
        if klaviyo._armed and klaviyo._armed.point is Point.AFTER_ANSWER:
            await asyncio.sleep(klaviyo.chance.random() * 0.005)
            if klaviyo.kill_at(Point.AFTER_ANSWER, self._writer):
                return False
        return True

    async def _execute_late(self, account: str) -> None:
        await asyncio.sleep(HANG_SECONDS * (0.5 + self._klaviyo.chance.random()))
        self._klaviyo.ledger.execute(account, self._operation, self._events)

    async def _misbehave(self, account: str, fault: Fault) -> bool:
        """A fault of a whole request that is not executed."""
        match fault:
            case Fault.RESET | Fault.QUIET_CLOSE | Fault.HANG:
                self._doubt(account, fault)
                if fault is Fault.HANG:
                    await asyncio.sleep(HANG_SECONDS)
                return False if fault is Fault.QUIET_CLOSE else self._reset()
            case Fault.HTML_502:
                return await self._page(account, 502, fault)
            case Fault.CHALLENGE_403:
                return await self._page(account, 403, fault, {"cf-mitigated": "challenge"})
            case Fault.STATUS_500 | Fault.STATUS_408 | Fault.BUSY_503:
                self._doubt(account, fault)
                extra = {"Retry-After": "1"} if fault is Fault.BUSY_503 else {}
                return await self._answer(int(fault.value[-3:]), [{"code": "error"}], extra)
        self._note(429, fault.value)
        told = {
            Fault.THROTTLE_SECONDS: "1",
            Fault.THROTTLE_FRACTION: "0.7",
            Fault.THROTTLE_DATE: formatdate(time.time() + 2, usegmt=True),
            Fault.THROTTLE_GARBAGE: "soon, I hope; \x7f",
            Fault.THROTTLE_NEGATIVE: "-5",
        }.get(fault)
        return await self._answer(429, [{"code": "throttled"}], {"Retry-After": told} if told else {})

    async def _spoil(self, account: str, fault: Fault) -> bool:
        """The request was executed; spoil the answer. Whether the connection lives on."""
        match fault:
            case Fault.EXECUTED_500 | Fault.EXECUTED_503:
                self._doubt(account, fault)
                return await self._answer(int(fault.value[-3:]), [{"code": "error"}])
            case Fault.EXECUTED_HTML:
                self._note(202, fault.value)
                await self._send(202, b"<html>all fine</html>", {"Content-Type": "text/html"})
                return True
            case Fault.EXECUTED_EMPTY:
                self._note(202, fault.value)
                await self._send(202, b"", {})
                return True
            case Fault.EXECUTED_TRUNCATED:
                self._note(202, fault.value)
                await self._raw(b'HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\n{"data":')
                return False
            case Fault.EXECUTED_HALF_STATUS:
                self._doubt(account, fault)
                await self._raw(b"HTTP/1.1 20")
                return False
            case Fault.EXECUTED_GARBAGE:
                self._doubt(account, fault)
                await self._raw(bytes(self._klaviyo.chance.randrange(256) for _ in range(300)) + b"\r\n\r\n")
                return False
            case Fault.EXECUTED_DRIP:
                self._doubt(account, fault)
                for byte in b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n":
                    await self._raw(bytes([byte]))
                    await asyncio.sleep(0.15)
                return False
        self._doubt(account, fault)
        if fault is Fault.EXECUTED_HANG:
            await asyncio.sleep(HANG_SECONDS)
        return self._reset()

    async def _page(self, account: str, status: int, fault: Fault, headers: dict[str, str] | None = None) -> bool:
        self._doubt(account, fault)
        await self._send(
            status, b"<html><body>Something went wrong</body></html>", {"Content-Type": "text/html"} | (headers or {})
        )
        return True

    async def _denied(self, status: int, code: str, detail: str) -> bool:
        self._note(status, f"denied_{status}")
        self._klaviyo.points[f"denied_{status}"] += 1
        return await self._answer(status, [{"code": code, "title": "No.", "detail": detail, "source": {"pointer": "/data/"}}])

    async def _refuse(self, refusal: Refusal, headers: dict[str, str]) -> bool:
        self._note(refusal.status, "refused")
        return await self._answer(refusal.status, refusal.errors, headers)

    def _doubt(self, account: str, fault: Fault | None) -> None:
        self._klaviyo.ledger.left_in_doubt(account, self._operation, self._body, self._events)
        self._note(0, fault.value if fault else "killed")

    def _note(self, status: int, fault: str | None) -> None:
        self._klaviyo.seen.append(Seen(time.monotonic(), self._operation, len(self._events), status, fault, self._key))

    async def _answer(self, status: int, errors: list[dict[str, Any]], headers: dict[str, str] | None = None) -> bool:
        await self._send(
            status, json.dumps({"errors": errors}).encode(), {"Content-Type": "application/vnd.api+json"} | (headers or {})
        )
        return True

    async def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        always = {"Content-Length": str(len(body)), "Date": formatdate(usegmt=True)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (always | headers).items())
        await self._raw(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1") + body)

    async def _raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def _reset(self) -> bool:
        """Close so that the other side sees a reset, not an end."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        return False
