"""Google Cloud Pub/Sub, pulled over its REST API."""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import httpx2
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from ferrata.sources.commercetools.errors import AccessRefused, Unavailable
from ferrata.sources.commercetools.queue_settings import PubSub
from ferrata.sources.contract import Pulled, Received, Surroundings

AT_ONCE: Final = 1_000
"""How many messages Pub/Sub acknowledges in one call."""
SCOPE: Final = "https://www.googleapis.com/auth/pubsub"
_DEADLINE_SECONDS: Final = 100.0  # Pub/Sub waits up to 90 seconds for a message
_TOKEN_SECONDS: Final = 3_600
_MARGIN_SECONDS: Final = 120.0


class PubSubQueue:
    def __init__(self, settings: PubSub, around: Surroundings) -> None:
        self._settings, self._clock = settings, around.clock
        self._client = httpx2.AsyncClient(transport=around.transport, timeout=_DEADLINE_SECONDS)
        self._token, self._ends = "", 0.0

    async def pull(self) -> Sequence[Pulled]:
        answer = await self._post("pull", {"maxMessages": self._settings.max_messages})
        at = self._clock.now()
        found = answer.get("receivedMessages", ()) if isinstance(answer, dict) else ()
        return [Pulled(Received(body=_data(each), at=at, trusted=True), each["ackId"]) for each in found]

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        for start in range(0, len(receipts), AT_ONCE):
            await self._post("acknowledge", {"ackIds": list(receipts[start : start + AT_ONCE])})

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, verb: str, body: Any) -> Any:
        address = f"{self._settings.endpoint_url.rstrip('/')}/v1/{self._settings.subscription}:{verb}"
        headers = {"content-type": "application/json"}
        if self._settings.service_account_key is not None:
            headers["authorization"] = f"Bearer {await self._valid_token()}"
        answer = await self._sent(address, headers, msgspec.json.encode(body))
        if answer.status_code == 401:
            self._token = ""
        if answer.status_code in (400, 401, 403, 404):
            raise AccessRefused(f"Google Pub/Sub answered {answer.status_code} to {verb}: check the subscription and its rights.")
        if not answer.is_success:
            raise Unavailable(f"Google Pub/Sub answered {answer.status_code}.")
        return msgspec.json.decode(answer.content or b"{}")

    async def _sent(self, address: str, headers: dict[str, str], content: bytes) -> httpx2.Response:
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                return await self._client.post(address, headers=headers, content=content)
        except (TimeoutError, httpx2.TransportError) as error:
            raise Unavailable(f"{httpx2.URL(address).host} does not answer: {type(error).__name__}.") from error

    async def _valid_token(self) -> str:
        if not self._token or self._clock.monotonic() >= self._ends:
            answer = await self._fetched()
            self._token = str(answer["access_token"])
            self._ends = self._clock.monotonic() + max(float(answer.get("expires_in", _TOKEN_SECONDS)) - _MARGIN_SECONDS, 1.0)
        return self._token

    async def _fetched(self) -> Any:
        """A token for a signed assertion of the service account, as Google's OAuth wants it."""
        assert self._settings.service_account_key is not None  # noqa: S101 - for the type: asked only with a key
        try:
            account = msgspec.json.decode(self._settings.service_account_key.get_secret_value())
            address, now = str(account["token_uri"]), int(self._clock.now().timestamp())
            claims = {"iss": account["client_email"], "scope": SCOPE, "aud": address, "iat": now, "exp": now + _TOKEN_SECONDS}
            assertion = jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(account["private_key"]))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, JoseError) as error:
            raise AccessRefused("queue.serviceAccountKey is no key of a service account.") from error
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await self._sent(address, headers, str(httpx2.QueryParams(form)).encode())
        if 400 <= answer.status_code < 500 and answer.status_code != 429:
            raise AccessRefused(f"Google does not accept the service account: {answer.status_code}.")
        if not answer.is_success:
            raise Unavailable(f"Google's authorization server answered {answer.status_code}.")
        return msgspec.json.decode(answer.content)


def _data(received: Any) -> bytes:
    """The message's data; what is no base64 is given as it is, to be kept apart."""
    text = received.get("message", {}).get("data", "")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return str(text).encode()
