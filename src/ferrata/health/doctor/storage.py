"""The database: that it can be opened, is of this release, keeps what it commits, and has room."""

from collections.abc import AsyncIterator

from sqlalchemy import Connection

from ferrata.health.database_checks import durability_faults
from ferrata.health.doctor.findings import Finding, ok, problem, warning
from ferrata.health.machine_checks import disk_check, disk_usage
from ferrata.health.schemas import Level
from ferrata.infra.database.exclusive import holder
from ferrata.infra.database.looking import LookedAtDatabase
from ferrata.infra.migrate import revisions
from ferrata.infra.settings import Settings
from ferrata.kit.clock import Clock

MOST_SKEW_SECONDS = 2.0


async def database(looked_at: LookedAtDatabase, settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    """Raises StorageUnavailable if it cannot be read."""
    yield ok("database.engine", await _engine(looked_at))
    yield await _schema(looked_at)
    yield await _durability(looked_at)
    yield _disk(looked_at, settings)
    if looked_at.path is None:
        yield await _skew(looked_at, clock)


async def _engine(looked_at: LookedAtDatabase) -> str:
    def version(connection: Connection) -> str:
        query = "SELECT sqlite_version()" if looked_at.path else "SHOW server_version"
        return str(connection.exec_driver_sql(query).scalar_one())

    number = await looked_at.read(version)
    if looked_at.path is None:
        return f"PostgreSQL {number} answers."
    held = holder(looked_at.path)
    return f"SQLite {number}, {looked_at.path}, {f'held by the running server ({held})' if held else 'held by nobody'}."


async def _schema(looked_at: LookedAtDatabase) -> Finding:
    current, newest = await looked_at.read(revisions)
    if current == newest:
        return ok("database.schema", f"The schema is at {current}, that of this release.")
    return warning(
        "database.schema",
        f"The schema is at {current or 'nothing'}, this release has {newest}.",
        "The next start brings it up to date; a newer schema needs the newer release.",
        "`ferrata migrate`, or start the newer release.",
    )


async def _durability(looked_at: LookedAtDatabase) -> Finding:
    if faults := await looked_at.read(durability_faults):
        return problem(
            "database.durability",
            f"It runs with {', '.join(faults)}.",
            "A power cut loses events that were accepted.",
            "Turn that on in the server's configuration.",
        )
    return ok("database.durability", "Every commit is synced to disk before it is answered.")


def _disk(looked_at: LookedAtDatabase, settings: Settings) -> Finding:
    folder = looked_at.path.parent if looked_at.path else settings.data_dir
    check = disk_check(disk_usage(folder), holds_database=looked_at.path is not None)
    if check.level is Level.HEALTHY:
        return ok("disk.space", check.summary)
    make = problem if check.level is Level.DOWN else warning
    return make("disk.space", check.summary, "When the disk is full, nothing more is accepted.", "Free space, or keep less.")


async def _skew(looked_at: LookedAtDatabase, clock: Clock) -> Finding:
    ahead = (clock.now() - await looked_at.now()).total_seconds()
    if abs(ahead) <= MOST_SKEW_SECONDS:
        return ok("clock.database", f"This clock and the database's differ by {abs(ahead):.1f} s.")
    return warning(
        "clock.database",
        f"This clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the database's.",
        "Times that are shown and retention by days are off by as much; leases are not, they go by the database.",
        "Let both machines keep time (NTP, chrony).",
    )
