"""Profiles: look up, create, update, upsert, import in bulk, merge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, TypedDict

import msgspec

from ..bodies import document
from ..client import Klaviyo
from ..documents import Resource, view
from ..filters import Filter
from ..outcome import Outcome
from ..paging import items

_JOBS = "/api/profile-bulk-import-jobs"
LARGEST_PAGE = 100


class ProfileAttributes(TypedDict, total=False):
    """What a profile may be sent. Null clears a field, an absent one is kept; custom `properties` merge key by key."""

    email: str | None
    phone_number: str | None
    external_id: str | None
    anonymous_id: str | None
    _kx: str | None
    first_name: str | None
    last_name: str | None
    organization: str | None
    locale: str | None
    title: str | None
    image: str | None
    location: dict[str, Any]
    properties: dict[str, Any]
    meta: dict[str, Any]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile as Klaviyo shows it; older ones may hold phone numbers that are not E.164."""

    id: str
    resource: Resource
    email: str | None = None
    phone_number: str | None = None
    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    organization: str | None = None
    locale: str | None = None
    location: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    created: datetime | None = None
    updated: datetime | None = None
    last_event_date: datetime | None = None


class ImportJob(msgspec.Struct, frozen=True, kw_only=True):
    """A bulk import. `complete` may still hold failures: read `failed_count`. The counts are 0 while it is queued."""

    id: str
    resource: Resource
    status: str
    total_count: int | None = None
    completed_count: int | None = None
    failed_count: int | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        return self.status in {"complete", "cancelled"}


class Profiles:
    """Needs profiles:read and profiles:write; bulk import also lists:write."""

    def __init__(self, client: Klaviyo) -> None:
        self._client = client

    async def get(self, profile_id: str) -> Profile:
        found = await self._client.read("GET /api/profiles/{id}", path={"id": profile_id})
        return view(found.one(), Profile)

    async def list(
        self, where: Filter | None = None, *, page_size: int = LARGEST_PAGE, most_items: int | None = None
    ) -> AsyncIterator[Profile]:
        """Profiles by filter; `equals("email", ...)` looks one up."""
        query = {"page[size]": str(page_size)} | ({"filter": str(where)} if where else {})
        async for resource in items(self._client, "GET /api/profiles", query=query, most_items=most_items):
            yield view(resource, Profile)

    async def find(self, where: Filter) -> Profile | None:
        """The first profile that fits, or None."""
        async for profile in self.list(where, page_size=1, most_items=1):
            return profile
        return None

    async def create(self, attributes: ProfileAttributes) -> Profile:
        """A new profile; DuplicateProfile (with its id) if one of the identifiers is taken."""
        found = await self._client.read("POST /api/profiles", body=document("profile", attributes))
        return view(found.one(), Profile)

    async def update(self, profile_id: str, attributes: ProfileAttributes, meta: Mapping[str, Any] | None = None) -> Profile:
        """Change a profile; `meta` may hold `patch_properties` (append, unappend, unset)."""
        body = document("profile", attributes, id=profile_id, meta=meta)
        found = await self._client.read("PATCH /api/profiles/{id}", path={"id": profile_id}, body=body)
        return view(found.one(), Profile)

    async def upsert(
        self, attributes: ProfileAttributes, profile_id: str | None = None, meta: Mapping[str, Any] | None = None
    ) -> Profile:
        """Create or update by any identifier; may still raise DuplicateProfile when two belong to two profiles."""
        body = document("profile", attributes, id=profile_id, meta=meta)
        return view((await self._client.read("POST /api/profile-import", body=body)).one(), Profile)

    async def merge(self, source_id: str, into_id: str) -> Outcome:
        """Merge one profile into another. Asynchronous: the source's id resolves for a while."""
        sources = {"profiles": {"data": [{"type": "profile", "id": source_id}]}}
        body = document("profile-merge", id=into_id, relationships=sources)
        return await self._client.write("POST /api/profile-merge", body)

    async def import_bulk(self, body: bytes) -> ImportJob:
        """Start a ready-made import of at most 10,000 profiles and 5 MB; one row of bad shape refuses all of it."""
        return view((await self._client.read(f"POST {_JOBS}", body=body)).one(), ImportJob)

    async def import_job(self, job_id: str) -> ImportJob:
        """How the import stands; jobs are kept for seven days."""
        found = await self._client.read(f"GET {_JOBS}/{{job_id}}", path={"job_id": job_id})
        return view(found.one(), ImportJob)

    async def import_errors(self, job_id: str) -> AsyncIterator[Resource]:
        """Rows that failed after the job was accepted: `code`, `title`, `detail`, `source`, `original_payload`."""
        operation = f"GET {_JOBS}/{{id}}/import-errors"
        async for resource in items(self._client, operation, path={"id": job_id}, query={"page[size]": "100"}):
            yield resource
