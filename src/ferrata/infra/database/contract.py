"""What a room may ask of the database."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")
Work = Callable[[Connection], T]


class Database(Protocol):
    engine: Engine
    """For migrations and inspection; rooms use ``read`` and ``write``."""

    exclusive: bool
    """True where this process is the only one that can write (SQLite): then every lease left behind is free."""

    committing: Callable[[int], AbstractContextManager[None]]
    """Entered around every write transaction, with the number of works that share it: for measuring."""

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` on a connection that sees committed data only.

        Raises:
            StorageUnavailable: the database cannot be reached or read.
        """

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction and return its result once the commit is synced to disk.

        An exception that ``work`` raises undoes that work alone and is raised here. ``work`` may be run again after a
        deadlock or a lost connection, so it must depend on nothing but the database and its own arguments.

        Raises:
            StorageUnavailable: nothing was kept (or, after a lost connection, nothing is known to be kept).
            Overloaded: too much is waiting for the disk already.
        """

    async def now(self) -> datetime:
        """The instant that leases are judged by: the same for every process that shares this database."""

    async def close(self) -> None: ...
