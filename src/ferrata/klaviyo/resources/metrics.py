"""Metrics: what kinds of events the account knows. The same name may exist once per integration, so keep the id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import msgspec

from ..client import Klaviyo
from ..documents import Resource, view
from ..filters import Filter
from ..paging import items


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """`integration` names who reports the metric; both it and `name` may be null."""

    id: str
    resource: Resource
    name: str | None = None
    created: datetime | None = None
    updated: datetime | None = None
    integration: dict[str, Any] | None = None


class Metrics:
    """Needs the scope metrics:read."""

    def __init__(self, client: Klaviyo) -> None:
        self._client = client

    async def get(self, metric_id: str) -> Metric:
        document = await self._client.read("GET /api/metrics/{id}", path={"id": metric_id})
        return view(document.one(), Metric)

    async def all(self, where: Filter | None = None) -> AsyncIterator[Metric]:
        """Every metric, 200 a page. Klaviyo filters on `integration.name` and `integration.category` only."""
        query = {"filter": str(where)} if where else None
        async for resource in items(self._client, "GET /api/metrics", query=query):
            yield view(resource, Metric)
