"""The peer of sources: what the official commercetools plugin does with a message, done again in Python from its description.

``python -m bench.plugin_way PORT KLAVIYO SHOP``. It is not the plugin, which runs on Node and cannot be had here: its CPU
is that of this program. What it shows is the way: nothing is kept, a message is answered once Klaviyo has been called for each of
its events, a refusal or a throttle outlasting five attempts is acknowledged and thereby lost, a fault of Klaviyo's gives 500 so
that the queue sends the message again.
"""

import asyncio
import base64
import json
import random
import sys
from typing import Any

import httpx2
import uvicorn
from starlette.types import Receive, Scope, Send

from bench.commerce import PROJECT
from bench.processes import SANDBOX_KEY

ATTEMPTS = 5
FIRST_WAIT_SECONDS, GROWTH = 0.5, 1.5
TRIED_AGAIN = frozenset({429, 503, 504, 524})


class PluginWay:
    def __init__(self, klaviyo: str, commercetools: str) -> None:
        headers = {"authorization": f"Klaviyo-API-Key {SANDBOX_KEY}", "revision": "2025-01-15"}
        self._klaviyo = httpx2.AsyncClient(base_url=klaviyo, headers=headers, timeout=None)
        self._commercetools = httpx2.AsyncClient(base_url=commercetools, timeout=None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        status = await self._processed(json.loads(base64.b64decode(json.loads(body)["message"]["data"])))
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def _processed(self, message: dict[str, Any]) -> int:
        order = message["order"]
        ids = ", ".join(f'"{line["productId"]}"' for line in order["lineItems"])
        where = {"where": f"id in ({ids})", "limit": "20", "withTotal": "false", "sort": "id asc"}
        await self._commercetools.get(f"/{PROJECT}/products", params=where)
        statuses = await asyncio.gather(*(self._sent(event) for event in _events(order)))
        if any(status >= 500 for status in statuses):
            return 500
        return 204 if all(status < 300 for status in statuses) else 202

    async def _sent(self, event: dict[str, Any]) -> int:
        for attempt in range(ATTEMPTS):
            try:
                status = (await self._klaviyo.post("/api/events", json=event)).status_code
            except httpx2.TransportError:
                return 400  # without a status it counts as the sender's fault, and is acknowledged
            if status not in TRIED_AGAIN or attempt == ATTEMPTS - 1:
                return int(status)
            await asyncio.sleep(FIRST_WAIT_SECONDS * GROWTH**attempt * random.uniform(0.5, 1.5))
        raise AssertionError


def _events(order: dict[str, Any]) -> list[dict[str, Any]]:
    placed = {name: value for name, value in order.items() if value}
    placed["ItemNames"] = [line["name"]["en"] for line in order["lineItems"]]
    lines = [_event("Ordered Product", line["id"], line["totalPrice"], line, order) for line in order["lineItems"]]
    return [_event("Placed Order", order["id"], order["totalPrice"], placed, order), *lines]


def _event(
    metric: str, unique_id: str, money: dict[str, Any], properties: dict[str, Any], order: dict[str, Any]
) -> dict[str, Any]:
    profile = {"type": "profile", "attributes": {"email": order["customerEmail"], "external_id": order["customerId"]}}
    attributes = {
        "profile": {"data": profile},
        "metric": {"data": {"type": "metric", "attributes": {"name": metric}}},
        "value": money["centAmount"] / 100,
        "properties": properties,
        "unique_id": unique_id,
        "time": order["createdAt"],
    }
    return {"data": {"type": "event", "attributes": attributes}}


if __name__ == "__main__":
    uvicorn.run(PluginWay(sys.argv[2], sys.argv[3]), port=int(sys.argv[1]), log_level="critical", lifespan="off")
