"""Chooses the engine by the URL and brings its schema up to date."""

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from ferrata.infra.database.contract import Database
from ferrata.infra.database.exclusive import InUse
from ferrata.infra.database.postgres import PostgresDatabase
from ferrata.infra.database.sqlite import SqliteDatabase
from ferrata.infra.errors import Rejected, StorageUnavailable
from ferrata.infra.migrate import check_current, upgrade
from ferrata.kit.clock import Clock


def open_beside(url: str, clock: Clock, *, allow_unsafe: bool = False) -> Database:
    """As ``open_database``, for a short command: where a server of the same release holds a SQLite file, work beside it.

    Raises:
        StorageUnavailable: the running server is of another release.
    """
    try:
        return open_database(url, clock, allow_unsafe=allow_unsafe)
    except InUse:
        database = SqliteDatabase(Path(make_url(url).database or "").resolve(), clock, exclusive=False)
        check_current(database.engine)
        return database


def open_database(url: str, clock: Clock, *, allow_unsafe: bool = False, migrate: bool = True) -> Database:
    """Open ``sqlite:///path/to/file.db`` or ``postgresql://user:password@host/name``, and migrate it.

    Raises:
        Rejected: the URL names no database that Ferrata can use.
        StorageUnavailable: the database cannot be opened, is in use by another process (SQLite), or would lose commits.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Rejected("DATABASE_URL is not a URL. Write sqlite:///file.db or postgresql://user:password@host/name") from error
    database: SqliteDatabase | PostgresDatabase
    match parsed.get_backend_name():
        case "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise Rejected("An in-memory database keeps nothing. Name a file: sqlite:///data/ferrata.db")
            database = SqliteDatabase(Path(parsed.database).resolve(), clock)
        case "postgresql":
            rendered = parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
            database = PostgresDatabase(rendered, allow_unsafe=allow_unsafe)
        case other:
            raise Rejected(f"DATABASE_URL names {other!r}. Ferrata keeps its data in SQLite or PostgreSQL.")
    try:
        if isinstance(database, PostgresDatabase):
            database.check_durable()
        if migrate:
            upgrade(database.engine)
    except OperationalError as error:
        raise StorageUnavailable(f"The database cannot be opened: {error.orig}") from error
    return database
