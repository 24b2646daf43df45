"""Custom metrics: sums and counts over other metrics. Fifteen changes a day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from ..bodies import document
from ..client import Klaviyo
from ..documents import Resource, view
from ..paging import items


class CustomMetric(msgspec.Struct, frozen=True, kw_only=True):
    """`definition` holds `aggregation_method` (count or value) and `metric_groups`."""

    id: str
    resource: Resource
    name: str
    definition: dict[str, Any] = {}
    created: datetime | None = None
    updated: datetime | None = None


class CustomMetrics:
    """Needs the scopes metrics:read and metrics:write."""

    def __init__(self, client: Klaviyo) -> None:
        self._client = client

    async def all(self) -> AsyncIterator[CustomMetric]:
        async for resource in items(self._client, "GET /api/custom-metrics"):
            yield view(resource, CustomMetric)

    async def get(self, metric_id: str) -> CustomMetric:
        found = await self._client.read("GET /api/custom-metrics/{id}", path={"id": metric_id})
        return view(found.one(), CustomMetric)

    async def create(self, name: str, definition: Mapping[str, Any]) -> CustomMetric:
        """A new custom metric; PayloadRejected if the name is taken."""
        body = document("custom-metric", {"name": name, "definition": definition})
        return view((await self._client.read("POST /api/custom-metrics", body=body)).one(), CustomMetric)

    async def delete(self, metric_id: str) -> None:
        await self._client.write("DELETE /api/custom-metrics/{id}", path={"id": metric_id})
