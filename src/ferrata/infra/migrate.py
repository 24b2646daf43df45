"""Bring a database's schema to this version: from empty or from any earlier release, once, whoever starts first."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from ferrata.infra.errors import StorageUnavailable

_MIGRATION_LOCK = 7_305_811


def config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    return config


def upgrade(engine: Engine) -> None:
    """Run what is missing, in one transaction, under a lock that several starting processes share.

    Raises:
        StorageUnavailable: the database was written by a newer release than this one.
    """
    script = ScriptDirectory.from_config(config())
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        current = MigrationContext.configure(connection).get_current_revision()
        if current and current not in {revision.revision for revision in script.walk_revisions()}:
            raise StorageUnavailable(
                f"This database is at schema revision {current}, which this release does not know. Start the newer release."
            )
        if current == script.get_current_head():
            return
        settings = config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")


def revisions(connection: Connection) -> tuple[str | None, str | None]:
    """The schema's revision in this database, None where it is empty, and the one that this release needs."""
    current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(config()).get_current_head()


def check_current(engine: Engine) -> None:
    """Raises StorageUnavailable unless the schema is exactly that of this release."""
    with engine.connect() as connection:
        current, needed = revisions(connection)
    if current != needed:
        raise StorageUnavailable(
            f"The running server is of another release (its schema is {current}). Stop it, or use its command."
        )
