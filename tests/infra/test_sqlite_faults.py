"""SQLite when the disk, the file or another process is in the way: nothing is said to be kept that is not."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from ferrata.infra.database import Database, open_beside, open_database
from ferrata.infra.database.exclusive import InUse
from ferrata.infra.errors import StorageUnavailable
from ferrata.kit.clock import MovedClock
from tests.infra import table
from tests.infra.table import add

pytestmark = pytest.mark.anyio
VICTIM = Path(__file__).with_name("sqlite_victim.py")


@pytest.fixture
async def db(sqlite_template: Path, tmp_path: Path, clock: MovedClock) -> AsyncIterator[Database]:
    shutil.copy(sqlite_template, tmp_path / "ferrata.db")
    opened = open_database(f"sqlite:///{tmp_path / 'ferrata.db'}", clock)
    await table.make(opened)
    yield opened
    await opened.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


class TestAnotherProcessThatHoldsTheLock:
    async def test_makes_a_write_fail_after_the_time_out_and_the_next_one_work(self, db: Database, tmp_path: Path) -> None:
        holder = sqlite3.connect(tmp_path / "ferrata.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageUnavailable):
            await db.write(add(1))
        assert await db.read(table.count) == 0
        holder.execute("ROLLBACK")
        await db.write(add(2))
        assert await db.read(table.ids) == [2]


class TestAFullDisk:
    async def test_refuses_writes_while_it_is_full_and_takes_them_again_afterwards(self, db: Database) -> None:
        def limit(pages: int) -> object:
            return lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar()

        pages = await db.write(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar())
        await db.write(limit(pages))
        with pytest.raises(StorageUnavailable, match="full"):
            await db.write(add(1, "x" * 1_000_000))
        assert await db.read(table.count) == 0
        # The failed commit has made the writer open a new connection, which has no such limit.
        await db.write(add(2, "x" * 1_000_000))
        assert await db.read(table.ids) == [2]

    async def test_is_survived_on_a_real_one(self, sqlite_template: Path, small_disk: Path, clock: MovedClock) -> None:
        shutil.copy(sqlite_template, small_disk / "ferrata.db")
        db = open_database(f"sqlite:///{small_disk / 'ferrata.db'}", clock)
        await table.make(db)
        kept = []
        for number in range(200):
            try:
                kept.append(await db.write(add(number, "x" * 50_000)))
            except StorageUnavailable:
                break
        assert 0 < len(kept) < 200
        assert await db.read(table.ids) == kept
        subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
        await db.write(add(1_000))
        assert await db.read(table.ids) == [*kept, 1_000]
        await db.close()


class TestADiskThatFailsToSync:
    @pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
    @pytest.mark.parametrize("nth", [1, 2, 3])
    async def test_never_lets_a_write_be_called_kept_that_is_not(
        self, sqlite_template: Path, tmp_path: Path, error: str, nth: int
    ) -> None:
        """The victim says which writes returned; each of these must be in the file when it is opened anew."""
        strace = shutil.which("strace")
        if strace is None:
            pytest.skip("no strace on this machine")
        shutil.copy(sqlite_template, tmp_path / "ferrata.db")
        inject = f"inject=fdatasync,fsync:error={error}:when={nth}+4"
        command = [strace, "-f", "-qq", "-o", tmp_path / "trace", "-e", "trace=fdatasync,fsync", "-e", inject]
        run = await asyncio.to_thread(
            subprocess.run,
            [*command, sys.executable, VICTIM, tmp_path / "ferrata.db"],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        if "ptrace" in run.stderr:
            pytest.skip("strace may not trace here")
        said = dict(line.split(" ", 1) for line in run.stdout.splitlines())
        assert "INJECTED" in (tmp_path / "trace").read_text()
        kept = {number for number, outcome in said.items() if outcome == "kept"}
        failed = {number for number, outcome in said.items() if outcome == "StorageUnavailable"}
        assert kept | failed == {str(number) for number in range(20)}, run.stdout + run.stderr
        assert failed
        with contextlib.closing(sqlite3.connect(tmp_path / "ferrata.db")) as connection:
            found = {str(row[0]) for row in connection.execute("SELECT id FROM notes")}
        assert kept <= found


class TestADamagedFile:
    async def test_of_another_kind_is_left_untouched(self, tmp_path: Path, clock: MovedClock) -> None:
        file = tmp_path / "ferrata.db"
        file.write_bytes(b"These are my notes, not a database.")
        with pytest.raises(StorageUnavailable, match="not a SQLite database"):
            open_database(f"sqlite:///{file}", clock)
        assert file.read_bytes() == b"These are my notes, not a database."

    async def test_with_a_flipped_page_says_so_instead_of_answering_wrongly(self, db: Database, tmp_path: Path) -> None:
        for number in range(200):
            await db.write(add(number, "x" * 500))

        def empty_wal(connection: Connection) -> int:
            return connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'notes'").scalar_one()

        root = await db.read(empty_wal)
        await db.close()
        with (tmp_path / "ferrata.db").open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(b"\xff" * 4096)
        again = open_database(f"sqlite:///{tmp_path / 'ferrata.db'}", MovedClock(await db.now()))
        try:
            with pytest.raises(StorageUnavailable, match="malformed"):
                await again.read(table.ids)
            with pytest.raises(StorageUnavailable, match="malformed"):
                await again.write(add(500))
        finally:
            await again.close()


class TestTheFile:
    async def test_belongs_to_one_server_and_lets_commands_work_beside_it(
        self, db: Database, tmp_path: Path, clock: MovedClock
    ) -> None:
        url = f"sqlite:///{tmp_path / 'ferrata.db'}"
        with pytest.raises(InUse, match=f"process {os.getpid()}"):
            open_database(url, clock)
        beside = open_beside(url, clock)
        assert not beside.exclusive
        await asyncio.gather(*(beside.write(add(number)) for number in range(10)), *(db.write(add(100 + n)) for n in range(10)))
        assert await db.read(table.count) == await beside.read(table.count) == 20
        await beside.close()

    async def test_is_readable_by_its_owner_alone(self, db: Database, tmp_path: Path) -> None:
        await db.write(add(1))
        modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.glob("ferrata.db*")}
        assert modes
        assert not any(modes.values()), modes

    async def test_starts_again_without_its_journal(self, db: Database, tmp_path: Path, clock: MovedClock) -> None:
        await db.write(add(1))
        await db.close()
        for name in ("ferrata.db-wal", "ferrata.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        again = open_database(f"sqlite:///{tmp_path / 'ferrata.db'}", clock)
        assert await again.read(table.ids) == [1]
        await again.close()
