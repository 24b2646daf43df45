"""What a key can reach at Klaviyo, with samples: for somebody who wonders whether a connection works."""

from itertools import islice
from typing import Any

from ferrata.connections.key_test import asked_in_vain
from ferrata.connections.keys import read_key
from ferrata.connections.metrics import MetricChoices
from ferrata.connections.service import Connections
from ferrata.klaviyo import REVISION, Klaviyo, KlaviyoError
from ferrata.klaviyo.errors import MissingScope
from ferrata.klaviyo.paging import items

_LISTS, _METRICS = 3, 5
_MOST_COUNTED = 200
LISTS = "GET /api/lists"


class KeyReports:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def of_store(self, store_id: str) -> dict[str, Any]:
        """Raises NotConnected; KeyRefused, KeyUntested, TooManyTests."""
        await self._connections.connecting.count_test(store_id)
        metrics = await self._connections.metrics(store_id)
        return await _report(await self._connections.client_of(store_id), metrics)

    async def of_key(self, key: str) -> dict[str, Any]:
        """Raises NotAKey, KeyRefused, KeyUntested, TooManyTests."""
        trial = await self._connections.connecting.look(key, again=True)
        return await _report(self._connections.single(read_key(key)), trial.metrics)


async def _report(client: Klaviyo, metrics: MetricChoices) -> dict[str, Any]:
    lists: dict[str, Any] = {"count": 0, "items": []}
    try:
        found = [resource async for resource in items(client, LISTS, most_items=_MOST_COUNTED)]
        shown = [{"id": each.id, "name": each.attributes.get("name")} for each in found[:_LISTS]]
        lists = {"count": len(found), "items": shown}
    except MissingScope:
        lists["error"] = "The key lacks the scope lists:read."
    except KlaviyoError as error:
        raise asked_in_vain(error) from error
    available = [
        {"id": choice.id, "name": choice.name, "integration": choice.integration} for choice in islice(metrics.all, _METRICS)
    ]
    return {
        "success": True,
        "message": "Klaviyo API connection successful",
        "data": {
            "lists": lists,
            "metrics": {"count": len(metrics.all), "available": available},
            "rateLimit": (await client.send("GET /api/metrics")).rate_headers,
            "apiRevision": REVISION,
        },
    }
