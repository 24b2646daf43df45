"""The client: one primitive, `request`, and on it `send` (a value comes back), `write` and `read` (errors are raised)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx2

from .address import Address
from .answer import Answer, NoAnswer
from .auth import Auth
from .classify import classify
from .documents import Document, document_of
from .errors import KlaviyoError, error_for
from .limits import Limiter
from .operations import extra_bucket
from .outcome import Executed, Kind, Outcome, Recovery
from .turns import Turns
from .wire import Bounds, exchange, open_transport

REVISION = "2026-07-15"
_JSON_API = "application/vnd.api+json"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `total` bounds a whole request, from connecting to the last byte of the answer."""

    connect: float = 5.0
    total: float = 30.0


class Klaviyo:
    """Klaviyo's API for one account. Use as an async context manager, or call `aclose()`.

    `transport` is any httpx2 async transport; without it a pool of `connections` is opened that trusts `ca_file` (or the
    system's store) and knows no proxy but `proxy`. Plain http is refused except to this machine, unless `allow_http`.
    With a `limiter` every request waits for its turn, at most `patience_seconds`, then raises Throttled; leave it out
    where the caller paces, as delivery does.
    """

    def __init__(
        self,
        auth: Auth,
        base_url: str = "https://a.klaviyo.com",
        *,
        revision: str = REVISION,
        transport: httpx2.AsyncBaseTransport | None = None,
        timeouts: Timeouts | None = None,
        bounds: Bounds | None = None,
        ca_file: str | None = None,
        proxy: str | None = None,
        connections: int = 20,
        user_agent: str = "ferrata-klaviyo/1",
        allow_http: bool = False,
        limiter: Limiter | None = None,
        patience_seconds: float = 60.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.address = Address(base_url, allow_http=allow_http)
        self._auth = auth
        self._transport = transport or open_transport(ca_file, proxy, connections)
        self._timeouts = timeouts or Timeouts()
        self._bounds = bounds or Bounds()
        self._turns = Turns(limiter, patience_seconds, sleep) if limiter else None
        self._now = now
        self._fixed_headers = {
            "accept": _JSON_API,
            "accept-encoding": "gzip",
            "revision": revision,
            "user-agent": user_agent,
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._transport.aclose()

    def __repr__(self) -> str:
        return f"Klaviyo({self.address.origin})"

    async def request(
        self,
        operation: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        url: str | None = None,
    ) -> Answer | NoAnswer:
        """Send one request and give what came back, whatever it is.

        `operation` is "METHOD /path/{id}", `path` fills its places; or `url` is a complete `links.next`, whose origin must
        be ours (ValueError otherwise). `body` goes out byte for byte. A 401 is tried once more if the credential could be
        renewed. Raises KlaviyoError only if no credential or no turn could be had.
        """
        target = self.address.of_link(url) if url else self.address.of(operation, path or {}, query or {})
        authorization = await self._auth.authorization()
        answer = await self._in_turn(operation, target, body, authorization)
        if isinstance(answer, Answer) and answer.status == 401 and await self._auth.renew(authorization):
            answer = await self._in_turn(operation, target, body, await self._auth.authorization())
        return answer

    async def send(
        self,
        operation: str,
        body: bytes | None = None,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Write, and learn what became of it as a value; never raises for what the network or Klaviyo do.

        The bytes are sent unchanged, so that a resend is identical. A 2xx counts as accepted whatever its body, which the
        outcome carries.
        """
        try:
            answer = await self.request(operation, path=path, query=query, body=body)
        except KlaviyoError as error:
            return _before_sending(error.outcome, operation)
        return classify(answer, operation, self._now())

    async def write(self, operation: str, body: bytes | None = None, *, path: Mapping[str, str] | None = None) -> Outcome:
        """Like `send`, but raises the error of `errors` that fits anything but an accepted request."""
        outcome = await self.send(operation, body, path=path)
        if not outcome.is_accepted:
            raise error_for(outcome)
        return outcome

    async def read(
        self,
        operation: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        url: str | None = None,
    ) -> Document:
        """Ask for a JSON:API document, also the one that a write answers. Raises the error that fits anything else."""
        answer = await self.request(operation, path=path, query=query, body=body, url=url)
        outcome = classify(answer, operation, self._now(), reads=True)
        if isinstance(answer, NoAnswer) or not outcome.is_accepted:
            raise error_for(outcome)
        return document_of(answer, outcome)

    async def _in_turn(self, operation: str, target: str, body: bytes | None, authorization: str) -> Answer | NoAnswer:
        if self._turns is None:
            return await self._once(operation, target, body, authorization)
        extra = extra_bucket(target)
        async with self._turns.turn(operation, extra) as heard:
            answer = await self._once(operation, target, body, authorization)
            heard(answer)
        return answer

    async def _once(self, operation: str, target: str, body: bytes | None, authorization: str) -> Answer | NoAnswer:
        headers = {**self._fixed_headers, "authorization": authorization}
        if body is not None:
            headers["content-type"] = _JSON_API
        request = httpx2.Request(operation.partition(" ")[0], target, headers=headers, content=body)
        return await exchange(
            self._transport,
            request,
            connect_timeout_seconds=self._timeouts.connect,
            deadline_seconds=self._timeouts.total,
            bounds=self._bounds,
        )


def _before_sending(outcome: Outcome, operation: str) -> Outcome:
    """The outcome for a request that stayed at home because no credential or turn could be had."""
    kind = Kind.TRANSIENT_NOT_SENT if outcome.recovery is Recovery.TRANSIENT else outcome.kind
    kind = Kind.THROTTLED if outcome.operation == operation and outcome.kind is Kind.THROTTLED else kind
    reason = outcome.reason if outcome.operation in ("", operation) else f"{outcome.operation}: {outcome.reason}"
    return replace(outcome, kind=kind, operation=operation, executed=Executed.NO, reason=reason, rate_headers={})
