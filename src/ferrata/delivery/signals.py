"""On PostgreSQL, processes tell each other at once that a lane has something to do; without it a worker would notice later."""

from collections.abc import Callable, Iterable

import psycopg
import structlog
from sqlalchemy import Connection, text

from ferrata.delivery.schemas import Family, LaneKey
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock

log = structlog.get_logger()

CHANNEL = "ferrata_work"
RECONNECT_SECONDS = 2.0


async def listen(db: Database, wake: Callable[[LaneKey], None], clock: Clock) -> None:
    """Call ``wake`` whenever a transaction that put something into the outbox has committed; until cancelled."""
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                async for notification in connection.notifies():
                    _tell(wake, notification.payload)
        except psycopg.Error as error:
            log.warning("delivery.cannot_listen", reason=type(error).__name__)
            await clock.sleep(RECONNECT_SECONDS)


def announce(connection: Connection, keys: Iterable[LaneKey]) -> None:
    """Once this transaction has committed, wake the workers of other processes for these lanes."""
    if connection.dialect.name == "postgresql":
        for key in set(keys):
            lane = f"{key.store_id} {key.family.value}"
            connection.execute(text("SELECT pg_notify(:channel, :lane)"), {"channel": CHANNEL, "lane": lane})


def _tell(wake: Callable[[LaneKey], None], payload: str) -> None:
    store_id, _, family = payload.rpartition(" ")
    if family in {known.value for known in Family}:
        wake(LaneKey(store_id, Family(family)))
