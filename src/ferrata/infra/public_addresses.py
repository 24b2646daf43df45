"""Requests to addresses that people enter: only to the public internet, by https, or where the operator allows it by name.

The name is resolved once, every address that it has is looked at, and the connection goes to one that was looked at: a name
that points elsewhere a moment later changes nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 behind a NAT64
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # a provider's own services, metadata among them
        "192.88.99.0/24",  # relays of 6to4, which nobody runs any more
        "168.63.129.16/32",  # a provider's wire server, though the address looks public
        "64:ff9b:1::/48",  # a network's own NAT64: where in it the IPv4 address stands is its own business
        "fec0::/10",  # site-local
        "3fff::/20",  # for documentation
    )
)
"""Besides what the standard library knows, which depends on its version."""
LONGEST = 2048
SETTING = "FERRATA_PRIVATE_NETWORKS"
"""Where the operator names networks of their own; every refusal says so."""


class NotAllowed(ValueError):
    """A request may not go there; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: ``url`` names the address that was checked, ``host`` is what Host and the certificate are about."""

    url: str
    host: str
    server_name: str


class PublicAddresses:
    """``allowed``: networks, separated by commas, that requests may go to although they are private, also by plain http."""

    def __init__(self, allowed: str = "", resolve: Resolve | None = None) -> None:
        self._allowed = [
            ipaddress.ip_network(part.strip(), strict=False) for part in allowed.split(",") if part.strip() not in ("", "*")
        ]
        self._everything = "*" in allowed
        self._resolve = resolve or _resolve

    async def check(self, url: str) -> Target:
        """Raises NotAllowed; OSError if the name cannot be resolved."""
        parts = read_url(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        chosen = (await self.find(host, port, plain=parts.scheme != "https"))[0]
        literal = f"[{chosen}]" if chosen.version == 6 else str(chosen)
        path = parts.path or "/"
        query = f"?{parts.query}" if parts.query else ""
        return Target(f"{parts.scheme}://{literal}:{port}{path}{query}", parts.netloc, host)

    async def find(self, host: str, port: int, *, plain: bool) -> list[Address]:
        """All addresses of a name, each of them looked at. Raises NotAllowed; OSError if the name cannot be resolved."""
        found = [ipaddress.ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        if not found:
            raise NotAllowed("that name has no address")
        others = [address for address in found if not self._is_allowed(address)]
        refused = [address for address in others if not is_public(address)]
        if refused:
            raise NotAllowed(f"it leads to {refused[0]}, which is not on the public internet, nor in {SETTING}")
        if plain and others:
            raise NotAllowed(f"plain http shows the message to the network: use https, or name its network in {SETTING}")
        return found

    def _is_allowed(self, address: Address) -> bool:
        return self._everything or any(address.version == network.version and address in network for network in self._allowed)


def read_url(url: str) -> SplitResult:
    """Raises NotAllowed, without the address, which may hold a secret."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise NotAllowed("an address reads https://host/path, in plain letters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotAllowed("an address reads https://host/path") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise NotAllowed("an address reads https://host/path")
    if parts.username is not None or parts.password is not None:
        raise NotAllowed("an address holds no user name or password")
    return parts


def is_public(address: Address) -> bool:
    """Whether this is somewhere on the public internet, whatever it is wrapped in."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    if any(address.version == network.version and address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
