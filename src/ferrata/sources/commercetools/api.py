"""commercetools' HTTP API: reads with a token, within bounds of time, again where that helps.

There is a library for Python; it is for `requests` alone, does not repeat a 429 and knows no deadline, so this is our own.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx2
import msgspec

from ferrata.kit.clock import Clock
from ferrata.klaviyo.retry_after import parse_retry_after
from ferrata.sources.commercetools.errors import AccessRefused, QueryRefused, Unavailable
from ferrata.sources.commercetools.tokens import Tokens

Params = Sequence[tuple[str, str]]

ATTEMPTS: Final = 5
DEADLINE_SECONDS: Final = 30.0
LONGEST_WAIT_SECONDS: Final = 20.0
_FIRST_WAIT_SECONDS: Final = 0.5
_LATER: Final = frozenset({429, 500, 502, 503, 504})


class Api:
    """One project's API. Close it at the end."""

    def __init__(
        self,
        base: str,
        project: str,
        tokens: Tokens,
        clock: Clock,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._base = f"{base}/{quote(project, safe='')}"
        self._tokens, self._clock, self._chance = tokens, clock, chance
        self._client = httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(DEADLINE_SECONDS, connect=5.0))

    async def get(self, path: str, params: Params = ()) -> Any:
        """The answer as decoded JSON; None where there is no such thing.

        Raises:
            Unavailable: no good answer within some attempts.
            AccessRefused: the token does not allow it.
            QueryRefused: commercetools finds fault with the question.
        """
        return await self.send("GET", path, params)

    async def send(self, method: str, path: str, params: Params = (), body: Any = None) -> Any:
        """As ``get``, for any method. Only what may be done twice must be sent by it: it is repeated when no answer came."""
        refreshed, said = False, ""
        for attempt in range(ATTEMPTS):
            answer = await self._ask(method, path, params, body)
            if isinstance(answer, str):
                said, wait = answer, None
            elif answer.status_code == 401 and not refreshed:
                refreshed = True
                self._tokens.forget()
                continue
            elif answer.status_code in _LATER:
                said = f"it answered {answer.status_code}"
                wait = parse_retry_after(answer.headers.get("retry-after"), self._clock.now())
            else:
                return _judged(answer, path)
            if wait is not None and wait > LONGEST_WAIT_SECONDS:
                raise Unavailable(f"commercetools asks to wait: {said}.", seconds=wait)
            if attempt < ATTEMPTS - 1:
                await self._clock.sleep(wait if wait is not None else self._pause(attempt))
        raise Unavailable(f"commercetools does not answer {method} {path}: {said}.")

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, method: str, path: str, params: Params, body: Any) -> httpx2.Response | str:
        """The answer, or why there is none."""
        token = await self._tokens.current()
        headers = {"authorization": f"Bearer {token}", "accept": "application/json", "user-agent": "Ferrata"}
        content = None if body is None else msgspec.json.encode(body)
        if content is not None:
            headers["content-type"] = "application/json"
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                address = f"{self._base}/{path}" if path else self._base
                return await self._client.request(method, address, params=list(params), headers=headers, content=content)
        except TimeoutError:
            return f"no answer within {DEADLINE_SECONDS:.0f} seconds"
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            return f"{type(error).__name__}"

    def _pause(self, attempt: int) -> float:
        return _FIRST_WAIT_SECONDS * float(2**attempt) * (0.5 + self._chance())


def _judged(answer: httpx2.Response, path: str) -> Any:
    if answer.status_code == 404:
        return None
    if answer.is_success:
        try:
            return msgspec.json.decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unavailable(f"commercetools' answer to {path} is no JSON.") from error
    said = _message_of(answer)
    if answer.status_code in (401, 403):
        raise AccessRefused(f"commercetools answered {answer.status_code} to {path}: {said}")
    raise QueryRefused(f"commercetools answered {answer.status_code} to {path}: {said}")


def _message_of(answer: httpx2.Response) -> str:
    try:
        found = msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "no reason given"
    return str(found.get("message") or "no reason given")[:500] if isinstance(found, dict) else "no reason given"
