"""The access token of an API client: fetched once, kept until shortly before it ends, fetched anew when it is refused."""

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx2
import msgspec
from pydantic import SecretStr

from ferrata.kit.clock import Clock
from ferrata.sources.commercetools.errors import AccessRefused, Unavailable

MARGIN_SECONDS: Final = 60.0
_DEADLINE_SECONDS: Final = 15.0


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 172_800
    scope: str = ""


class Tokens:
    def __init__(
        self,
        auth: str,
        client_id: str,
        client_secret: SecretStr,
        clock: Clock,
        *,
        scopes: Sequence[str] = (),
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._address, self._clock = f"{auth}/oauth/token", clock
        self._credentials = (client_id, client_secret)
        self._form = {"grant_type": "client_credentials"} | ({"scope": " ".join(scopes)} if scopes else {})
        self._client = httpx2.AsyncClient(transport=transport, timeout=_DEADLINE_SECONDS)
        self._lock = asyncio.Lock()
        self._known: _Token | None = None
        self._ends = 0.0

    async def current(self) -> str:
        """
        Raises:
            AccessRefused: the authorization server does not know this client, or not with these scopes.
            Unavailable: it does not answer.
        """
        return (await self._valid()).access_token

    async def scopes(self) -> frozenset[str]:
        """What the token allows, as the authorization server says."""
        return frozenset((await self._valid()).scope.split())

    def forget(self) -> None:
        self._known = None

    async def close(self) -> None:
        await self._client.aclose()

    async def _valid(self) -> _Token:
        async with self._lock:
            if self._known is None or self._clock.monotonic() >= self._ends:
                self._known = await self._fetch()
                self._ends = self._clock.monotonic() + max(self._known.expires_in - MARGIN_SECONDS, 1.0)
            return self._known

    async def _fetch(self) -> _Token:
        client_id, secret = self._credentials
        auth = httpx2.BasicAuth(client_id, secret.get_secret_value())
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                answer = await self._client.post(self._address, data=self._form, auth=auth)
        except (TimeoutError, httpx2.RequestError, httpx2.InvalidURL) as error:
            raise Unavailable(f"commercetools' authorization server does not answer: {type(error).__name__}.") from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Unavailable(f"commercetools' authorization server answered {answer.status_code}.")
        if not answer.is_success:
            raise AccessRefused(
                f"commercetools' authorization server answered {answer.status_code}: check client_id, secret, scopes."
            )
        try:
            return msgspec.json.decode(answer.content, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unavailable("commercetools' authorization server gave no token.") from error
