"""Asks Klaviyo whether it can be reached and accepts each store's key: once a minute for an account, by whoever comes first.

``GET /api/accounts`` may be asked 15 times a minute, by all programs of an account together. However often health is asked for,
and in however many processes, the answers come from the table.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.connections.schemas import Credential
from ferrata.connections.service import Connections, patiently
from ferrata.health.models import klaviyo_probes
from ferrata.infra.crypto import Undecryptable
from ferrata.infra.database import Database
from ferrata.infra.errors import Transient
from ferrata.kit.clock import Clock
from ferrata.klaviyo import Kind, KlaviyoError

log = structlog.get_logger()

FRESH_FOR = timedelta(seconds=60)
AT_ONCE = 5
FIRST_ANSWER_SECONDS = 1.5
OPERATION = "GET /api/accounts"
DETAIL_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Probe:
    """What the last question showed. ``kind`` None: nobody has asked yet, or the answer is still on its way."""

    kind: Kind | None = None
    status: int | None = None
    latency_ms: float | None = None
    checked_at: datetime | None = None
    detail: str | None = None

    @property
    def reached(self) -> bool:
        """Whether Klaviyo answered and was well."""
        return self.kind in (Kind.ACCEPTED, Kind.SCOPE, Kind.CREDENTIAL, Kind.THROTTLED)

    @property
    def key_refused(self) -> bool:
        return self.kind is Kind.CREDENTIAL


class Probes:
    def __init__(self, database: Database, clock: Clock, connections: Connections) -> None:
        self._database = database
        self._clock = clock
        self._connections = connections
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def by_store(self) -> dict[str, Probe]:
        """The last probe of every connected store. Outdated ones are renewed beside; only a store's first is waited for."""
        credentials = await self._credentials()
        wanted = {credential.quota_id: credential for credential in credentials.values()}
        known, now = await self._known(wanted), await self._database.now()
        due = [each for each in wanted.values() if self._is_due(known.get(each.quota_id), each, now)]
        for credential in due[: max(0, AT_ONCE - len(self._asking))]:
            self._ask_beside(credential)
        first = [task for quota_id, task in self._asking.items() if not _is_of(known.get(quota_id), wanted.get(quota_id))]
        if first:
            await asyncio.wait(first, timeout=FIRST_ANSWER_SECONDS)
            known = await self._known(wanted)
        return {store_id: _told(known.get(each.quota_id), each) for store_id, each in credentials.items()}

    async def of(self, credential: Credential) -> Probe:
        """The last probe of this credential. An outdated one is renewed beside; only the first is waited for."""
        quota_id = credential.quota_id
        known, now = await self._known([quota_id]), await self._database.now()
        if self._is_due(known.get(quota_id), credential, now):
            self._ask_beside(credential)
        if quota_id in self._asking and not _is_of(known.get(quota_id), credential):
            await asyncio.wait([self._asking[quota_id]], timeout=FIRST_ANSWER_SECONDS)
            known = await self._known([quota_id])
        return _told(known.get(quota_id), credential)

    async def close(self) -> None:
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _credentials(self) -> dict[str, Credential]:
        found: dict[str, Credential] = {}
        for store in await self._connections.stores():
            try:
                credential = await self._connections.credential(store.id)
            except Undecryptable:
                continue  # said by the check of the connection itself
            if credential:
                found[store.id] = credential
        return found

    def _is_due(self, row: Row[Any] | None, credential: Credential, now: datetime) -> bool:
        if credential.quota_id in self._asking:
            return False
        return row is None or row.version != credential.version or abs(now - row.claimed_at) >= FRESH_FOR

    def _ask_beside(self, credential: Credential) -> None:
        task = asyncio.create_task(self._ask(credential), name=f"klaviyo probe {credential.quota_id}")
        self._asking[credential.quota_id] = task

        def ended(task: asyncio.Task[None]) -> None:
            self._asking.pop(credential.quota_id, None)
            if not task.cancelled() and (error := task.exception()):
                log.error("health.probe_failed_unexpectedly", quota=credential.quota_id, exc_info=error)

        task.add_done_callback(ended)

    async def _ask(self, credential: Credential) -> None:
        try:
            now = await self._database.now()
            if not await self._database.write(lambda connection: _claim(connection, credential, now)):
                return
            probe = await self._probe(credential)
            await self._database.write(lambda connection: _note(connection, credential, probe))
        except Transient as error:
            log.warning("health.probe_not_kept", quota=credential.quota_id, error=str(error))

    async def _probe(self, credential: Credential) -> Probe:
        client, began = self._connections.client(credential), self._clock.monotonic()

        async def ask() -> None:
            nonlocal began
            began = self._clock.monotonic()
            await client.read(OPERATION)

        try:
            await patiently(self._clock, ask)  # somebody may have tested the key in this very second
        except KlaviyoError as error:
            kind, status, detail = error.outcome.kind, error.outcome.status, error.outcome.reason
        else:
            kind, status, detail = Kind.ACCEPTED, 200, ""
        latency_ms = (self._clock.monotonic() - began) * 1000
        return Probe(kind, status, latency_ms, await self._database.now(), detail or None)

    async def _known(self, quota_ids: Iterable[str]) -> dict[str, Row[Any]]:
        query = select(klaviyo_probes).where(klaviyo_probes.c.quota_id.in_(list(quota_ids)))
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.quota_id: row for row in rows}


def _is_of(row: Row[Any] | None, credential: Credential | None) -> bool:
    """Whether this row holds an answer that was given to this very credential."""
    return row is not None and credential is not None and row.version == credential.version and row.checked_at is not None


def _told(row: Row[Any] | None, credential: Credential) -> Probe:
    if row is None or not _is_of(row, credential):
        return Probe()
    return Probe(Kind(row.outcome), row.status, row.latency_ms, row.checked_at, row.detail)


def _claim(connection: Connection, credential: Credential, now: datetime) -> bool:
    """Set out to ask; False if somebody else has, within the last minute."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {"quota_id": credential.quota_id, "version": credential.version, "claimed_at": now}
    first = dialect.insert(klaviyo_probes).values(row).on_conflict_do_nothing().returning(klaviyo_probes.c.quota_id)
    if connection.execute(first).first():
        return True
    # A claim from far in the future was made before the clock was set back.
    outdated = or_(klaviyo_probes.c.claimed_at <= now - FRESH_FOR, klaviyo_probes.c.claimed_at > now + FRESH_FOR)
    other = klaviyo_probes.c.version != credential.version
    mine = update(klaviyo_probes).where(klaviyo_probes.c.quota_id == credential.quota_id, or_(outdated, other))
    unknown = {"checked_at": None, "outcome": None, "status": None, "latency_ms": None, "detail": None}
    replaced = connection.execute(mine.where(other).values(**row, **unknown)).rowcount
    return bool(replaced or connection.execute(mine.values(**row)).rowcount)


def _note(connection: Connection, credential: Credential, probe: Probe) -> None:
    values = {
        "checked_at": probe.checked_at,
        "outcome": probe.kind.value if probe.kind else None,
        "status": probe.status,
        "latency_ms": probe.latency_ms,
        "detail": probe.detail[:DETAIL_CHARACTERS] if probe.detail else None,
    }
    mine = (klaviyo_probes.c.quota_id == credential.quota_id, klaviyo_probes.c.version == credential.version)
    connection.execute(update(klaviyo_probes).where(*mine).values(values))
