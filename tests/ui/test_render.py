"""Pages: found by room, escaped, strict about names, in the store's zone."""

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jinja2 import TemplateNotFound, UndefinedError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from ferrata.kit.clock import MovedClock
from ferrata.ui.chrome import Chrome, NavItem
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages, environment
from ferrata.ui.static import StaticFiles

PAGE = """{% extends "base.html" %}{% block title %}{{ name }}{% endblock %}
{% block content %}{% block part %}<p id="part">{{ name }} {{ now | clock_time }}</p>{% endblock %}{% endblock %}"""


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    (tmp_path / "lanes/templates").mkdir(parents=True)
    (tmp_path / "lanes/templates/list.html").write_text(PAGE)
    (tmp_path / "lanes/private.txt").write_text("not a template")
    return tmp_path


@pytest.fixture
def pages(rooms: Path, clock: MovedClock) -> Pages:
    chrome = Chrome(zone=ZoneInfo("Asia/Tokyo"))
    return Pages(environment(StaticFiles(), rooms), clock, lambda _: chrome)


@pytest.fixture
def client(pages: Pages) -> TestClient:
    def show(request: Request) -> Response:
        return pages.page(request, "lanes/list.html", name=request.query_params["name"])

    def part(request: Request) -> Response:
        return pages.block(request, "lanes/list.html", "part", name=request.query_params["name"])

    def act(request: Request) -> Response:
        return redirect_saying("/show?name=a", Flash("<b>214</b> events replayed", undo_url="/undo"))

    return TestClient(Starlette(routes=[Route("/show", show), Route("/part", part), Route("/act", act, methods=["POST"])]))


class TestTemplates:
    def test_are_found_in_their_rooms(self, client: TestClient) -> None:
        assert "<title>Lanes · Ferrata</title>" in client.get("/show?name=Lanes").text

    def test_cannot_be_reached_outside_a_rooms_templates(self, rooms: Path) -> None:
        env = environment(StaticFiles(), rooms)
        for name in ("lanes/../private.txt", "lanes/gone.html", "lanes", "../x"):
            with pytest.raises(TemplateNotFound):
                env.get_template(name)

    def test_escape_what_they_are_given(self, client: TestClient) -> None:
        text = client.get("/show", params={"name": '<script>alert(1)</script>"'}).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;" in text

    def test_refuse_names_that_nobody_gave(self, rooms: Path) -> None:
        (rooms / "lanes/templates/wrong.html").write_text("{{ missing }}")
        with pytest.raises(UndefinedError, match="missing"):
            environment(StaticFiles(), rooms).get_template("lanes/wrong.html").render()

    def test_show_times_in_the_stores_zone(self, client: TestClient) -> None:
        assert ">18:00:00.000<" in client.get("/part?name=a").text


class TestBlocks:
    def test_are_answered_alone(self, client: TestClient) -> None:
        text = client.get("/part?name=a").text
        assert text.startswith('<p id="part">a ')
        assert "<html" not in text


class TestTheme:
    @pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light"), ("<x>", "auto"), (None, "auto")])
    def test_stands_in_the_page_before_any_script(self, client: TestClient, cookie: str | None, theme: str) -> None:
        headers = {"cookie": f"ferrata_theme={cookie}"} if cookie else {}
        assert f'data-theme="{theme}"' in client.get("/show?name=a", headers=headers).text


class TestFlash:
    def test_is_said_once_after_the_act_and_escaped(self, client: TestClient) -> None:
        said = client.post("/act").text
        assert "&lt;b&gt;214&lt;/b&gt; events replayed" in said
        assert 'href="/undo"' in said
        assert "events replayed" not in client.get("/show?name=a").text

    @pytest.mark.parametrize(
        "cookie", ["", "%%%", "bm90IGpzb24=", "W10=", "WyJ4IiwiZXZpbCIsbnVsbF0=", "WyJ4IiwiZGVhZCIsIi8vZXZpbCJd"]
    )
    def test_ignores_a_cookie_that_is_not_its_own(self, client: TestClient, cookie: str) -> None:
        answer = client.get("/show?name=a", headers={"cookie": f"ferrata_flash={cookie}"})
        assert answer.status_code == 200
        assert "f-notice" not in answer.text


class TestNavigation:
    def test_marks_the_destination_one_is_below(self) -> None:
        item = NavItem("Events", "/ui/events", "events", "e")
        assert item.is_current("/ui/events")
        assert item.is_current("/ui/events/123")
        assert not item.is_current("/ui/events-of-others")
        assert not replace(item, href="/ui", exact=True).is_current("/ui/events")
