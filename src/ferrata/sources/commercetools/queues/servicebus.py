"""Azure Service Bus over its REST API: a message is locked, kept, and only then deleted."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx2

from ferrata.sources.commercetools.errors import AccessRefused, Unavailable
from ferrata.sources.commercetools.queue_settings import ServiceBus, parts_of
from ferrata.sources.contract import Pulled, Received, Surroundings

_SIGNED_SECONDS: Final = 3_600
_DEADLINE_SECONDS: Final = 70.0


class ServiceBusQueue:
    """One message at a time: the REST API gives no more. A receipt is the address of its lock."""

    def __init__(self, settings: ServiceBus, around: Surroundings) -> None:
        parts = parts_of(settings.connection_string.get_secret_value())
        host = parts["Endpoint"].removeprefix("sb://").strip("/")
        self._name, self._key = parts["SharedAccessKeyName"], parts["SharedAccessKey"]
        self._base = settings.endpoint_url.rstrip("/") or f"https://{host}"
        self._path, self._wait, self._clock = settings.path.strip("/"), settings.wait_seconds, around.clock
        self._resource = f"https://{host}/{self._path}"
        self._client = httpx2.AsyncClient(transport=around.transport, timeout=_DEADLINE_SECONDS)

    async def pull(self) -> Sequence[Pulled]:
        answer = await self._ask("POST", f"{self._base}/{self._path}/messages/head?timeout={self._wait}")
        if answer.status_code == 204:
            return ()
        location = answer.headers.get("location")
        if not location:
            raise Unavailable("Azure Service Bus gave a message without a lock.")
        return (Pulled(Received(body=answer.content, at=self._clock.now(), trusted=True), _path_of(location)),)

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Delete these. A lock that has ended meanwhile is no fault: the message comes again, and is known then."""
        for path in receipts:
            await self._ask("DELETE", self._base + path, gone=True)

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, method: str, address: str, *, gone: bool = False) -> httpx2.Response:
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                answer = await self._client.request(method, address, headers={"authorization": self._signature()})
        except (TimeoutError, httpx2.RequestError, httpx2.InvalidURL) as error:
            raise Unavailable(f"Azure Service Bus does not answer: {type(error).__name__}.") from error
        if answer.is_success or (gone and answer.status_code in (404, 410)):
            return answer
        if answer.status_code in (400, 401, 403, 404, 410):
            raise AccessRefused(f"Azure Service Bus answered {answer.status_code}: check connectionString and path.")
        raise Unavailable(f"Azure Service Bus answered {answer.status_code}.")

    def _signature(self) -> str:
        """A shared access signature for an hour."""
        resource = quote(self._resource.lower(), safe="")
        expires = int(self._clock.now().timestamp()) + _SIGNED_SECONDS
        signed = hmac.new(self._key.encode(), f"{resource}\n{expires}".encode(), hashlib.sha256).digest()
        signature = quote(base64.b64encode(signed).decode(), safe="")
        return f"SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn={quote(self._name, safe='')}"


def _path_of(location: str) -> str:
    """Of the lock's address only the path: nothing that an answer says sends our signature to another host.

    Raises:
        Unavailable: it is no address.
    """
    try:
        path = httpx2.URL(location).raw_path.decode()
    except httpx2.InvalidURL:
        path = ""
    if not path.startswith("/"):  # put behind a host's name, it would make another host of it
        raise Unavailable("Azure Service Bus gave a message with a lock that is no address.")
    return path
