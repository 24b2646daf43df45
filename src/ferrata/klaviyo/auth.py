"""Who we are to Klaviyo: a private key, or an OAuth installation whose access token is renewed in time."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from .errors import Transient

_KEY = re.compile(r"pk_[\x21-\x7e]{1,253}\Z")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+\Z")
_RENEW_BEFORE_EXPIRY_SECONDS = 60.0
_RENEW_EARLY_SECONDS = 300.0
_RENEW_EARLY_SHARE = 0.2


class Auth(Protocol):
    """Gives the Authorization header, and may once make a new one when Klaviyo refused the last."""

    async def authorization(self) -> str:
        """The header's value. Raises KlaviyoError if none can be had now."""
        ...

    async def renew(self, refused: str) -> bool:
        """After a 401 to `refused`: True if `authorization()` now gives another value worth one more try."""
        ...


class Secret:
    """Text that no repr, str, format, pickle or comparison of time reveals; `reveal()` is the only way out."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        return self.__text

    @property
    def hint(self) -> str:
        """Enough to tell two secrets apart on a page: the last four characters of a long one."""
        return f"…{self.__text[-4:]}" if len(self.__text) >= 16 else "…"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hint})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> str:
        raise TypeError(f"a {type(self).__name__} is not pickled or copied: it would leave its masks behind")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__text == other.__text

    def __hash__(self) -> int:
        return hash((Secret, self.__text))


class PrivateKey(Secret):
    """A private API key, `pk_...`. Raises ValueError (without the key) if it cannot be one or would split a header."""

    __slots__ = ()

    def __init__(self, text: str) -> None:
        if not _KEY.match(text):
            raise ValueError("a private key starts with pk_ and holds printable ASCII without spaces")
        super().__init__(text)

    async def authorization(self) -> str:
        return f"Klaviyo-API-Key {self.reveal()}"

    async def renew(self, refused: str) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class OAuthTokens:
    """The pair that the token endpoint gave. Instants are Unix time in seconds; `issued_at` 0: not known. Store the whole pair
    at once."""

    access: Secret
    refresh: Secret
    expires_at: float
    scopes: frozenset[str] = field(default_factory=frozenset)
    issued_at: float = 0.0

    @property
    def renew_at(self) -> float:
        """From when on a new pair is asked for: five minutes before expiry, or a fifth of a life that is shorter."""
        if not self.issued_at:
            return self.expires_at - _RENEW_BEFORE_EXPIRY_SECONDS
        return self.expires_at - min(_RENEW_EARLY_SECONDS, _RENEW_EARLY_SHARE * (self.expires_at - self.issued_at))

    def __post_init__(self) -> None:
        if not (_TOKEN.match(self.access.reveal()) and _TOKEN.match(self.refresh.reveal())):
            raise ValueError("an OAuth token holds only the characters of RFC 6750")


class OAuthSession:
    """Bearer authorization of one installation.

    `refresh` turns the old pair into the new one and must have stored it durably before it returns (Klaviyo may rotate
    the refresh token); several processes serialise inside it. In this process only one refresh runs at a time.
    """

    def __init__(
        self,
        tokens: OAuthTokens,
        refresh: Callable[[OAuthTokens], Awaitable[OAuthTokens]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._tokens = tokens
        self._refresh = refresh
        self._now = now
        self._turn = asyncio.Lock()

    async def authorization(self) -> str:
        if self._now() >= self._tokens.renew_at:
            await self._renew_in_time()
        return _bearer(self._tokens)

    async def _renew_in_time(self) -> None:
        """A token endpoint that is down for a moment does no harm while the old token still lives."""
        try:
            await self.renew(_bearer(self._tokens))
        except Transient:
            if self._tokens.expires_at <= self._now():
                raise

    async def renew(self, refused: str) -> bool:
        async with self._turn:
            if _bearer(self._tokens) == refused:
                self._tokens = await self._refresh(self._tokens)
            return _bearer(self._tokens) != refused


def _bearer(tokens: OAuthTokens) -> str:
    return f"Bearer {tokens.access.reveal()}"
