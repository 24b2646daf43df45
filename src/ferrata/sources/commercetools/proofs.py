"""Whether a delivery comes from where it says: by a secret of the merchant's, by Google's token, or by Amazon's signature."""

import asyncio
import hmac
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import SecretStr

from ferrata.infra.guarded_transport import AddressRefused
from ferrata.kit.clock import Clock
from ferrata.sources.commercetools.errors import Unavailable
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.commercetools.sns import Sns
from ferrata.sources.contract import Received, Unverified

GOOGLE_KEYS: Final = "https://www.googleapis.com/oauth2/v3/certs"
_ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
_KEYS_HOLD_SECONDS: Final = 3_600.0
_SKEW_SECONDS: Final = 60
_DEADLINE_SECONDS: Final = 10.0

NO_PROOF = "This delivery proves nothing. Send the secret, or set up in the settings how else it is proven."


def has_secret(received: Received, secret: SecretStr | None) -> bool:
    """Whether the delivery brings the merchant's own secret, in any of the places where senders can put one."""
    if secret is None:
        return False
    scheme, _, bearer = received.headers.get("authorization", "").partition(" ")
    given = (
        bearer if scheme.lower() == "bearer" else "",
        received.headers.get("x-ferrata-secret", ""),
        received.headers.get("x-api-key", ""),
        received.query.get("secret", ""),
    )
    wanted = secret.get_secret_value().encode()
    return any([hmac.compare_digest(each.encode(), wanted) for each in given])  # noqa: C419 - all are compared, in the same time


class Proofs:
    """Remembers the keys that it has fetched, for all stores."""

    def __init__(self) -> None:
        self._google: tuple[float, KeySet] | None = None
        self.sns = Sns()

    async def google(
        self, received: Received, settings: CommercetoolsSettings, clock: Clock, transport: httpx2.AsyncBaseTransport | None
    ) -> None:
        """
        Raises:
            Unverified: there is no token of Google's for this audience, or not of this service account.
            Unavailable: Google's keys cannot be fetched.
        """
        token = received.headers.get("authorization", "").partition(" ")[2]
        try:
            decoded = jwt.decode(token, await self._keys(clock, transport), algorithms=["RS256"])
        except (JoseError, ValueError) as error:
            raise Unverified("The OpenID token of this delivery is not signed by Google.") from error
        fault = _fault_of(decoded.claims, settings, received.at.timestamp())
        if fault:
            raise Unverified(fault)

    async def _keys(self, clock: Clock, transport: httpx2.AsyncBaseTransport | None) -> KeySet:
        now = clock.monotonic()
        if self._google is None or now - self._google[0] > _KEYS_HOLD_SECONDS:
            self._google = (now, _key_set(await fetched(GOOGLE_KEYS, transport)))
        return self._google[1]


def _key_set(answer: bytes) -> KeySet:
    """Raises Unavailable: these are no keys."""
    try:
        return KeySet.import_key_set(msgspec.json.decode(answer))
    except (msgspec.DecodeError, JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unavailable("Google's keys cannot be read.") from error


async def fetched(address: str, transport: httpx2.AsyncBaseTransport | None) -> bytes:
    """Raises Unavailable."""
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS), httpx2.AsyncClient(transport=transport) as client:
            answer = await client.get(address)
    except AddressRefused as error:  # ours to mend, not the sender's: the delivery is to be sent again
        raise Unavailable(error.message) from error
    except (TimeoutError, httpx2.RequestError) as error:
        raise Unavailable(f"{httpx2.URL(address).host} does not answer.") from error
    if answer.status_code != 200:
        raise Unavailable(f"{httpx2.URL(address).host} answered {answer.status_code}.")
    return answer.content


def _fault_of(claims: Mapping[str, Any], settings: CommercetoolsSettings, now: float) -> str | None:
    expires = claims.get("exp")
    if claims.get("iss") not in _ISSUERS:
        return "The OpenID token is not issued by Google."
    if not isinstance(expires, int | float) or expires + _SKEW_SECONDS < now:
        return "The OpenID token has expired."
    if claims.get("aud") != settings.push.google_audience:
        return "The OpenID token is for another audience than push.googleAudience."
    wanted = settings.push.google_service_account
    if wanted and (claims.get("email") != wanted or claims.get("email_verified") is not True):
        return "The OpenID token is of another service account than push.googleServiceAccount."
    return None
