"""SQLite, embedded: one writer thread that commits together whatever gathered while the last commit ran.

Why one thread and group commit: a synced commit costs the disk the same for one row as for a thousand. Why ``synchronous=FULL``:
with WAL anything less may lose acknowledged work in a power cut, which no kill of the process will ever show.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from ferrata.infra.database.contract import Work
from ferrata.infra.database.exclusive import ExclusiveFile
from ferrata.infra.errors import Overloaded, StorageUnavailable
from ferrata.kit.clock import Clock

T = TypeVar("T")
log = structlog.get_logger()

BUSY_TIMEOUT_SECONDS = 5
READERS = 4
WRITER_CACHE_KB, READER_CACHE_KB = 24_576, 8_192
"""Each connection has a cache of its own, and a backlog fills them all; beneath them the system keeps the same pages again."""
LONGEST_QUEUE = 5_000
LARGEST_GROUP = 256
# Primary result codes that say nothing about the statement (https://sqlite.org/rescode.html): the file, its disk or its locks.
STORAGE_FAULTS = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def sqlite_engine(path: Path, *, read_only: bool = False, pool_size: int = 1) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own rule begins too late
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            f"cache_size=-{READER_CACHE_KB if read_only else WRITER_CACHE_KB}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


class SqliteDatabase:
    """``exclusive=False``: a short command beside the server that holds the file; SQLite itself keeps their writes apart."""

    def __init__(self, path: Path, clock: Clock, *, exclusive: bool = True) -> None:
        self.exclusive = exclusive
        self._file = ExclusiveFile(path) if exclusive else None
        self._clock = clock
        self.committing: Callable[[int], AbstractContextManager[None]] = lambda _works: nullcontext()
        self.engine = sqlite_engine(path)
        self._readers = sqlite_engine(path, read_only=True, pool_size=READERS)
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-read")
        self._waiting: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        path.touch(mode=0o600)
        path.chmod(0o600)

    async def read(self, work: Work[T]) -> T:
        def run() -> T:
            try:
                with self._readers.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if _is_storage_fault(error):
                    raise StorageUnavailable(f"The database cannot be read: {error.orig}") from error
                raise

        return await asyncio.get_running_loop().run_in_executor(self._reading, run)

    async def write(self, work: Work[T]) -> T:
        if self._writer is None:  # started late, so that migrations and the command line can use the engine alone
            self._writer = threading.Thread(target=self._write_all, name="sqlite-write", daemon=True)
            self._writer.start()
        if self._waiting.qsize() > LONGEST_QUEUE:
            raise Overloaded
        done: Future[T] = Future()
        # The writer's thread has a context of its own: the work takes its caller's along, for the audit and the logs.
        context = copy_context()
        self._waiting.put((lambda connection: context.run(work, connection), done))
        return await asyncio.wrap_future(done)

    async def now(self) -> datetime:
        return self._clock.now()

    async def close(self) -> None:
        if self._writer:
            self._waiting.put(None)
            await asyncio.to_thread(self._writer.join)
        self._reading.shutdown()
        self.engine.dispose()
        self._readers.dispose()
        if self._file:
            self._file.release()

    def _write_all(self) -> None:
        while True:
            group = [self._waiting.get()]
            while len(group) < LARGEST_GROUP and not self._waiting.empty():
                group.append(self._waiting.get())
            # A caller that has given up before its turn is left out; one that gives up later cannot take back what runs.
            works = [item for item in group if item is not None and item[1].set_running_or_notify_cancel()]
            for settle in self._commit(works) if works else ():
                settle()
            if None in group:
                return

    def _commit(self, group: list[tuple[Work[Any], Future[Any]]]) -> list[Callable[[], None]]:
        """Run a group in one transaction; each work in a savepoint of its own. Returns how each caller is to be told."""
        settlements: list[Callable[[], None]] = []
        try:
            with self.committing(len(group)), self.engine.begin() as connection:
                for work, done in group:
                    settlements.append(
                        _run_beside_others(connection, work, done) if len(group) > 1 else _run_alone(connection, work, done)
                    )
        except _Undone as undone:
            return [undone.settlement]
        except Exception as error:  # noqa: BLE001 - the writer must outlive whatever happened and tell every caller
            log.error("database.commit_failed", error=str(error), works=len(group))
            # After a failed sync nothing that this connection believes can be trusted any more: open a new one.
            self.engine.dispose()
            return [_failing(done, error) for _, done in group]
        return settlements


class _Undone(Exception):
    """A work that ran alone in its transaction has failed: roll back, and tell its caller why."""

    def __init__(self, settlement: Callable[[], None]) -> None:
        self.settlement = settlement


def _run_alone(connection: Connection, work: Work[T], done: Future[T]) -> Callable[[], None]:
    try:
        result = work(connection)
    except Exception as error:
        if _is_storage_fault(error):
            raise
        raise _Undone(_failing(done, error)) from error
    return lambda: done.set_result(result)


def _run_beside_others(connection: Connection, work: Work[T], done: Future[T]) -> Callable[[], None]:
    """As ``_run_alone``, in a savepoint. A storage error (disk full, I/O) undoes the whole group: SQLite may have done so."""
    savepoint = connection.begin_nested()
    try:
        result = work(connection)
        savepoint.commit()
    except Exception as error:
        if _is_storage_fault(error):
            raise
        savepoint.rollback()
        return _failing(done, error)
    return lambda: done.set_result(result)


def _is_storage_fault(error: Exception) -> TypeGuard[DBAPIError]:
    code = getattr(error.orig, "sqlite_errorcode", None) if isinstance(error, DBAPIError) else None
    return code is not None and code & 0xFF in STORAGE_FAULTS


def _failing(done: Future[Any], error: Exception) -> Callable[[], None]:
    if _is_storage_fault(error):
        told: Exception = StorageUnavailable(f"The database cannot be written: {error.orig}")
        told.__cause__ = error
    else:
        told = error
    return lambda: done.set_exception(told)
