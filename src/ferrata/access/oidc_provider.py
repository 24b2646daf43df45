"""What is asked of an OpenID provider: where its doors are, an ID token for a code, and whether that token can be trusted."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from ferrata.access.errors import ProviderRefused, ProviderUnavailable
from ferrata.kit.clock import Clock

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signed with a key that only the provider has; never a shared secret, and never nothing."""
KNOWN_ERRORS = frozenset(
    {
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "login_required",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
    }
)
_DEADLINE_SECONDS, _KEPT_SECONDS, _LEEWAY_SECONDS = 10.0, 3_600.0, 60
_LONGEST_ANSWER = 1_000_000


@dataclass(frozen=True, slots=True)
class Registration:
    """How this Ferrata is known at the provider. ``domains``: whoever has a verified address there may come by themselves."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    domains: frozenset[str]
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at the provider. ``email`` is lower case, and verified by the provider."""

    subject: str
    email: str
    name: str


class Provider:
    def __init__(self, registration: Registration, clock: Clock) -> None:
        self._registration = registration
        self._clock = clock
        self._doors: tuple[dict[str, Any], float] | None = None
        self._keys: tuple[KeySet, float] | None = None

    async def door(self, name: str) -> str:
        """The address of one of its endpoints, by the name that discovery gives it.

        Raises:
            ProviderUnavailable: it does not answer, or not as OpenID Connect Discovery asks.
        """
        if self._doors is None or self._clock.monotonic() >= self._doors[1]:
            issuer = self._registration.issuer
            found = await self._get(issuer.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise ProviderUnavailable(f"It calls itself {found.get('issuer')!r}, and FERRATA_OIDC_ISSUER says {issuer!r}.")
            self._doors = (found, self._clock.monotonic() + _KEPT_SECONDS)
        address = self._doors[0].get(name)
        if not isinstance(address, str) or urlsplit(address).scheme not in self._schemes():
            raise ProviderUnavailable(f"Its discovery document names no good {name}.")
        return address

    async def identify(self, code: str, verifier: str, nonce: str) -> Identity:
        """Who stands behind a code.

        Raises:
            ProviderRefused: the code is not good, or what it gave is not for us, not now, not signed, or not verified.
            ProviderUnavailable: it does not answer.
        """
        answer = await self._exchange(code, verifier)
        claims = await self._claims(str(answer.get("id_token", "")), nonce)
        if not claims.get("email") and isinstance(answer.get("access_token"), str):
            told = await self._get(await self.door("userinfo_endpoint"), {"Authorization": f"Bearer {answer['access_token']}"})
            if told.get("sub") != claims["sub"]:
                raise ProviderRefused("The provider told of somebody else than it had signed for.")
            # Address and proof from one place: what the token proves is not about another's address.
            claims = {**claims, "email": told.get("email"), "email_verified": told.get("email_verified")}
            claims = {**claims, "name": claims.get("name") or told.get("name")}
        email, is_verified = claims.get("email"), claims.get("email_verified")
        if not isinstance(email, str) or is_verified not in (True, "true"):
            raise ProviderRefused("The provider has not verified your e-mail address, so it says nothing about who you are here.")
        return Identity(str(claims["sub"])[:255], email.strip().lower(), str(claims.get("name") or ""))

    async def _claims(self, id_token: str, nonce: str) -> Mapping[str, Any]:
        mine = self._registration
        try:
            try:
                token = jwt.decode(id_token, await self._key_set(), algorithms=list(ALGORITHMS))
            except InvalidKeyIdError:  # it may have changed its keys since we looked
                token = jwt.decode(id_token, await self._key_set(fresh=True), algorithms=list(ALGORITHMS))
            wanted = jwt.JWTClaimsRegistry(
                now=int(self._clock.now().timestamp()),
                leeway=_LEEWAY_SECONDS,
                iss={"essential": True, "value": mine.issuer},
                aud={"essential": True, "value": mine.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            wanted.validate(token.claims)
        except (JoseError, ValueError) as error:
            raise ProviderRefused(f"The provider's token cannot be trusted: {type(error).__name__}.") from error
        if isinstance(token.claims["aud"], list) and len(token.claims["aud"]) > 1 and token.claims.get("azp") != mine.client_id:
            raise ProviderRefused("The provider's token was made for another application.")
        return token.claims

    async def _key_set(self, *, fresh: bool = False) -> KeySet:
        if fresh or self._keys is None or self._clock.monotonic() >= self._keys[1]:
            found: Any = await self._get(await self.door("jwks_uri"))
            self._keys = (KeySet.import_key_set(found), self._clock.monotonic() + _KEPT_SECONDS)
        return self._keys[0]

    async def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        mine = self._registration
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": mine.redirect_uri,
            "code_verifier": verifier,
            "client_id": mine.client_id,
        }
        address = await self.door("token_endpoint")
        how = (self._doors or ({}, 0))[0].get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = (mine.client_id, mine.client_secret) if "client_secret_basic" in how else None
        if basic is None:
            form["client_secret"] = mine.client_secret
        return await self._ask("POST", address, data=form, auth=basic)

    async def _get(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._ask("GET", address, headers=headers)

    async def _ask(self, method: str, address: str, **content: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS), httpx2.AsyncClient(timeout=_DEADLINE_SECONDS) as client:
                answer = await client.request(method, address, **content)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise ProviderUnavailable(f"The provider could not be asked: {type(error).__name__}.") from error
        try:
            document = answer.json() if len(answer.content) <= _LONGEST_ANSWER else None
        except ValueError:
            document = None  # an error page; its status says enough
        if method == "POST" and answer.status_code in (400, 401, 403):
            said = document.get("error") if isinstance(document, dict) else None
            raise ProviderRefused(f"The provider refused the code: {said_by_provider(said)}.")
        if answer.status_code != 200 or not isinstance(document, dict):
            raise ProviderUnavailable(f"The provider answered {answer.status_code}.")
        return document

    def _schemes(self) -> tuple[str, ...]:
        """https alone, unless the issuer itself is reached in clear, as on a machine of one's own."""
        return ("https", "http") if self._registration.issuer.startswith("http://") else ("https",)


def said_by_provider(error: object) -> str:
    """Its error code, if it is one that OAuth 2.0 or OpenID Connect knows: whatever else it says may be anybody's words."""
    return error if isinstance(error, str) and error in KNOWN_ERRORS else "no reason that is known"
