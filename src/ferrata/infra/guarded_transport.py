"""The network as a store's settings may use it: every connection is looked at when it is made, whatever led to it.

A name is resolved here, its addresses are looked at, and the connection goes to one that was looked at. What a request holds
(its address, Host, the name of the certificate) stays as it was.
"""

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any

import httpcore2
import httpx2

from ferrata.infra.errors import Rejected
from ferrata.infra.public_addresses import Address, NotAllowed, PublicAddresses


class AddressRefused(Rejected):
    """The store's settings name an address that Ferrata does not go to."""

    code, status = "address_refused", 424


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Goes where ``addresses`` allow, and by plain http only into networks that the operator has named.

    Nothing is opened before the first request, and it may be used again after it was closed. The environment's proxies are not
    asked: behind one, nobody could say where a request goes.
    """

    def __init__(self, addresses: PublicAddresses) -> None:
        self._addresses = addresses
        self._pools: dict[bool, _Pool] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        plain = request.url.scheme != "https"
        if plain not in self._pools:
            self._pools[plain] = _Pool(_Network(self._addresses, plain=plain))
        return await self._pools[plain].handle_async_request(request)

    async def aclose(self) -> None:
        pools, self._pools = [*self._pools.values()], {}
        for pool in pools:
            await pool.aclose()


class _Network(httpcore2.AsyncNetworkBackend):
    def __init__(self, addresses: PublicAddresses, *, plain: bool) -> None:
        self._addresses, self._plain = addresses, plain
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore names it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        *others, last = await self._looked_at(host, port, timeout)
        for address in others:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):  # the next one may answer
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
        return await self._inner.connect_tcp(str(last), port, timeout, local_address, socket_options)

    async def _looked_at(self, host: str, port: int, seconds: float | None) -> list[Address]:
        try:
            async with asyncio.timeout(seconds):
                return await self._addresses.find(host, port, plain=self._plain)
        except NotAllowed as error:
            raise AddressRefused(f"{host} is not asked: {error}.") from error
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"the name {host} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"the name {host} cannot be resolved") from error


class _Pool(httpx2.AsyncHTTPTransport):
    """The library's own transport over our network, which its constructor does not take."""

    def __init__(self, network: _Network) -> None:
        super().__init__(verify=_trust(), trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_trust(), max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0, network_backend=network
        )


@cache
def _trust() -> ssl.SSLContext:
    """Authorities are read from the disk once, and not for every store."""
    return httpx2.create_ssl_context()
