"""A plain HTTP client of the sandbox that has every answer judged by Klaviyo's API description."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from klaviyo_sandbox.tenants import DEFAULT_KEY

from .contract import Contract

JSON_API = "application/vnd.api+json"


@dataclass(frozen=True)
class Reply:
    """One answer. `body` is decoded JSON, None when there was none."""

    status: int
    headers: urllib3.HTTPHeaderDict
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        return self.body["errors"]

    @property
    def error(self) -> dict[str, Any]:
        """The only error."""
        (error,) = self.errors
        return error

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status, where and why, of the only error."""
        source = self.error["source"]
        return self.status, source.get("pointer") or source.get("parameter"), self.error["detail"]


class JudgedCaller:
    """Sends requests with one key. Without `contract` (no description at hand) answers go unjudged."""

    def __init__(self, url: str, contract: Contract | None, key: str = DEFAULT_KEY) -> None:
        self.url = url
        self.contract = contract
        self.headers = {
            "authorization": f"Klaviyo-API-Key {key}",
            "revision": "2026-07-15",
            "content-type": JSON_API,
        }
        self._pool = urllib3.PoolManager(retries=False)

    def get(self, path: str, **query: Any) -> Reply:
        """GET; query names are written with `__` for brackets (`page__size` is `page[size]`) and `_` for hyphens there."""
        return self.send("GET", path + _query(query))

    def post(self, path: str, body: Any, **query: Any) -> Reply:
        return self.send("POST", path + _query(query), body)

    def patch(self, path: str, body: Any) -> Reply:
        return self.send("PATCH", path, body)

    def delete(self, path: str, body: Any = None) -> Reply:
        return self.send("DELETE", path, body)

    def send(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        """Any request; a body that is not bytes is sent as JSON."""
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        response = self._pool.request(method, self.url + target, body=payload, headers=sent, redirect=False)
        reply = Reply(response.status, response.headers, response.data)
        if self.contract is not None:
            kind = response.headers.get("content-type", "")
            problems = self.contract.problems(method, target, reply.status, kind, reply.raw)
            assert not problems, "\n".join(problems)
        return reply

    def pages(self, path: str, **query: Any) -> list[list[Any]]:
        """All pages of a collection, by following `links.next`."""
        reply = self.get(path, **query)
        found = [reply.data]
        while reply.body["links"]["next"]:
            assert reply.body["links"]["next"].startswith(self.url)
            reply = self.send("GET", reply.body["links"]["next"].removeprefix(self.url))
            found.append(reply.data)
            assert len(found) < 100
        return found


def _query(query: dict[str, Any]) -> str:
    """`page__size=5` becomes `page[size]=5`, `fields__list="name"` becomes `fields[list]=name`."""
    named = {}
    for name, value in query.items():
        family, bracket, member = name.partition("__")
        named[f"{family.replace('_', '-')}[{member.replace('_', '-')}]" if bracket else family] = value
    return f"?{urlencode(named)}" if named else ""
