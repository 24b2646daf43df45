"""A service for the tests that only care what was asked: plays answers by method and path."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from ferrata.klaviyo import Klaviyo, Limiter, PrivateKey


class Service:
    """`answers["GET /api/lists"]` is a body, a response, or a list of them to give one after the other."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[httpx2.Request] = []
        self.transport = httpx2.MockTransport(self._answer)

    def client(self, base_url: str = "https://a.klaviyo.com", limiter: Limiter | None = None) -> Klaviyo:
        return Klaviyo(PrivateKey("pk_test"), base_url, transport=self.transport, limiter=limiter, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nobody was to wait {seconds} seconds")

    @property
    def body(self) -> Any:
        """The last request's body, decoded."""
        return json.loads(self.asked[-1].content)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        played = self.answers[f"{request.method} {request.url.path}"]
        if isinstance(played, list):
            played = played.pop(0)
        if isinstance(played, httpx2.Response):
            return played
        return httpx2.Response(200, json=played)


def resource(kind: str, id: str, **attributes: Any) -> dict[str, Any]:
    return {"type": kind, "id": id, "attributes": attributes, "links": {"self": f"https://a.klaviyo.com/api/{id}/"}}


def page(*resources: dict[str, Any], next: str | None = None) -> dict[str, Any]:
    return {"data": list(resources), "links": {"self": "x", "next": next, "prev": None}}
