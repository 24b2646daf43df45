"""Health: is this process alive, may it be given requests, and how does everything fare.

Answers are cached for a moment and gathered once however many ask; a check that takes too long counts as failed, and one that
fails takes no other along.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from ferrata.audit.service import Audit
from ferrata.connections.service import Connections
from ferrata.delivery.service import DeliveryService
from ferrata.health.audit_checks import AuditChecks
from ferrata.health.connection_health import ConnectionHealths
from ferrata.health.database_checks import DatabaseChecks
from ferrata.health.delivery_checks import DeliveryChecks
from ferrata.health.klaviyo_checks import KlaviyoChecks
from ferrata.health.machine_checks import MachineChecks
from ferrata.health.presence import Presence
from ferrata.health.probes import Probes
from ferrata.health.schemas import Check, KlaviyoService, Level, Readiness, Report
from ferrata.health.source_checks import SourceChecks
from ferrata.infra.database import Database
from ferrata.infra.errors import FerrataError, Transient
from ferrata.infra.migrate import revisions
from ferrata.infra.schedule import Scheduler
from ferrata.infra.settings import Settings
from ferrata.kit.clock import Clock
from ferrata.sources.service import Sources

log = structlog.get_logger()

FRESH_FOR_SECONDS = 2.0
CHECK_SECONDS = 3.0

NOT_ASKED = KlaviyoService(Level.DEGRADED, None, None)


@dataclass(frozen=True, slots=True)
class Checks:
    """Everything that is looked at."""

    database: DatabaseChecks
    delivery: DeliveryChecks
    klaviyo: KlaviyoChecks
    machine: MachineChecks
    sources: SourceChecks
    audit: AuditChecks


@dataclass(frozen=True, slots=True)
class Parts:
    """What health looks at."""

    database: Database
    clock: Clock
    connections: Connections
    delivery: DeliveryService
    scheduler: Scheduler
    sources: Sources
    audit: Audit


class Health:
    """``presence`` is to run for as long as the process serves. ``of_connections`` tells of single stores."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        delivery: DeliveryService,
        presence: Presence,
        checks: Checks,
        *,
        of_connections: ConnectionHealths,
    ) -> None:
        self.of_connections = of_connections
        self._database = database
        self._clock = clock
        self._delivery = delivery
        self.presence = presence
        self._checks = checks
        self._report: tuple[float, Report] | None = None
        self._readiness: tuple[float, Readiness] | None = None
        self._gathering = asyncio.Lock()
        self._readying = asyncio.Lock()
        self._is_migrated = False

    @classmethod
    def build(cls, settings: Settings, name: str, parts: "Parts") -> "Health":
        """``name`` is that of this process."""
        database, clock, delivery, connections = parts.database, parts.clock, parts.delivery, parts.connections
        presence = Presence(database, clock, name, lambda: delivery.worker is not None and delivery.worker.is_alive)
        queue = {"alarm_at": settings.backlog_alarm_events, "longest_queue": settings.max_waiting_events}
        on_this_disk = settings.database().startswith("sqlite")
        probes = Probes(database, clock, connections)
        checks = Checks(
            DatabaseChecks(database, clock),
            DeliveryChecks(delivery, connections, clock, **queue),
            KlaviyoChecks(connections, probes),
            MachineChecks(settings.data_dir, presence, parts.scheduler, holds_database=on_this_disk),
            SourceChecks(parts.sources, clock),
            AuditChecks(parts.audit, clock),
        )
        return cls(database, clock, delivery, presence, checks, of_connections=ConnectionHealths(connections, delivery, probes))

    async def close(self) -> None:
        await self._checks.klaviyo.close()

    async def report(self) -> Report:
        """How everything fares, at most two seconds ago."""
        async with self._gathering:
            if self._report is None or self._clock.monotonic() >= self._report[0]:
                found = await self._gather()
                self._report = (self._clock.monotonic() + FRESH_FOR_SECONDS, found)
            return self._report[1]

    async def readiness(self) -> Readiness:
        """Whether this process may be given requests, at most two seconds ago. Klaviyo does not matter here: events wait."""
        async with self._readying:
            if self._readiness is None or self._clock.monotonic() >= self._readiness[0]:
                found = Readiness(tuple(await self._reasons()))
                self._readiness = (self._clock.monotonic() + FRESH_FOR_SECONDS, found)
            return self._readiness[1]

    async def _gather(self) -> Report:
        ours, (theirs, klaviyo) = await asyncio.gather(self._our_checks(), self._klaviyo())
        checks = (*ours, *theirs)
        return Report(Level.worst(check.level for check in checks), self._clock.now(), checks, klaviyo)

    async def _our_checks(self) -> list[Check]:
        database, delivery, machine = self._checks.database, self._checks.delivery, self._checks.machine
        found = await asyncio.gather(
            _guarded("database.reachable", Level.DOWN, database.reachable),
            _guarded("database.durable", Level.DOWN, database.durable),
            _guarded("delivery.lag", Level.DEGRADED, delivery.lanes),
            _guarded("delivery.dead_letters", Level.DEGRADED, delivery.dead_letters),
            _guarded("delivery.backlog", Level.DEGRADED, delivery.backlog),
            _guarded("sources.lag", Level.DEGRADED, self._checks.sources.lag),
            _guarded("worker.alive", Level.DEGRADED, machine.worker),
            _guarded("disk.space", Level.DEGRADED, machine.disk),
            _guarded("audit.sealed", Level.DEGRADED, self._checks.audit.sealed),
            _guarded("schedule.jobs", Level.DEGRADED, machine.schedule),
        )
        return [check for some in found for check in some]

    async def _klaviyo(self) -> tuple[list[Check], KlaviyoService]:
        service = NOT_ASKED

        async def look() -> list[Check]:
            nonlocal service
            checks, service = await self._checks.klaviyo.look()
            return checks

        return await _guarded("klaviyo.reachable", Level.DEGRADED, look), service

    async def _reasons(self) -> list[str]:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                if not self._is_migrated:
                    current, newest = await self._database.read(revisions)
                    if current != newest:
                        return [f"The database's schema is at {current}, this release needs {newest}."]
                    self._is_migrated = True
                await self.presence.beat()
        except TimeoutError:
            return [f"The database does not answer within {CHECK_SECONDS:g} seconds."]
        except Transient as error:
            return [error.message]
        worker = self._delivery.worker
        return [] if worker is None or worker.is_alive else ["The worker's loop stands still."]


async def _guarded(name: str, if_failing: Level, look: Callable[[], Awaitable[Check | list[Check]]]) -> list[Check]:
    """What the check finds; where it fails or takes too long, that is what is found."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            found = await look()
    except TimeoutError:
        return [Check(name, if_failing, f"Not known: no answer within {CHECK_SECONDS:g} seconds.")]
    except Exception as error:  # noqa: BLE001 - health must be told whatever fails
        log.warning("health.check_failed", check=name, error=str(error))
        told = error.message if isinstance(error, FerrataError) else type(error).__name__
        return [Check(name, if_failing, f"Not known: {told}")]
    return found if isinstance(found, list) else [found]
