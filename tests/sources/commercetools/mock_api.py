"""A commercetools project in memory that behaves like its HTTP API: tokens, predicates, sorting, paging, expansion, bad days.

For tests as a transport (``mock.transport()``), or by itself: ``python -m tests.sources.commercetools.mock_api``.
"""

import base64
import copy
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx2

from tests.sources.commercetools.predicates import Malformed, predicate

PATHS = {
    "orders": "order",
    "customers": "customer",
    "products": "product",
    "categories": "category",
    "payments": "payment",
    "inventory": "inventory-entry",
    "standalone-prices": "standalone-price",
    "subscriptions": "subscription",
    "messages": "message",
}
LARGEST_LIMIT, LARGEST_OFFSET, COUNTED = 500, 10_000, 10_000
ALL_SCOPES = "manage_project:shop"


@dataclass
class Fault:
    """The next ``times`` requests to paths that begin with ``path`` are answered so."""

    path: str
    status: int
    times: int = 1_000_000
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    method: str
    path: str
    params: list[tuple[str, str]]


class CommercetoolsMock:
    def __init__(self, project: str = "shop", *, client_id: str = "client", secret: str = "secret") -> None:
        self.project, self.credentials = project, (client_id, secret)
        self.resources: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in PATHS}
        self.scope = ALL_SCOPES
        self.tokens: list[str] = []
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.address = "http://commercetools.test"

    def put(self, path: str, things: Iterable[dict[str, Any]]) -> None:
        for thing in things:
            self.resources[path][thing["id"]] = copy.deepcopy(thing)

    def transport(self) -> httpx2.AsyncBaseTransport:
        return httpx2.ASGITransport(self)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path.startswith(path)]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        path, params = scope["path"], parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        status, answer, more = self.answer(scope["method"], path, params, headers, body)
        written = [(b"content-type", b"application/json"), *((name.encode(), value.encode()) for name, value in more.items())]
        await send({"type": "http.response.start", "status": status, "headers": written})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode() if answer is not None else b""})

    def answer(
        self, method: str, path: str, params: list[tuple[str, str]], headers: dict[str, str], body: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        if path == "/oauth/token":
            return self._token(headers)
        inside = path.removeprefix(f"/{self.project}")
        self.requests.append(Request(method, inside, params))
        for fault in self.faults:
            if inside.startswith(fault.path) and fault.times > 0:
                fault.times -= 1
                return fault.status, _error(fault.status, "a bad day"), fault.headers
        if inside == path and self.project:
            return 404, _error(404, "no such project"), {}
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens[-1:]:
            return 401, _error(401, "invalid_token"), {}
        return *self._resource(method, inside.strip("/"), params, body), {}

    def _token(self, headers: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        for fault in self.faults:
            if fault.path == "/oauth/token" and fault.times > 0:
                fault.times -= 1
                return fault.status, _error(fault.status, "a bad day"), fault.headers
        given = base64.b64decode(headers.get("authorization", "").removeprefix("Basic ")).decode()
        if given != ":".join(self.credentials):
            return 401, {"statusCode": 401, "message": "invalid client"}, {}
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        token = {"access_token": self.tokens[-1], "expires_in": 172_800, "scope": self.scope, "token_type": "Bearer"}
        return 200, token, {}

    def _resource(self, method: str, path: str, params: list[tuple[str, str]], body: bytes) -> tuple[int, Any]:
        if not path:
            return 200, {"key": self.project, "name": "The shop"}
        collection, _, id_ = path.partition("/")
        if collection not in self.resources:
            return 404, _error(404, "no such resource")
        things, by = self.resources[collection], {}
        if method == "POST":
            return self._written(collection, id_, json.loads(body))
        for name, value in params:
            by.setdefault(name, []).append(value)
        if id_:
            wanted = unquote(id_)
            found = self._keyed(things, wanted[4:]) if wanted.startswith("key=") else things.get(wanted)
            return (200, self._expanded(found, by.get("expand", []))) if found else (404, _error(404, "no such resource"))
        return self._page(list(things.values()), by)

    def _keyed(self, things: dict[str, dict[str, Any]], key: str) -> dict[str, Any] | None:
        return next((thing for thing in things.values() if thing.get("key") == key), None)

    def _written(self, collection: str, id_: str, given: dict[str, Any]) -> tuple[int, Any]:
        things = self.resources[collection]
        if not id_:
            made = {"id": f"{collection}-{len(things) + 1}", "version": 1, **given}
            things[made["id"]] = made
            return 201, made
        wanted = unquote(id_)
        thing = self._keyed(things, wanted[4:]) if wanted.startswith("key=") else things.get(wanted)
        if thing is None:
            return 404, _error(404, "no such resource")
        if given["version"] != thing["version"]:
            return 409, _error(409, "ConcurrentModification")
        for action in given["actions"]:
            thing |= {name: value for name, value in action.items() if name != "action"}
        thing["version"] += 1
        return 200, thing

    def _page(self, things: list[dict[str, Any]], by: dict[str, list[str]]) -> tuple[int, Any]:
        limit, offset = int(by.get("limit", ["20"])[0]), int(by.get("offset", ["0"])[0])
        if not 0 <= limit <= LARGEST_LIMIT or offset > LARGEST_OFFSET:
            return 400, _error(400, "Malformed parameter: limit or offset is out of range")
        try:
            tests = [predicate(text) for text in by.get("where", [])]
        except Malformed as error:
            return 400, _error(400, str(error))
        found = [thing for thing in things if all(test(thing) for test in tests)]
        for order in reversed(by.get("sort", [])):
            name, _, direction = order.partition(" ")
            found.sort(key=lambda thing: str(thing.get(name, "")), reverse=direction == "desc")
        page = found[offset : offset + limit]
        answer = {
            "limit": limit,
            "offset": offset,
            "count": len(page),
            "results": [self._expanded(thing, by.get("expand", [])) for thing in page],
        }
        if by.get("withTotal", ["true"])[0] == "true":
            answer["total"] = min(len(found), COUNTED) if tests else len(found)
        return 200, answer

    def _expanded(self, thing: dict[str, Any], paths: list[str]) -> dict[str, Any]:
        expanded = copy.deepcopy(thing)
        for path in paths:
            self._expand(expanded, [re.sub(r"\[\*\]$", "", name) for name in path.split(".")])
        return expanded

    def _expand(self, thing: Any, path: list[str]) -> None:
        if not path or not isinstance(thing, dict):
            return
        for each in thing.get(path[0], []) if isinstance(thing.get(path[0]), list) else [thing.get(path[0])]:
            inner = self._referred(each) if isinstance(each, dict) and set(each) <= {"typeId", "id", "obj"} else each
            self._expand(inner, path[1:])

    def _referred(self, reference: dict[str, Any]) -> Any:
        collection = next((path for path, type_ in PATHS.items() if type_ == reference.get("typeId")), "")
        found = self.resources.get(collection, {}).get(reference.get("id", ""))
        if found is not None and "obj" not in reference:
            reference["obj"] = copy.deepcopy(found)
        return reference.get("obj")


def _error(status: int, message: str) -> dict[str, Any]:
    return {"statusCode": status, "message": message, "errors": [{"code": "Mocked", "message": message}]}


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(CommercetoolsMock(), port=8989)
