"""The catalogue: items, variants and categories, one by one and as bulk jobs. Klaviyo has no upsert for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from ..bodies import document
from ..client import Klaviyo
from ..documents import Resource, view
from ..filters import Filter
from ..outcome import Outcome
from ..paging import items

LARGEST_PAGE = 100
LARGEST_JOB = 100
ID_PREFIX = "$custom:::$default:::"


class CatalogKind(StrEnum):
    """What a catalogue holds; the value is the JSON:API type."""

    ITEM = "catalog-item"
    VARIANT = "catalog-variant"
    CATEGORY = "catalog-category"

    @property
    def collection(self) -> str:
        return {"catalog-item": "items", "catalog-variant": "variants", "catalog-category": "categories"}[self.value]

    @property
    def path(self) -> str:
        return f"/api/catalog-{self.collection}"


class JobAct(StrEnum):
    """What a bulk job does with its rows."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class CatalogThing(msgspec.Struct, frozen=True, kw_only=True):
    """An item, variant or category; of a category only `name` is filled, of the others `title` and more."""

    id: str
    resource: Resource
    external_id: str | None = None
    title: str | None = None
    name: str | None = None
    description: str | None = None
    sku: str | None = None
    price: float | None = None
    inventory_quantity: float | None = None
    inventory_policy: int | None = None
    url: str | None = None
    published: bool | None = None
    updated: datetime | None = None


class CatalogJob(msgspec.Struct, frozen=True, kw_only=True):
    """A bulk job. `complete` may still hold failures: `errors` names their rows by `source.pointer`."""

    id: str
    resource: Resource
    status: str
    total_count: int | None = None
    completed_count: int | None = None
    failed_count: int | None = None
    errors: list[dict[str, Any]] | None = None

    @property
    def is_over(self) -> bool:
        return self.status in {"complete", "cancelled"}


def compound_id(external_id: str) -> str:
    """Klaviyo's id of a thing in the one catalogue that the API may write."""
    return f"{ID_PREFIX}{external_id}"


class Catalogs:
    """Needs catalogs:read and catalogs:write."""

    def __init__(self, client: Klaviyo) -> None:
        self._client = client

    async def get(self, kind: CatalogKind, external_id: str) -> CatalogThing:
        """NotFound if Klaviyo does not have it."""
        found = await self._client.read(f"GET {kind.path}/{{id}}", path={"id": compound_id(external_id)})
        return view(found.one(), CatalogThing)

    async def list(
        self, kind: CatalogKind, where: Filter | None = None, *, page_size: int = LARGEST_PAGE, most_items: int | None = None
    ) -> AsyncIterator[CatalogThing]:
        """All of a kind, or those that fit a filter such as `any_of("ids", [...])`."""
        query = {"page[size]": str(page_size)} | ({"filter": str(where)} if where else {})
        async for resource in items(self._client, f"GET {kind.path}", query=query, most_items=most_items):
            yield view(resource, CatalogThing)

    async def create(
        self,
        kind: CatalogKind,
        attributes: Mapping[str, Any],
        *,
        item: str | None = None,
        categories: Sequence[str] | None = None,
    ) -> CatalogThing:
        """A new thing; `attributes` hold `external_id`. Rejected (409) if it is there. `item` and `categories`: external ids."""
        body = document(kind.value, attributes, relationships=_related(item, categories))
        return view((await self._client.read(f"POST {kind.path}", body=body)).one(), CatalogThing)

    async def update(
        self, kind: CatalogKind, external_id: str, attributes: Mapping[str, Any], *, categories: Sequence[str] | None = None
    ) -> CatalogThing:
        """Change what is given; null clears. `categories` of an item replace those that it has."""
        id_ = compound_id(external_id)
        body = document(kind.value, attributes, id=id_, relationships=_related(None, categories))
        found = await self._client.read(f"PATCH {kind.path}/{{id}}", path={"id": id_}, body=body)
        return view(found.one(), CatalogThing)

    async def delete(self, kind: CatalogKind, external_id: str) -> Outcome:
        """With an item its variants go as well. NotFound if it is not there."""
        return await self._client.write(f"DELETE {kind.path}/{{id}}", path={"id": compound_id(external_id)})

    async def start_job(self, kind: CatalogKind, act: JobAct, rows: Iterable[Mapping[str, Any]]) -> CatalogJob:
        """Start a bulk job of at most 100 whole resources, or identifiers to delete."""
        attributes = {kind.collection: {"data": list(rows)}}
        body = document(f"{kind.value}-bulk-{act.value}-job", attributes)
        return view((await self._client.read(f"POST {_jobs(kind, act)}", body=body)).one(), CatalogJob)

    async def job(self, kind: CatalogKind, act: JobAct, job_id: str) -> CatalogJob:
        """How a job stands; jobs are kept for seven days."""
        found = await self._client.read(f"GET {_jobs(kind, act)}/{{job_id}}", path={"job_id": job_id})
        return view(found.one(), CatalogJob)


def _jobs(kind: CatalogKind, act: JobAct) -> str:
    return f"/api/{kind.value}-bulk-{act.value}-jobs"


def _related(item: str | None, categories: Sequence[str] | None) -> dict[str, Any] | None:
    related: dict[str, Any] = {}
    if item is not None:
        related["item"] = {"data": {"type": CatalogKind.ITEM.value, "id": compound_id(item)}}
    if categories is not None:
        named = [{"type": CatalogKind.CATEGORY.value, "id": compound_id(each)} for each in categories]
        related["categories"] = {"data": named}
    return related or None
