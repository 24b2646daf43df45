"""Lists and their members. Adding a profile to a list changes no consent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Literal

import msgspec

from ..bodies import document, identifiers
from ..client import Klaviyo
from ..documents import Resource, view
from ..filters import Filter
from ..paging import items
from .profiles import Profile

MOST_MEMBERS_A_REQUEST = 1000
_MEMBERS = "/api/lists/{id}/relationships/profiles"


class ProfileList(msgspec.Struct, frozen=True, kw_only=True):
    """A list; `opt_in_process` is single_opt_in or double_opt_in."""

    id: str
    resource: Resource
    name: str | None = None
    opt_in_process: str | None = None
    created: datetime | None = None
    updated: datetime | None = None


class Lists:
    """Needs lists:read and lists:write; members also profiles:read and profiles:write."""

    def __init__(self, client: Klaviyo) -> None:
        self._client = client

    async def all(self, where: Filter | None = None) -> AsyncIterator[ProfileList]:
        """Every list, ten a page: a hundred lists cost ten requests."""
        query = {"filter": str(where)} if where else None
        async for resource in items(self._client, "GET /api/lists", query=query):
            yield view(resource, ProfileList)

    async def get(self, list_id: str) -> ProfileList:
        return view((await self._client.read("GET /api/lists/{id}", path={"id": list_id})).one(), ProfileList)

    async def create(self, name: str, opt_in_process: Literal["single_opt_in", "double_opt_in"] | None = None) -> ProfileList:
        """A new list; without `opt_in_process` the account's default applies. 150 a day."""
        attributes = {"name": name} | ({"opt_in_process": opt_in_process} if opt_in_process else {})
        found = await self._client.read("POST /api/lists", body=document("list", attributes))
        return view(found.one(), ProfileList)

    async def members(self, list_id: str) -> AsyncIterator[Profile]:
        operation, query = "GET /api/lists/{id}/profiles", {"page[size]": "100"}
        async for resource in items(self._client, operation, path={"id": list_id}, query=query):
            yield view(resource, Profile)

    async def add(self, list_id: str, profile_ids: Iterable[str]) -> None:
        """Add at most 1,000 profiles."""
        await self._client.write(f"POST {_MEMBERS}", identifiers("profile", profile_ids), path={"id": list_id})

    async def remove(self, list_id: str, profile_ids: Iterable[str]) -> None:
        """Remove at most 1,000 profiles from the list; they keep their consent."""
        await self._client.write(f"DELETE {_MEMBERS}", identifiers("profile", profile_ids), path={"id": list_id})
