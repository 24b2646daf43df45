"""The demo's data directory: what is continued, what is deleted, and what is left alone."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ferrata.demo.folder import Folder, Papers
from ferrata.infra.errors import Rejected, StorageUnavailable

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PAPERS = Papers(
    "http://a", "http://a/demo/x", "http://b", "pk_x", "frt_1", "frt_2", "example-shop", "owner@shop.example", "secret"
)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "demo-data")


class TestAFolder:
    def test_is_continued_with_the_end_of_history_that_it_had(self, folder: Folder) -> None:
        begun = folder.open("sandbox", fresh=False, now=NOW)
        folder.note_history_accepted()
        again = folder.open("sandbox", fresh=False, now=NOW.replace(year=2027))
        assert again == replace(begun, history_accepted=True)

    def test_starts_over_when_asked_to_and_deletes_only_what_a_demo_made(self, folder: Folder) -> None:
        folder.open("sandbox", fresh=False, now=NOW)
        folder.note_history_accepted()
        folder.write_papers(PAPERS)
        for name in ("ferrata.db", "ferrata.db-wal", "sandbox.db", "master.key", "notes-of-my-own.txt"):
            (folder.path / name).touch()
        state = folder.open("sandbox", fresh=True, now=NOW.replace(year=2027))
        assert (state.history_accepted, state.history_ends_at.year) == (False, 2027)
        assert sorted(path.name for path in folder.path.iterdir()) == ["demo-state.json", "demo.lock", "notes-of-my-own.txt"]

    @pytest.mark.parametrize("fresh", [False, True])
    def test_is_left_untouched_where_no_demo_made_it(self, folder: Folder, fresh: bool) -> None:
        (folder.path / "ferrata.db").write_text("somebody's")
        with pytest.raises(Rejected, match="no demo has made"):
            folder.open("sandbox", fresh=fresh, now=NOW)
        assert (folder.path / "ferrata.db").read_text() == "somebody's"

    def test_never_lets_the_example_shop_meet_a_real_account(self, folder: Folder) -> None:
        folder.open("sandbox", fresh=False, now=NOW)
        with pytest.raises(Rejected, match="must not reach a real account"):
            folder.open("real", fresh=False, now=NOW)

    def test_is_held_by_one_demo_at_a_time(self, folder: Folder) -> None:
        with pytest.raises(StorageUnavailable, match="already"):
            Folder(folder.path)
        folder.release()
        Folder(folder.path).release()


class TestPapers:
    def test_are_read_back_and_readable_by_their_owner_alone(self, folder: Folder) -> None:
        assert folder.papers() is None
        written = folder.write_papers(PAPERS)
        assert written.stat().st_mode & 0o777 == 0o600
        assert folder.papers() == PAPERS

    def test_of_another_release_are_not_believed(self, folder: Folder) -> None:
        (folder.path / "demo.json").write_text('{"app_url": "http://a"}')
        assert folder.papers() is None

    def test_that_are_spoiled_are_said_to_be(self, folder: Folder) -> None:
        (folder.path / "demo.json").write_text("{")
        with pytest.raises(Rejected, match="cannot be read"):
            folder.papers()
