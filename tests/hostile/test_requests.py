"""Requests whose every header may be anything: what other sites, proxies and scanners put there, on the whole application."""

import base64
import json
from typing import Any

import pytest

from ferrata.access.http import declared_rights
from ferrata.access.schemas import ALL_RIGHTS
from ferrata.infra.paging import make_cursor
from tests.doors import ADDRESS, Doors

pytestmark = pytest.mark.anyio
NO_ADDRESS = ("http://[", "http://a]b", "//", "null", "", "http://ferrata.test@evil.example", "x" * 5_000)
HOSTS = ("evil.example", "evil.example:80", "[", "a b", "ferrata.test@evil.example", "ferrata.test:99999", "")
SECURE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
CLIMBING = (
    *("/..%2f..%2fetc%2fpasswd", "/static/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2f..%2fetc/passwd", "/ui/events/%2e%2e"),
    *("/%2e%2e/", "/events%2f", "/%5cevil.example", "/static/%00", "/static//etc/passwd", "/ui/./events/../x"),
    *("/.git/config", "/.env", "/ferrata.db", "/static/vendor/..%2f..%2f..%2fink", "/debug", "/docs", "/redoc", "/openapi.json"),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestAHeader:
    async def test_that_should_be_an_address_and_is_none_is_refused(self, doors: Doors) -> None:
        for text in NO_ADDRESS:
            for path in ("/sign-in", "/events", "/ui/settings/stores"):
                answer = await doors.client.post(path, headers={"origin": text}, data={"a": "b"})
                assert (answer.status_code, answer.json()["code"]) == (403, "cross_site"), (text[:40], path)
            wanted = await doors.browser().post("/ui/settings/tokens", headers={"referer": text}, data={"a": "b"})
            assert wanted.status_code == 303
            assert wanted.headers["location"] in ("/setup", "/sign-in")

    async def test_of_basic_authentication_may_be_anything(self, doors: Doors) -> None:
        for given in ("é", "%", "a b", "=", "YQ", base64.b64encode(b"\xff:").decode(), "YWJj" * 5_000):
            headers = [(b"authorization", b"Basic " + given.encode()), (b"content-type", b"application/json")]
            answer = await doors.client.post("/v1/track", content=b'{"event":"A"}', headers=headers)
            assert answer.status_code == 401, given[:20]

    async def test_of_a_cookie_may_be_anything(self, doors: Doors) -> None:
        browser = await doors.administrator()
        kept = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        deep = base64.urlsafe_b64encode(b"[" * 30_000).decode()
        for name in ("ferrata_flash", "ferrata_revealed", "ferrata_store", "ferrata_session", "x"):
            for value in ("", "é", "v1.a.b", "[]", "null", deep, base64.urlsafe_b64encode(b'["a","dead","//evil"]').decode()):
                answer = await doors.client.get("/ui/settings/tokens", headers=[(b"cookie", f"{name}={value}; {kept}".encode())])
                assert answer.status_code in (200, 303, 401, 404), (name, value[:20], answer.status_code)
                assert "//evil" not in answer.text

    async def test_of_a_host_bends_no_answer(self, doors: Doors) -> None:
        headers = await doors.token(*ALL_RIGHTS, store_id=None)
        for host in HOSTS:
            for path in ("/", "/health/live", "/events?limit=1", "/api/openapi.json", "/nowhere", "/sign-in", "/ui/events"):
                answer = await doors.client.get(path, headers=headers | {"host": host, "x-forwarded-host": "evil.example"})
                assert answer.status_code < 500, (host, path)
                assert "evil.example" not in answer.headers.get("location", "") + answer.headers.get("link", "")
            browser = doors.browser()
            turned = await browser.get("/ui/events", headers={"host": host})
            assert turned.headers.get("location", "/").startswith("/"), host


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestEveryAnswer:
    async def test_is_framed_cached_and_sniffed_by_nobody_and_shared_with_no_origin(self, doors: Doors) -> None:
        seen: set[int] = set()
        headers = await doors.token(*ALL_RIGHTS, store_id=None)
        for route, _ in declared_rights(doors.app.routes):
            path = route.path or ""
            if "/live" in path or "{" in path or "GET" not in (route.methods or ()) or path.endswith("/events/stream"):
                continue
            for given in ({}, headers):
                answer = await doors.client.get(path, headers=given | {"origin": "https://evil.example"})
                seen.add(answer.status_code)
                assert SECURE.items() <= dict(answer.headers).items(), path
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
                assert "no-store" in answer.headers["cache-control"] or path.startswith("/static"), path
                assert not [name for name in answer.headers if name.startswith("access-control-")], path
        assert {200, 401} <= seen

    async def test_to_a_preflight_of_another_origin_allows_nothing(self, doors: Doors) -> None:
        asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        for path in ("/events", "/sign-in", "/sources/commercetools/default", "/ui/events"):
            answer = await doors.client.options(path, headers=asked)
            assert answer.status_code in (400, 404, 405), path
            assert not [name for name in answer.headers if name.startswith("access-control-")], path

    async def test_to_a_method_that_is_none_of_the_address_is_405(self, doors: Doors) -> None:
        for method in ("TRACE", "TRACK", "PROPFIND", "DEBUG"):
            for path in ("/events", "/sign-in", "/ui/events"):
                assert (await doors.client.request(method, path)).status_code == 405, (method, path)
        overridden = {"x-http-method-override": "DELETE", "x-http-method": "DELETE"}
        assert (await doors.client.get("/health/live", headers=overridden)).status_code == 200

    async def test_to_a_path_that_climbs_is_404(self, doors: Doors) -> None:
        headers = await doors.token(*ALL_RIGHTS, store_id=None)
        for path in CLIMBING:
            answer = await doors.client.get(ADDRESS + path, headers=headers)
            assert answer.status_code in (400, 404), path
            assert "root:" not in answer.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_cursor_with_keys_that_are_none_is_refused_everywhere(doors: Doors) -> None:
    headers = await doors.token(*ALL_RIGHTS)
    listed = [path for path, methods in doors.app.openapi()["paths"].items() if "{" not in path and _pages(methods)]
    assert len(listed) >= 8
    for path in listed:
        for keys in (("x",), ("x", "y"), ("0001-01-01T00:00:00+23:59", "\\x"), ("2026-11-20T00:00:00", "%00"), ("a", "b", "c")):
            answer = await doors.client.get(path, params={"cursor": make_cursor(*keys)}, headers=headers)
            assert answer.status_code < 500, (path, keys, answer.text[:200])
        deep = base64.urlsafe_b64encode(json.dumps(["a"]).encode() * 50).decode()
        answer = await doors.client.get(path, params={"cursor": deep}, headers=headers)
        assert answer.status_code == 400 or path == "/alerts", path  # which has one page, unless it is asked for the past


def _pages(methods: Any) -> bool:
    return any(each["name"] == "cursor" for each in methods.get("get", {}).get("parameters", ()))


PRIVILEGED = {"isAdmin": True, "level": 1000, "role": "administrator", "storeId": "other", "createdBy": "x", "secret_hash": "x"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_a_body_may_not_name_is_refused_or_ignored_and_never_taken_over(doors: Doors) -> None:
    """By the description: every object that a body is read into takes its own names alone."""
    document = doors.app.openapi()
    schemas, open_ = document["components"]["schemas"], []
    read = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            name = schema.get("$ref", "").rpartition("/")[2]
            if name:
                read += 1
                if schemas[name].get("additionalProperties", True) is not False:
                    open_.append((method, path, name))
    assert read > 15
    assert open_ == []
    headers = await doors.token(*ALL_RIGHTS, store_id=None)
    for path in ("/events", "/tokens", "/stores", "/members", "/people"):
        answer = await doors.client.post(path, json={"eventName": "A", "name": "n"} | PRIVILEGED, headers=headers)
        assert answer.status_code in (400, 403, 404, 405), (path, answer.text[:200])
