"""Everything the sandbox remembers, in one SQLite database (`:memory:` or a file).

A module that needs tables declares them once with `schema("CREATE TABLE IF NOT EXISTS ...")` at import; every
`State` creates all declared tables when it opens. Money and documents are kept as JSON text, instants as seconds since 1970.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_SCHEMAS: list[str] = []


def schema(statements: str) -> None:
    """Declare tables and indexes (`IF NOT EXISTS`, separated by semicolons) for every state opened from now on."""
    _SCHEMAS.append(statements)


class State:
    """One database shared by all accounts. Safe to read from other threads; one transaction runs at a time."""

    def __init__(self, path: str = ":memory:") -> None:
        self.path = path
        self.lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=512)
        self._db.row_factory = sqlite3.Row
        # A sandbox file is worth less than its speed: it survives a killed process, not a power cut.
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "temp_store=MEMORY", "foreign_keys=OFF"):
            self._db.execute(f"PRAGMA {pragma}")
        self._create_tables()

    def _create_tables(self) -> None:
        for statements in _SCHEMAS:
            self._db.executescript(statements)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or nothing of it. The pipeline opens one per request; do not nest."""
        with self.lock:
            self._db.execute("BEGIN")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement; its cursor tells `rowcount` and `lastrowid`."""
        with self.lock:
            return self._db.execute(sql, parameters)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement for many rows; returns how many rows changed."""
        with self.lock:
            return self._db.executemany(sql, rows).rowcount

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row or None."""
        with self.lock:
            row: sqlite3.Row | None = self._db.execute(sql, parameters).fetchone()
            return row

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Every row."""
        with self.lock:
            return self._db.execute(sql, parameters).fetchall()

    def tables(self) -> list[str]:
        """Names of all tables, in the order they were created."""
        names = self.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return [row["name"] for row in names]

    def clear(self) -> None:
        """Forget everything, accounts and keys included."""
        with self.transaction():
            for table in self.tables():
                self._db.execute(f'DELETE FROM "{table}"')  # noqa: S608 - table names come from the database itself

    def close(self) -> None:
        """Close the database; a file keeps its content."""
        with self.lock:
            self._db.close()
