"""On PostgreSQL, processes tell each other at once that a lane has something to do; without it a worker would notice later."""

from collections.abc import Callable, Iterable
from functools import partial

from sqlalchemy import Connection

from ferrata.delivery.schemas import Family, LaneKey
from ferrata.infra.database import Database, notices
from ferrata.kit.clock import Clock

CHANNEL = "ferrata_work"


async def listen(db: Database, wake: Callable[[LaneKey], None], clock: Clock) -> None:
    """Call ``wake`` whenever a transaction that put something into the outbox has committed; until cancelled."""
    await notices.listen(db, CHANNEL, partial(_tell, wake), clock)


def announce(connection: Connection, keys: Iterable[LaneKey]) -> None:
    """Once this transaction has committed, wake the workers of other processes for these lanes."""
    if connection.dialect.name == "postgresql":
        for key in set(keys):
            notices.say(connection, CHANNEL, f"{key.store_id} {key.family.value}")


def _tell(wake: Callable[[LaneKey], None], payload: str) -> None:
    store_id, _, family = payload.rpartition(" ")
    if family in {known.value for known in Family}:
        wake(LaneKey(store_id, Family(family)))
