"""What every route has in common. The routes are walked, so that a new one is tested without being named."""

import re
from collections.abc import Iterator

import pytest

from ferrata.access.http import KNOWN, Undeclared, declared_rights
from ferrata.access.schemas import ALL_RIGHTS, Right
from ferrata.entry.http import create_app
from tests.doors import Doors

pytestmark = pytest.mark.anyio
PUBLIC = {
    "GET /",
    "GET /api",
    "GET /api/",
    "GET /api/openapi.json",
    "GET /carts/recover/{token}",  # the token is what opens it
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",  # asks for FERRATA_METRICS_TOKEN itself, where that is set
    "GET /invitation/{secret}",  # the secret is what opens it
    "GET /new-password/{secret}",
    "GET /setup",
    "GET /sign-in",
    "GET /sign-in/oidc",
    "GET /sign-in/oidc/callback",
    "GET /static/{version}/{name:path}",
    "GET /ui/patterns",
    "GET /ui/patterns/live",
    "GET /ui/patterns/sign-in",
    "POST /api/session",
    "POST /invitation/{secret}",
    "POST /new-password/{secret}",
    "POST /setup",
    "POST /sign-in",
    "POST /sign-out",
    "OPTIONS /sources/{kind}/{store}",  # each kind of source verifies what is delivered to it
    "POST /sources/{kind}/{store}",
    # Each asks for the write key itself, in the way of Segment's libraries.
    *(f"POST /v1/{name}" for name in ("track", "identify", "page", "screen", "group", "alias", "batch", "import")),
    *(f"POST /v1/{short}" for short in "tipsgab"),
}


def routes(doors: Doors) -> Iterator[tuple[str, str, Right | str | None]]:
    """Method, path with its places filled, and what it needs: a right, or only that one is known."""
    for route, right in declared_rights(doors.app.routes):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path or "", right


def filled(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "x", path)


class TestEveryRoute:
    async def test_is_public_only_if_it_stands_in_the_list(self, doors: Doors) -> None:
        open_routes = {f"{method} {path}" for method, path, right in routes(doors) if right is None}
        assert open_routes <= PUBLIC, open_routes - PUBLIC

    async def test_that_needs_a_right_answers_401_to_nobody(self, doors: Doors) -> None:
        checked = 0
        for method, path, right in routes(doors):
            if right is not None:
                answer = await doors.client.request(method, filled(path))
                assert answer.status_code == 401, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
                assert answer.headers["www-authenticate"].startswith("Bearer")
                checked += 1
        assert checked > 10

    async def test_that_needs_a_right_answers_403_to_whoever_has_all_others(self, doors: Doors) -> None:
        headers = {right: await doors.token(*(ALL_RIGHTS - {right}), store_id=None) for right in Right}
        for method, path, right in routes(doors):
            if right is not None and right != KNOWN:
                answer = await doors.client.request(method, filled(path), headers=headers[Right(right)])
                assert answer.status_code == 403, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
                assert right in answer.json()["message"]

    async def test_refuses_a_token_that_was_never_made_and_another_scheme(self, doors: Doors) -> None:
        for value in ("Bearer frt_nobody", "Bearer ", "Basic bWlyYTpwYXNz", "frt_nobody"):
            answer = await doors.client.get("/lanes", headers={"authorization": value})
            assert (answer.status_code, answer.json()["code"]) == (401, "unknown_token")

    async def test_carries_the_security_headers(self, doors: Doors) -> None:
        seen = [
            await doors.client.request(method, filled(path)) for method, path, _ in routes(doors) if path != "/ui/patterns/live"
        ]
        seen.append(await doors.client.get("/nowhere"))
        for answer in seen:
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["cache-control"]
            assert answer.headers["x-request-id"]
            assert "access-control-allow-origin" not in answer.headers
            assert "server" not in answer.headers

    async def test_refuses_a_verb_that_it_does_not_have(self, doors: Doors) -> None:
        for method in ("TRACE", "PUT", "PROPFIND"):
            answer = await doors.client.request(method, "/sign-in", headers={"x-http-method-override": "POST"})
            assert answer.status_code == 405

    async def test_that_declares_nothing_keeps_the_application_from_starting(self, doors: Doors) -> None:
        app = create_app(doors.wiring)

        @app.get("/forgotten")
        async def forgotten() -> None: ...

        with pytest.raises(Undeclared, match="/forgotten"):
            list(declared_rights(app.routes))


class TestASecretInTheAddress:
    async def test_is_refused_and_not_logged_with_its_value(self, doors: Doors) -> None:
        answer = await doors.client.get("/lanes?apiKey=pk_something", headers=await doors.token(Right.DELIVERY_READ))
        assert answer.status_code == 400
        assert "apiKey must not stand in the address" in answer.json()["message"][0]
        assert "pk_something" not in answer.text
