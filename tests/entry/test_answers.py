"""How errors are told, and what stands at the front."""

import re

import pytest

from tests.doors import BROWSER, Doors
from tests.entry.test_routes import PUBLIC

pytestmark = pytest.mark.anyio


class TestAnError:
    async def test_has_one_shape(self, doors: Doors) -> None:
        answer = await doors.client.get("/nowhere")
        assert answer.status_code == 404
        assert {name: answer.json()[name] for name in ("statusCode", "message", "error")} == {
            "statusCode": 404,
            "message": "Cannot GET /nowhere",
            "error": "Not Found",
        }
        assert set(answer.json()) >= {"type", "title", "status", "detail", "code", "recovery", "errors", "requestId"}
        assert answer.json()["requestId"] == answer.headers["x-request-id"]

    async def test_is_problem_json_for_those_who_ask_for_it(self, doors: Doors) -> None:
        answer = await doors.client.get("/nowhere", headers={"accept": "application/problem+json"})
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_is_a_page_for_people(self, doors: Doors) -> None:
        answer = await doors.client.get("/nowhere", headers=BROWSER)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
        assert "Cannot GET /nowhere" in answer.text

    @pytest.mark.parametrize(
        "path", ["/<script>alert(1)</script>", "/%3Cimg%20src=x%20onerror=alert(1)%3E", "/{{7*7}}", "/%ED%A0%80"]
    )
    async def test_repeats_an_address_as_text_only(self, doors: Doors, path: str) -> None:
        page = await doors.client.get(path, headers=BROWSER)
        assert page.status_code == 404
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "/49" not in page.text
        assert (await doors.client.get(path)).json()["statusCode"] == 404

    async def test_that_nobody_expected_gives_nothing_away(self, doors: Doors) -> None:
        async def broken(*_: object) -> None:
            raise RuntimeError("secret detail of /srv/ferrata SELECT * FROM people")

        doors.wiring.access.authenticate_token = broken  # type: ignore[method-assign,assignment]  # stands in for any fault
        for headers in ({}, BROWSER):
            answer = await doors.client.get("/lanes", headers=headers | {"authorization": "Bearer frt_x"})
            assert answer.status_code == 500
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-request-id"] in answer.text
            for word in ("secret", "SELECT", "/srv", "Traceback", "RuntimeError"):
                assert word not in answer.text
        assert answer.json()["message"] == "Internal server error"

    async def test_carries_the_id_that_the_caller_gave_if_it_is_a_plain_one(self, doors: Doors) -> None:
        for given, kept in (
            ("order-42.retry:1", True),
            ("x\u00e9y-12345678", False),
            ("a b c d e f g h", False),
            ("x" * 200, False),
        ):
            answer = await doors.client.get("/nowhere", headers={"x-request-id": given.encode("latin-1")})
            assert (answer.headers["x-request-id"] == given) is kept


class TestTheFront:
    async def test_greets_programs_and_leads_people_in(self, doors: Doors) -> None:
        greeting = await doors.client.get("/")
        assert (greeting.status_code, greeting.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert (await doors.client.head("/")).status_code == 200
        browser = await doors.administrator()
        assert (await browser.get("/")).headers["location"] == "/ui"
        assert (await doors.browser().get("/")).headers["location"] == "/sign-in"

    async def test_describes_the_api_with_the_token_that_it_wants(self, doors: Doors) -> None:
        document = (await doors.client.get("/api/openapi.json")).json()
        assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
        assert not [path for path in document["paths"] if path.startswith("/ui")]
        described = {
            f"{method.upper()} {path}"
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if "security" not in operation
        }
        assert described <= PUBLIC

    async def test_asks_no_other_host_for_its_documentation(self, doors: Doors) -> None:
        page = (await doors.client.get("/api")).text
        assert re.findall(r"(?:src|href)=\"(?!/)", page) == []
        for address in re.findall(r"(?:src|href)=\"(/static[^\"]+)", page):
            assert (await doors.client.get(address)).status_code == 200


class TestABody:
    async def test_of_a_form_is_bounded(self, doors: Doors) -> None:
        answer = await doors.client.post("/sign-in", data={"email": "x" * 300_000})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.headers["connection"] == "close"
