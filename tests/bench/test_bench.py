"""The bench in its smallest form: that it runs, what it writes, and that what fails in it is said and kept apart."""

import json
from pathlib import Path

import pytest
from bench.__main__ import main
from bench.document import DOCUMENT
from bench.klaviyo import Server
from bench.results import Bench, Found, Row

KEYS = {"name", "ours", "unit", "peers", "floor", "ratio", "goal", "met"}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return tmp_path / "performance.md"


def run(document: Path, *arguments: str, benches: list[Bench] | None = None) -> int:
    given = ["--smallest", "--document", str(document), *arguments]
    return main(given, benches) if benches else main(given)


def found(value: float, *, goal: str = "", met: bool | None = None) -> Bench:
    return Bench("good", lambda _size: [Row("good.rate", "a rate", value, "/s", 200.0, goal=goal, met=met)])


def broken(_size: float) -> Found:
    raise RuntimeError("There is no disk here")


class TestTheBench:
    def test_measures_accepting_beside_the_same_server_keeping_nothing(self, document: Path, tmp_path: Path) -> None:
        before = DOCUMENT.read_text()
        assert run(document, "--only", "acceptance.bulk", "--json", str(tmp_path / "rows.json")) == 0
        rows = json.loads((tmp_path / "rows.json").read_text())
        assert all(set(row) == KEYS for row in rows)
        rate = next(row for row in rows if row["name"] == "acceptance.bulk.rate")
        assert rate["ours"] > 0
        assert rate["ratio"] == pytest.approx(rate["ours"] / rate["floor"], abs=0.001)
        assert "`acceptance.bulk.rate`" in document.read_text()
        assert DOCUMENT.read_text() == before

    def test_says_what_could_not_be_measured_goes_on_and_ends_badly(
        self, document: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(document, benches=[Bench("bad", broken), found(100.0)]) == 1
        assert "failed: There is no disk here" in document.read_text()
        assert "100 /s" in document.read_text()
        assert "All of it took" in capsys.readouterr().out

    def test_ends_well_where_a_goal_is_not_met_and_says_what_stands_in_the_way(self, document: Path) -> None:
        assert run(document, benches=[found(100.0, goal="≥ 150/s", met=False)]) == 0
        text = document.read_text()
        assert "0 of 1 goals met" in text
        assert "- `good.rate`, goal ≥ 150/s: measured 100 /s, the floor 200 /s." in text

    def test_keeps_the_rows_of_other_benches_when_only_one_is_run(self, document: Path) -> None:
        other = Bench("other", lambda _size: [Row("other.rate", "another rate", 7.0, "/s")])
        assert run(document, benches=[found(100.0), other]) == 0
        assert run(document, "--only", "good", benches=[found(120.0), other]) == 0
        assert "120 /s" in document.read_text()
        assert "`other.rate`" in document.read_text()

    def test_keeps_what_an_earlier_run_has_measured_beside_the_failure_of_a_later_one(self, document: Path) -> None:
        assert run(document, benches=[found(100.0)]) == 0
        assert run(document, benches=[Bench("good", broken)]) == 1
        assert "100 /s" in document.read_text()
        assert "failed: There is no disk here" in document.read_text()

    def test_names_the_benches_there_are_where_it_knows_none_of_that_name(
        self, document: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(document, "--only", "nonsense") == 2
        assert "million" in capsys.readouterr().err


class TestTheWindowsOfTheStandIn:
    def test_are_shared_by_the_keys_of_one_account_and_refuse_what_is_beyond(self) -> None:
        server, body = Server(0.0), b'{"unique_id":"a"}'
        path = "/api/event-bulk-create-jobs"
        answers = [server.answer(path, f"pk_one-{number % 2}", body) for number in range(200)]
        assert {status for status, _ in answers} == {202, 429}
        refused = next(headers for status, headers in answers if status == 429)
        assert 1 <= int(refused["retry-after"]) <= 60
        assert server.answer(path, "pk_two-1", body)[0] == 202
