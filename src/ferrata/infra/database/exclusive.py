"""Holds a SQLite file for one process: a second writer would only slow both down, and on network file systems corrupt it."""

import fcntl
import os
from pathlib import Path

from ferrata.infra.errors import StorageUnavailable


class InUse(StorageUnavailable):
    """Another process has this database."""

    code = "database_in_use"


class ExclusiveFile:
    """A lock beside the database file, which the operating system frees when the process ends, however it ends."""

    def __init__(self, database: Path) -> None:
        try:
            database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageUnavailable(f"The directory {database.parent} cannot be made: {error.strerror}.") from error
        if not may_be_sqlite(database):
            raise StorageUnavailable(f"{database} is not a SQLite database. It was left untouched; name another file.")
        self._path = _lock_path(database)
        try:
            self._file = self._path.open("a+")
        except OSError as error:
            raise StorageUnavailable(f"{self._path} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise InUse(f"{database} is in use by {holder}. Stop it first, or use PostgreSQL to run several processes.") from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()}")
        self._file.flush()
        self._path.chmod(0o600)

    def release(self) -> None:
        self._file.close()


def may_be_sqlite(database: Path) -> bool:
    """Whether this is a SQLite file, or none yet."""
    if not database.exists():
        return True
    with database.open("rb") as file:
        head = file.read(16)
    return not head or head.startswith(b"SQLite format 3")


def holder(database: Path) -> str | None:
    """Which process holds this file at the moment, such as ``process 4711``; None if none does."""
    path = _lock_path(database)
    if not path.exists():
        return None
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "another process"
    return None


def _lock_path(database: Path) -> Path:
    return database.with_name(database.name + ".lock")
