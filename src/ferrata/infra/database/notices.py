"""On PostgreSQL, processes tell each other at once that there is something to do; without it they would notice later."""

from collections.abc import Callable

import psycopg
import structlog
from sqlalchemy import Connection, text

from ferrata.infra.database.contract import Database
from ferrata.kit.clock import Clock

log = structlog.get_logger()

RECONNECT_SECONDS = 2.0


async def listen(db: Database, channel: str, tell: Callable[[str], None], clock: Clock) -> None:
    """Call ``tell`` with whatever is said on a channel; until cancelled."""
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as connection:
                await connection.execute(f"LISTEN {channel}")
                async for notification in connection.notifies():
                    tell(notification.payload)
        except psycopg.Error as error:
            log.warning("database.cannot_listen", channel=channel, reason=type(error).__name__)
            await clock.sleep(RECONNECT_SECONDS)


def say(connection: Connection, channel: str, words: str = "") -> None:
    """Tell those who listen, once this transaction has committed. Does nothing on SQLite, where there is nobody else."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_notify(:channel, :words)"), {"channel": channel, "words": words})
