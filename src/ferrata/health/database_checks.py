"""Checks of the database: that it answers, that its schema is ours, and that what it commits survives a power cut."""

from sqlalchemy import Connection, text

from ferrata.health.schemas import Check, Level
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock

SLOW_MS = 500.0
SQLITE_FULL = 2


class DatabaseChecks:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def reachable(self) -> Check:
        """How long a question takes that needs no data."""
        began = self._clock.monotonic()
        await self._database.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one())
        latency_ms = round((self._clock.monotonic() - began) * 1000, 1)
        slow = latency_ms > SLOW_MS
        summary = f"The database answers, in {latency_ms:g} ms." + (" That is slow." if slow else "")
        return Check("database.reachable", Level.DEGRADED if slow else Level.HEALTHY, summary, latency_ms)

    async def durable(self) -> Check:
        """Whether a commit that was answered is on disk."""
        faults = await self._database.read(durability_faults)
        if faults:
            return Check("database.durable", Level.DOWN, f"A power cut would lose accepted events: {', '.join(faults)}.")
        return Check("database.durable", Level.HEALTHY, "Every commit is synced to disk before it is answered.")


def durability_faults(connection: Connection) -> list[str]:
    """The settings of this connection's engine with which commits may be lost; none is as it should be."""
    if connection.dialect.name == "postgresql":
        wanted = {
            "fsync": {"on"},
            "full_page_writes": {"on"},
            "synchronous_commit": {"on", "remote_apply", "remote_write", "local"},
        }
        found = {name: str(connection.exec_driver_sql(f"SHOW {name}").scalar_one()) for name in wanted}
        return [f"{name}={value}" for name, value in found.items() if value not in wanted[name]]
    faults = []
    if (synchronous := int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())) < SQLITE_FULL:
        faults.append(f"synchronous={synchronous}")
    if (journal := str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())).lower() in ("off", "memory"):
        faults.append(f"journal_mode={journal}")
    return faults
