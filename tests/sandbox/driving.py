"""Driving a served sandbox: a caller with Klaviyo's headers, and events to send."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2 as httpx

from klaviyo_sandbox.clock import Clock
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import Running, running
from klaviyo_sandbox.switches import Switches
from klaviyo_sandbox.tenants import DEFAULT_KEY, SeedAccount

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC).timestamp()
JSON_API = "application/vnd.api+json"


class Caller:
    """Somebody who calls the sandbox over a socket."""

    def __init__(self, url: str, key: str = DEFAULT_KEY, *, authorization: str | None = None) -> None:
        self.headers = {
            "authorization": authorization or f"Klaviyo-API-Key {key}",
            "revision": "2026-07-15",
            "accept": JSON_API,
        }
        # No certificates to load: everything here is plain HTTP, and loading them takes longer than most tests.
        self.http = httpx.Client(base_url=url, timeout=10, follow_redirects=False, verify=False)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        if "json" in options:
            headers.setdefault("content-type", JSON_API)
        return self.http.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, document: Any, **options: Any) -> httpx.Response:
        return self.call("POST", path, json=document, **options)

    def control(self, method: str, path: str, document: Any = None, **options: Any) -> httpx.Response:
        return self.http.request(method, f"/_sandbox{path}", json=document, **options)

    def fault(self, effect: str | dict[str, Any], **rule: Any) -> None:
        answer = self.control("POST", "/faults", {"effect": effect, **rule})
        assert answer.status_code == 201, answer.text

    def effects(self, **filters: str) -> list[dict[str, Any]]:
        return self.control("GET", "/effects", params=filters).json()["effects"]  # type: ignore[no-any-return]

    def requests(self, **filters: str) -> list[dict[str, Any]]:
        return self.control("GET", "/requests", params=filters).json()["requests"]  # type: ignore[no-any-return]


@contextmanager
def serving(
    *, path: str = ":memory:", accounts: list[SeedAccount] | None = None, token: str | None = None, **switches: Any
) -> Iterator[Running]:
    """A sandbox whose clock stands still at noon, on a free port."""
    clock = Clock(start=NOON, scale=0)
    sandbox = Sandbox(path, switches=Switches(**switches), clock=clock, accounts=accounts, seed=7, control_token=token)
    try:
        with running(sandbox) as served:
            yield served
    finally:
        sandbox.close()


def profile(number: int = 1, **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "profile", "attributes": {"email": f"person{number}@shop.test", **attributes}}}


def event(unique_id: str | None = "order-1", metric: Any = "Placed Order", **attributes: Any) -> dict[str, Any]:
    """An event resource without profile, as bulk jobs carry it. An attribute given as None is left out.

    `metric` is a name, or whatever is to stand in its place.
    """
    named = {"data": {"type": "metric", "attributes": {"name": metric}}}
    document = {
        "properties": {"OrderId": unique_id},
        "time": "2026-11-20T07:00:00Z",
        "value": 9.5,
        "value_currency": "USD",
        "unique_id": unique_id,
        "metric": named if isinstance(metric, str) else metric,
        **attributes,
    }
    return {"type": "event", "attributes": {name: value for name, value in document.items() if value is not None}}


def single(unique_id: str | None = "order-1", *, number: int = 1, **attributes: Any) -> dict[str, Any]:
    """The body of POST /api/events."""
    document = event(unique_id, **attributes)
    document["attributes"].setdefault("profile", profile(number))
    return {"data": document}


def group(number: int, *events: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """Events of one person in a bulk job."""
    inside = {"profile": profile(number), "events": {"data": list(events)}, **attributes}
    return {"type": "event-bulk-create", "attributes": inside}


def bulk(*groups: dict[str, Any]) -> dict[str, Any]:
    """The body of POST /api/event-bulk-create-jobs."""
    return {"data": {"type": "event-bulk-create-job", "attributes": {"events-bulk-create": {"data": list(groups)}}}}


def pointers(answer: Any) -> set[str]:
    return {error["source"]["pointer"] for error in answer.json()["errors"]}
