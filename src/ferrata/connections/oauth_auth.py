"""An OAuth installation as what a request to Klaviyo is made with: its tokens are read from the database and renewed in time."""

from collections.abc import Awaitable, Callable

from ferrata.infra.crypto import Undecryptable
from ferrata.infra.errors import StorageUnavailable
from ferrata.kit.clock import Clock
from ferrata.klaviyo import Executed, Kind, KlaviyoError, OAuthSession, OAuthTokens, Outcome
from ferrata.klaviyo.errors import error_for


class InstallationAuth:
    """One for each installation in a process. ``read`` gives the pair that is kept, ``refresh`` the one that follows a pair."""

    def __init__(
        self,
        read: Callable[[], Awaitable[OAuthTokens | None]],
        refresh: Callable[[OAuthTokens], Awaitable[OAuthTokens]],
        clock: Clock,
    ) -> None:
        self._read = read
        self._refresh = refresh
        self._clock = clock
        self._session: OAuthSession | None = None

    def __repr__(self) -> str:
        return "InstallationAuth(…)"

    async def authorization(self) -> str:
        return await (await self._opened()).authorization()

    async def renew(self, refused: str) -> bool:
        return await (await self._opened()).renew(refused)

    async def _opened(self) -> OAuthSession:
        if self._session is None:
            try:
                tokens = await self._read()
            except StorageUnavailable as error:
                raise not_now(error.message) from error
            except Undecryptable as error:
                raise in_vain("This store's OAuth tokens were encrypted with another master key.") from error
            if tokens is None:
                raise in_vain("This store's OAuth connection was removed.")
            self._session = OAuthSession(tokens, self._refresh, lambda: self._clock.now().timestamp())
        return self._session


def not_now(reason: str, retry_after_seconds: float | None = None) -> KlaviyoError:
    """No credential can be had at the moment: nothing was sent, and the same may be sent later."""
    return error_for(Outcome(Kind.TRANSIENT_NOT_SENT, "", Executed.NO, reason=reason, retry_after_seconds=retry_after_seconds))


def in_vain(reason: str) -> KlaviyoError:
    """No credential can be had before somebody mends the connection."""
    return error_for(Outcome(Kind.CREDENTIAL, "", Executed.NO, reason=reason))


class Bearer:
    """A pair that has just been given and is not kept yet: good for a question or two."""

    def __init__(self, tokens: OAuthTokens) -> None:
        self._tokens = tokens

    async def authorization(self) -> str:
        return f"Bearer {self._tokens.access.reveal()}"

    async def renew(self, refused: str) -> bool:
        return False
