"""Fills a database with old events: `python -m tests.retention.old_events DATABASE_URL DATA_DIR`.

A process of its own, because ids only ever grow within one: after others had been made for today, none would be old.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from ferrata.delivery.models import deliveries
from ferrata.entry.wiring import build
from ferrata.events.validation import event_from
from ferrata.kit.clock import MovedClock
from tests.doors import settings

EVENTS, UNDELIVERED, AT_ONCE = 30_000, 500, 1_000


async def fill(database_url: str, data_dir: Path) -> None:
    """Events of a month ago, of which the last few are not delivered."""
    long_ago = datetime.now(UTC) - timedelta(days=30)
    wiring = build(settings(database_url, data_dir, allow_unsafe_database=True), clock=MovedClock(long_ago))
    await wiring.start()
    for start in range(0, EVENTS, AT_ONCE):
        numbers = range(start, start + AT_ONCE)
        incoming = [event_from({"eventName": "Purchase", "email": f"p{number}@shop.test"}, long_ago) for number in numbers]
        await wiring.events.accept("default", incoming, "import")
    waiting = select(deliveries.c.id).order_by(deliveries.c.id.desc()).limit(UNDELIVERED)

    def deliver(connection: Connection) -> None:
        delivered = deliveries.update().where(deliveries.c.id.not_in(waiting)).values(state="delivered", finished_at=long_ago)
        connection.execute(delivered)

    await wiring.database.write(deliver)
    await wiring.close()


if __name__ == "__main__":
    asyncio.run(fill(sys.argv[1], Path(sys.argv[2])))
