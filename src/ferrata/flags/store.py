"""All SQL of this room."""

from datetime import datetime

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.flags.decision import Key
from ferrata.flags.models import flag_versions, flags
from ferrata.flags.schemas import Mode, Origin, Rule

_NAME = "flags"


def version(connection: Connection) -> int:
    return connection.execute(select(flag_versions.c.version).where(flag_versions.c.name == _NAME)).scalar_one_or_none() or 0


def rules(connection: Connection) -> tuple[int, dict[Key, Rule]]:
    """Every flag that is set, with the version that they make up."""
    known = version(connection)
    return known, {(row.store_id, row.metric): _rule(row) for row in connection.execute(select(flags))}


def find(connection: Connection, store_id: str, metric: str) -> Rule | None:
    row = connection.execute(select(flags).where(flags.c.store_id == store_id, flags.c.metric == metric)).one_or_none()
    return _rule(row) if row else None


def put(connection: Connection, key: Key, rule: Rule, now: datetime) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {
        "mode": rule.mode.value,
        "percentage": rule.percentage,
        "changed_at": now,
        "changed_by": rule.source[:120],
    }
    statement = dialect.insert(flags).values(store_id=key[0], metric=key[1], **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["store_id", "metric"], set_=values))
    _next_version(connection)


def clear(connection: Connection, key: Key) -> None:
    connection.execute(delete(flags).where(flags.c.store_id == key[0], flags.c.metric == key[1]))
    _next_version(connection)


def _next_version(connection: Connection) -> None:
    connection.execute(update(flag_versions).where(flag_versions.c.name == _NAME).values(version=flag_versions.c.version + 1))


def _rule(row: object) -> Rule:
    values = row._mapping  # type: ignore[attr-defined]  # a row of ``flags``
    return Rule(Mode(values["mode"]), values["percentage"], Origin.FLAG, values["changed_by"], values["changed_at"])
