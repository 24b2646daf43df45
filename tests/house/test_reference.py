"""The generated reference is what the code says now, and the code says enough."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from ferrata.access.http import declared_rights
from ferrata.entry import reference
from ferrata.entry.http import create_app
from ferrata.entry.wiring import build
from ferrata.infra.settings import Settings
from ferrata.kit.clock import SystemClock
from tests.house.tree import ROOT, files, named

PAGES_OF_PEOPLE = ("/invitation/", "/new-password/", "/ui", "/sign-in", "/sign-out", "/setup", "/static", "/api", "/demo")
GUIDES = [page for page in files(".md") if "/reference/" not in named(page)]


@pytest.mark.parametrize(
    "path", ["docs/reference/settings.md", "docs/reference/cli.md", "docs/reference/metrics.md", ".env.example"]
)
def test_a_page_is_what_the_code_says(path: str) -> None:
    assert (ROOT / path).read_text() == reference.pages()[path], "write it again: python3 dev.py docs"


class TestTheApi:
    DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs/reference/openapi.json").read_text())

    def test_is_described_as_it_is(self) -> None:
        assert reference.pages()["docs/reference/openapi.json"] == (ROOT / "docs/reference/openapi.json").read_text()

    def test_says_of_every_route_what_it_does_and_where_it_belongs(self) -> None:
        silent = [
            f"{method.upper()} {path}"
            for path, methods in self.DOCUMENT["paths"].items()
            for method, operation in methods.items()
            if not (operation.get("description") or operation.get("summary")) or not operation.get("tags")
        ]
        assert silent == []

    def test_leaves_out_nothing_but_pages(self, tmp_path: Path) -> None:
        wiring = build(Settings.model_construct(data_dir=tmp_path), clock=SystemClock())
        app = create_app(wiring)
        hidden = [
            route.path
            for route, _ in declared_rights(app.routes)
            if isinstance(route.original_route, APIRoute) and route.path not in self.DOCUMENT["paths"]
        ]
        wiring.database.engine.dispose()
        assert [path for path in hidden if path != "/" and not path.startswith(PAGES_OF_PEOPLE)] == []

    def test_has_every_route_that_the_guides_speak_of(self) -> None:
        known = {re.sub(r"\{\w+\}", "{}", path) for path in self.DOCUMENT["paths"]}
        asked = {
            (named(page), re.sub(r"\{\w+\}", "{}", path.partition("?")[0]))
            for page in GUIDES
            if named(page) != "docs/sandbox.md" and "/klaviyo/" not in named(page)
            for path in re.findall(r"`(?:GET|POST|DELETE|PATCH|PUT) (/[a-z][^`\s]*)`", page.read_text())
        }
        assert len(asked) > 10
        assert {pair for pair in asked if pair[1] not in known and not pair[1].startswith("/api")} == set()


class TestASetting:
    @pytest.mark.parametrize("name", sorted(Settings.model_fields))
    def test_is_described_in_a_sentence(self, name: str) -> None:
        description = Settings.model_fields[name].description or ""
        assert len(description) > 15 and description.endswith((".", ")")), f"{name} says too little"


def test_check_mode_shows_the_difference_and_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    assert reference.main(["--check"]) == 1
    assert "# Settings" in capsys.readouterr().out and list(tmp_path.iterdir()) == []
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
