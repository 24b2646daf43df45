"""Static files: addresses that change with the content, and nothing else served."""

import gzip
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ferrata.ui.static import StaticFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "static/deep").mkdir(parents=True)
    (tmp_path / "static/kit.css").write_text("body{}" * 500)
    (tmp_path / "static/deep/small.js").write_text("1")
    (tmp_path / "static/.lock").write_text("hidden")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "static"


def client(static: StaticFiles) -> TestClient:
    return TestClient(Starlette(routes=[static.route()]))


class TestAddresses:
    def test_stay_while_the_files_stay(self, folder: Path) -> None:
        assert StaticFiles(folder).url("kit.css") == StaticFiles(folder).url("kit.css")

    def test_change_with_any_content_or_name(self, folder: Path) -> None:
        before = StaticFiles(folder).version
        (folder / "deep/small.js").write_text("2")
        changed = StaticFiles(folder).version
        (folder / "deep/small.js").rename(folder / "deep/other.js")
        assert len({before, changed, StaticFiles(folder).version}) == 3

    def test_of_a_file_that_is_not_there_are_an_error(self, folder: Path) -> None:
        with pytest.raises(KeyError, match=r"gone\.css"):
            StaticFiles(folder).url("gone.css")


class TestServing:
    def test_may_be_kept_for_a_year_under_the_current_hash(self, folder: Path) -> None:
        static = StaticFiles(folder)
        answer = client(static).get(static.url("deep/small.js"))
        assert (answer.status_code, answer.text) == (200, "1")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"

    def test_must_not_be_kept_under_another_hash(self, folder: Path) -> None:
        assert client(StaticFiles(folder)).get("/static/0123/kit.css").headers["cache-control"] == "no-cache"

    def test_is_compressed_for_those_who_accept_it(self, folder: Path) -> None:
        static = StaticFiles(folder)
        with client(static).stream("GET", static.url("kit.css"), headers={"accept-encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert gzip.decompress(b"".join(answer.iter_raw())) == (folder / "kit.css").read_bytes()
        plain = client(static).get(static.url("kit.css"), headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers

    @pytest.mark.parametrize("name", ["../secret.txt", "%2e%2e/secret.txt", ".lock", "deep", "", "gone"])
    def test_knows_only_the_files_it_found_at_start(self, folder: Path, name: str) -> None:
        static = StaticFiles(folder)
        assert client(static).get(f"/static/{static.version}/{name}").status_code == 404
        assert client(static).get(f"/static/{static.version}/..%2f..%2fsecret.txt").status_code == 404
