"""The OAuth 2 token endpoint: exchange a code with PKCE, refresh, revoke. Stores nothing."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import httpx2
import msgspec

from .address import require_safe
from .answer import Answer, NoAnswer
from .auth import OAuthTokens, Secret
from .classify import classify
from .errors import KeyRevoked, UnreadableAnswer, error_for
from .outcome import Executed, Kind, Outcome, Problem
from .wire import Bounds, exchange, open_transport

_TOKEN, _REVOKE = "POST /oauth/token", "POST /oauth/revoke"
_SMALL = Bounds(success=256 * 1024, error=64 * 1024)


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float
    refresh_token: str | None = None
    scope: str | None = None


class TokenEndpoint:
    """Klaviyo's token endpoint for one app (`client_id`, `client_secret`).

    Every call raises KeyRevoked on `invalid_grant` (uninstalled, revoked, code reused) or `invalid_client`, with that word
    as the code of its one problem, and otherwise the errors of `errors`. Serialise refreshes per installation and keep the
    whole returned pair: it may be rotated.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: Secret,
        *,
        token_url: str = "https://a.klaviyo.com/oauth/token",  # noqa: S107 - an address, no password
        revoke_url: str = "https://a.klaviyo.com/oauth/revoke",
        transport: httpx2.AsyncBaseTransport | None = None,
        ca_file: str | None = None,
        proxy: str | None = None,
        allow_http: bool = False,
        deadline_seconds: float = 30.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._token_url = require_safe(token_url, allow_http=allow_http)
        self._revoke_url = require_safe(revoke_url, allow_http=allow_http)
        pair = f"{client_id}:{client_secret.reveal()}"
        self._basic = Secret("Basic " + base64.b64encode(pair.encode()).decode())
        self._transport = transport or open_transport(ca_file, proxy, connections=4)
        self._deadline_seconds = deadline_seconds
        self._now = now

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def exchange(self, code: str, code_verifier: Secret, redirect_uri: str) -> OAuthTokens:
        """The first pair, for the code that came back to `redirect_uri`."""
        form = {"code": code, "code_verifier": code_verifier.reveal(), "redirect_uri": redirect_uri}
        return self._tokens(await self._post({"grant_type": "authorization_code", **form}), former=None)

    async def refresh(self, tokens: OAuthTokens) -> OAuthTokens:
        """A new pair for the old one."""
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh.reveal()}
        return self._tokens(await self._post(form), former=tokens)

    async def revoke(self, tokens: OAuthTokens) -> None:
        """Withdraw the installation's refresh token, and with it the access."""
        form = {"token": tokens.refresh.reveal(), "token_type_hint": "refresh_token"}
        seen = await self._exchange(self._revoke_url, form)
        self._raise_unless_accepted(seen, _REVOKE, reads=False)

    async def _post(self, form: dict[str, str]) -> Answer:
        seen = await self._exchange(self._token_url, form)
        return self._raise_unless_accepted(seen, _TOKEN, reads=True)

    async def _exchange(self, url: str, form: dict[str, str]) -> Answer | NoAnswer:
        headers = {
            "accept": "application/json",
            "accept-encoding": "gzip",
            "content-type": "application/x-www-form-urlencoded",
            "authorization": self._basic.reveal(),
        }
        request = httpx2.Request("POST", url, headers=headers, content=urlencode(form).encode())
        return await exchange(
            self._transport,
            request,
            connect_timeout_seconds=5.0,
            deadline_seconds=self._deadline_seconds,
            bounds=_SMALL,
        )

    def _raise_unless_accepted(self, seen: Answer | NoAnswer, operation: str, *, reads: bool) -> Answer:
        if isinstance(seen, Answer) and seen.status in {400, 401} and (word := _oauth_error(seen.body)):
            raise KeyRevoked(
                Outcome(
                    kind=Kind.CREDENTIAL,
                    operation=operation,
                    executed=Executed.NO,
                    status=seen.status,
                    reason=f"the token endpoint answered {word}",
                    problems=(Problem(code=word),),
                )
            )
        outcome = classify(seen, operation, datetime.fromtimestamp(self._now(), UTC), reads=reads)
        if isinstance(seen, NoAnswer) or not outcome.is_accepted:
            raise error_for(outcome)
        return seen

    def _tokens(self, answer: Answer, former: OAuthTokens | None) -> OAuthTokens:
        try:
            granted = msgspec.json.decode(answer.body, type=_Granted)
            refresh = Secret(granted.refresh_token) if granted.refresh_token else former.refresh if former else None
            if refresh is None or not 0 < granted.expires_in < 1e9:
                raise ValueError("no refresh token, or a life that cannot be")
            scopes = frozenset(granted.scope.split()) if granted.scope else former.scopes if former else frozenset()
            now = self._now()
            return OAuthTokens(Secret(granted.access_token), refresh, now + granted.expires_in, scopes, now)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            reason = "the token endpoint's answer could not be read"  # without its text: it may hold a token
            outcome = Outcome(Kind.UNREADABLE, _TOKEN, Executed.YES, status=answer.status, reason=reason)
        raise UnreadableAnswer(outcome)


def code_challenge(code_verifier: Secret) -> str:
    """The S256 challenge of a verifier (RFC 7636); Klaviyo demands PKCE of confidential clients too."""
    digest = hashlib.sha256(code_verifier.reveal().encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize_url(
    *,
    client_id: str,
    redirect_uri: str,
    scopes: Iterable[str],
    state: str,
    code_verifier: Secret,
    base: str = "https://www.klaviyo.com/oauth/authorize",
) -> str:
    """Where to send the person who installs the app."""
    question = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "code_challenge_method": "S256",
        "code_challenge": code_challenge(code_verifier),
    }
    return f"{base}?{urlencode(question, quote_via=quote)}"


def _oauth_error(body: bytes) -> str | None:
    """The `error` word of RFC 6749, section 5.2, if the body has one."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    word = document.get("error") if isinstance(document, dict) else None
    return word[:64] if isinstance(word, str) and word.isascii() and word.replace("_", "").isalnum() else None
