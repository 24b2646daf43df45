"""How boto3's requests reach Amazon: signed by boto3, sent over the transport that knows where a store's settings may lead."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2

from ferrata.sources.contract import Surroundings

_CONNECT_SECONDS = 5.0


class SqsWire:
    """boto3 asks from a thread; the request itself is made in ``loop``, where the transport lives."""

    def __init__(self, around: Surroundings, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop, self._seconds = loop, seconds
        timeout = httpx2.Timeout(seconds, connect=_CONNECT_SECONDS)
        self._client = httpx2.AsyncClient(transport=around.transport, timeout=timeout, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    def send(self, request: Any, **_: Any) -> Any:
        """What boto3 calls before it would send: what is returned is the answer.

        Raises:
            botocore's EndpointConnectionError: no answer; boto3 tries again. AddressRefused: it may not be asked.
        """
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import EndpointConnectionError

        try:
            answer = asyncio.run_coroutine_threadsafe(self._sent(request), self._loop).result()
        except (TimeoutError, httpx2.RequestError, httpx2.InvalidURL) as error:
            raise EndpointConnectionError(endpoint_url=request.url, error=error) from error
        return AWSResponse(request.url, answer.status_code, dict(answer.headers), _Whole(answer.content))

    async def _sent(self, request: Any) -> httpx2.Response:
        headers = {name: _text(value) for name, value in request.headers.items()}
        async with asyncio.timeout(self._seconds + _CONNECT_SECONDS):
            return await self._client.request(request.method, request.url, headers=headers, content=request.body)


class _Whole:
    """An answer that is already here, read as boto3 reads one that is still coming."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
