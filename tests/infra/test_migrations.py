"""The schema that the history of migrations makes, from empty, is the one that the tables describe."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, text

from ferrata.entry.tables import metadata
from ferrata.infra.database.sqlite import sqlite_engine
from ferrata.infra.errors import StorageUnavailable
from ferrata.infra.migrate import config, upgrade


@pytest.fixture
def engine(database_url: str) -> Engine:
    if database_url.startswith("sqlite"):
        return sqlite_engine(Path(database_url.removeprefix("sqlite:///")))
    return create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))


def test_the_history_makes_what_the_tables_say(engine: Engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrating_again_changes_nothing(engine: Engine):
    upgrade(engine)
    upgrade(engine)
    engine.dispose()


def test_a_database_of_a_newer_release_is_refused_untouched(engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailable, match="9999"):
        upgrade(engine)
    engine.dispose()


def test_no_migration_asks_the_tables_of_today():
    """A migration that calls ``metadata`` would change with every later release."""
    scripts = ScriptDirectory.from_config(config()).walk_revisions()
    assert not [
        script.path for script in scripts if "ferrata." in Path(script.path).read_text().replace("ferrata.infra.columns", "")
    ]
