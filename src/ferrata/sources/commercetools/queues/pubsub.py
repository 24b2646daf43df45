"""Google Cloud Pub/Sub, pulled over its REST API."""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, Final, TypeVar

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


class _Held(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b'""')


class _Received(msgspec.Struct):
    ack_id: str = msgspec.field(name="ackId")
    message: _Held = msgspec.field(default_factory=_Held)


class _PulledMessages(msgspec.Struct):
    received: list[_Received] = msgspec.field(name="receivedMessages", default_factory=list)


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 3_600.0


_Shape = TypeVar("_Shape")


class PubSubQueue:
    def __init__(self, settings: PubSub, around: Surroundings) -> None:
        self._settings, self._clock = settings, around.clock
        self._client = httpx2.AsyncClient(transport=around.transport, timeout=_DEADLINE_SECONDS)
        self._token, self._ends = "", 0.0

    async def pull(self) -> Sequence[Pulled]:
        answer = await self._post("pull", {"maxMessages": self._settings.max_messages})
        at = self._clock.now()
        found = _read(answer or b"{}", _PulledMessages).received
        return [Pulled(Received(body=_data(bytes(each.message.data)), at=at, trusted=True), each.ack_id) for each in found]

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        for start in range(0, len(receipts), AT_ONCE):
            await self._post("acknowledge", {"ackIds": list(receipts[start : start + AT_ONCE])})

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, verb: str, body: Any) -> bytes:
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
        return answer.content

    async def _sent(self, address: str, headers: dict[str, str], content: bytes) -> httpx2.Response:
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                return await self._client.post(address, headers=headers, content=content)
        except httpx2.InvalidURL as error:
            raise AccessRefused("queue.endpointUrl, or token_uri of queue.serviceAccountKey, is no address.") from error
        except (TimeoutError, httpx2.RequestError) as error:
            raise Unavailable(f"{httpx2.URL(address).host} does not answer: {type(error).__name__}.") from error

    async def _valid_token(self) -> str:
        if not self._token or self._clock.monotonic() >= self._ends:
            answer = await self._fetched()
            self._token = answer.access_token
            self._ends = self._clock.monotonic() + max(answer.expires_in - _MARGIN_SECONDS, 1.0)
        return self._token

    async def _fetched(self) -> _Token:
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
        return _read(answer.content, _Token)


def _read(answer: bytes, shape: type[_Shape]) -> _Shape:
    """Raises Unavailable: it is not what Google answers."""
    try:
        return msgspec.json.decode(answer, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable("Google's answer cannot be read.") from error


def _data(raw: bytes) -> bytes:
    """The message's data; what is no base64 is given as it is, to be kept apart."""
    try:
        text = msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:
        return raw
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode()
