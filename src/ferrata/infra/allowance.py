"""So many acts in so much time, counted in the database: several processes and restarts share one count.

For guesses at a password and tests of a key: a few per minute. What happens a thousand times a second is limited elsewhere.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, String, Table, Text, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.infra.columns import Instant, metadata

allowances = Table(
    "allowances",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("taken", Text, nullable=False),  # JSON: the instants of the acts within the window
    Column("last_at", Instant, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """``acts`` in every sliding ``window``, for each name."""

    acts: int
    window: timedelta

    def take(self, connection: Connection, name: str, now: datetime) -> timedelta | None:
        """Count one act under ``name``: None if it is allowed, else how long until the next; a refused act is not counted."""
        taken = [at for at in _locked(connection, name, now) if now - self.window < at <= now]
        if len(taken) >= self.acts:
            return taken[-self.acts] + self.window - now
        _store(connection, name, [*taken, now], now)
        return None

    def forget_old(self, connection: Connection, now: datetime) -> None:
        connection.execute(delete(allowances).where(allowances.c.last_at < now - self.window))


def give_back(connection: Connection, name: str) -> None:
    """Forget every act under ``name``."""
    connection.execute(delete(allowances).where(allowances.c.name == name))


def _locked(connection: Connection, name: str, now: datetime) -> list[datetime]:
    """The instants under ``name``; the row exists afterwards and is ours until the end of the transaction."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    made = insert(allowances).values(name=name, taken="[]", last_at=now)
    connection.execute(made.on_conflict_do_update(index_elements=["name"], set_={"last_at": now}))
    text: str = connection.execute(select(allowances.c.taken).where(allowances.c.name == name)).scalar_one()
    return [datetime.fromisoformat(at) for at in json.loads(text)]


def _store(connection: Connection, name: str, taken: list[datetime], now: datetime) -> None:
    text = json.dumps([at.isoformat() for at in taken])
    connection.execute(update(allowances).where(allowances.c.name == name).values(taken=text, last_at=now))
