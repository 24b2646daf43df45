"""The account that the credential belongs to. One request a second and fifteen a minute: ask rarely."""

from __future__ import annotations

from typing import Any

import msgspec

from ..client import Klaviyo
from ..documents import Resource, view


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the six-character public key, the account's company id. `timezone` rules its reports."""

    id: str
    resource: Resource
    test_account: bool = False
    timezone: str | None = None
    preferred_currency: str | None = None
    locale: str | None = None
    public_api_key: str | None = None
    contact_information: dict[str, Any] = {}

    @property
    def organization_name(self) -> str | None:
        name = self.contact_information.get("organization_name")
        return name if isinstance(name, str) else None


class Accounts:
    """Needs the scope accounts:read."""

    def __init__(self, client: Klaviyo) -> None:
        self._client = client

    async def current(self) -> Account:
        """The account behind the credential; the cheapest proof that a key is valid."""
        document = await self._client.read("GET /api/accounts")
        return view(document.first(), Account)
