"""Where requests go: builds addresses within one origin and refuses to leave it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

_PLACE = re.compile(r"\{([a-z_]+)\}")
_DEFAULT_PORT = {"http": 80, "https": 443}


class Address:
    """The base of one Klaviyo host, given with or without a trailing slash or `/api`.

    Raises ValueError for anything but https, except plain http to this machine or with `allow_http`.
    """

    def __init__(self, base_url: str, *, allow_http: bool = False) -> None:
        url = require_safe(base_url, allow_http=allow_http)
        self.origin = _origin(url)
        self._prefix = urlsplit(url).path.rstrip("/").removesuffix("/api")

    def of(self, operation: str, path: Mapping[str, str], query: Mapping[str, str]) -> str:
        """The address of "METHOD /path/{id}". Raises ValueError if a place stays empty or tries to climb."""
        template = operation.partition(" ")[2]
        filled = _PLACE.sub(lambda place: _segment(path.get(place[1], "")), template)
        question = f"?{urlencode(query, quote_via=quote)}" if query else ""
        return f"{self.origin}{self._prefix}{filled}{question}"

    def of_link(self, link: str) -> str:
        """A link that Klaviyo gave, if it stays within our origin; ValueError otherwise."""
        if not self.owns(link):
            raise ValueError("a link leads to another origin and is not followed")
        return link

    def owns(self, link: str) -> bool:
        if not link.isascii() or not link.isprintable():  # some readers skip such characters, and others do not
            return False
        try:
            return _origin(link) == self.origin and "@" not in urlsplit(link).netloc
        except ValueError:
            return False


def require_safe(url: str, *, allow_http: bool) -> str:
    """The URL if a credential may be sent there; ValueError otherwise, without the URL, which might hold a secret."""
    url = url.strip()
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORT or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("a service's URL reads https://host/path, without query or fragment")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a service's URL holds no user name or password")
    if parts.scheme == "http" and not allow_http and not _is_this_machine(parts.hostname):
        raise ValueError("plain http would show the key to the network: use https")
    return url


def _origin(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = parts.port or _DEFAULT_PORT.get(parts.scheme, 0)
    return f"{parts.scheme}://{host}" + ("" if port == _DEFAULT_PORT.get(parts.scheme) else f":{port}")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _segment(value: str) -> str:
    if not value or value in {".", ".."}:
        raise ValueError("a path needs a value for each of its places")
    return quote(value, safe="")
