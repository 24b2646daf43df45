"""New tokens for old ones: once at a time for an installation, over all workers and processes.

Whoever refreshes takes a claim in the database first, asks Klaviyo with no transaction open, and writes the new pair before
anybody uses it. A pair is only written over the one that it was made from. A claim that was never settled is remembered: if
Klaviyo then knows the old refresh token no more, people are told that a new one may have been lost with the process.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection as Transaction
from sqlalchemy import Row

from ferrata.connections import oauth_store as rows
from ferrata.connections.oauth_app import OAuthApp
from ferrata.connections.oauth_auth import in_vain, not_now
from ferrata.connections.oauth_tokens import SealedTokens
from ferrata.infra.crypto import Undecryptable
from ferrata.infra.database import Database, Work
from ferrata.infra.errors import Overloaded, StorageUnavailable
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.klaviyo import Executed, KlaviyoError, NeedsReconnect, OAuthTokens

T = TypeVar("T")
log = structlog.get_logger()

CLAIM = timedelta(seconds=45)
"""Three times as long as a request for tokens may take."""

WAIT_SECONDS = 30.0
WAIT_WHILE_ALIVE_SECONDS = 3.0
LOOK_EVERY_SECONDS = 0.25
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 2.0, 120.0
MENDED = {"claim": None, "claimed_at": None, "claimed_until": None, "unsure_at": None, "failures": 0, "rests_until": None}
MENDED |= {"failure": None, "lost_at": None, "lost_reason": None}
"""What a new pair puts right."""

GONE = "This store's OAuth connection was removed."
UNINSTALLED = "Klaviyo ended this access (invalid_grant): the app was uninstalled there, or its access withdrawn. Connect again."
MAYBE_LOST = (
    "Klaviyo does not know the kept tokens any more (invalid_grant). A refresh of {at:%d %b %H:%M} UTC broke off before what "
    "came of it was written, so the new tokens may have been lost with it; or the app was uninstalled. Connect again."
)
WRONG_APP = "Klaviyo does not accept FERRATA_OAUTH_CLIENT_ID and its secret ({word}). Mend these settings; nothing else is lost."


@dataclass(frozen=True, slots=True)
class _Claimed:
    claim: str
    generation: int
    unsure_at: datetime | None
    failures: int


@dataclass(frozen=True, slots=True)
class _Busy:
    """Somebody else refreshes."""


@dataclass(frozen=True, slots=True)
class _Resting:
    until: datetime
    failure: str


@dataclass(frozen=True, slots=True)
class _Lost:
    reason: str


_Found = OAuthTokens | _Claimed | _Busy | _Resting | _Lost


class Refreshes:
    """``on_lost`` is called inside the transaction that keeps that an installation is lost."""

    def __init__(self, database: Database, clock: Clock, tokens: SealedTokens, app: OAuthApp | None) -> None:
        self.on_lost: Callable[[Transaction, str, str], None] | None = None
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._app = app
        self._under_way: dict[str, asyncio.Task[OAuthTokens]] = {}
        self._rests: dict[str, tuple[float, str]] = {}

    async def refresh(self, installation_id: str, old: OAuthTokens) -> OAuthTokens:
        """The pair that follows ``old``: made by this call, or by whoever was quicker.

        A caller that is broken off breaks nothing: what Klaviyo answers is written all the same.

        Raises:
            klaviyo.Transient: not now; ``old`` may still live.
            klaviyo.NeedsReconnect: never again, or not before a setting is mended.
        """
        resting_until, failure = self._rests.get(installation_id, (0.0, ""))
        if self._clock.monotonic() < resting_until and self._alive(old):
            raise not_now(failure)
        task = self._under_way.get(installation_id)
        if task is None:
            task = asyncio.create_task(self._refresh(installation_id, old), name=f"refresh {installation_id}")
            self._under_way[installation_id] = task
            task.add_done_callback(lambda done: self._ended(installation_id, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let what is under way be written down."""
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()), timeout=WAIT_SECONDS)

    def _ended(self, installation_id: str, task: asyncio.Task[OAuthTokens]) -> None:
        self._under_way.pop(installation_id, None)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, KlaviyoError):
            log.error("connections.oauth_refresh_broke", installation=installation_id, exc_info=error)

    def _alive(self, tokens: OAuthTokens) -> bool:
        return self._clock.now().timestamp() < tokens.expires_at

    async def _refresh(self, installation_id: str, old: OAuthTokens) -> OAuthTokens:
        patience = WAIT_WHILE_ALIVE_SECONDS if self._alive(old) else WAIT_SECONDS
        until = self._clock.monotonic() + patience
        while True:
            match await self._look(installation_id, old):
                case OAuthTokens() as newer:
                    return newer
                case _Lost(reason):
                    raise in_vain(reason)
                case _Resting(instant, failure):
                    self._rest(installation_id, instant - self._clock.now(), failure)
                    raise not_now(failure)
                case _Claimed() as claimed:
                    return await self._ask(installation_id, old, claimed)
            if self._clock.monotonic() >= until:
                raise not_now("Another process refreshes this store's OAuth tokens at the moment.")
            await self._clock.sleep(LOOK_EVERY_SECONDS)

    async def _look(self, installation_id: str, old: OAuthTokens) -> _Found:
        try:
            now = await self._database.now()
            claim = new_id(self._clock.now())
            return await self._database.write(lambda transaction: self._claim(transaction, installation_id, old, claim, now))
        except (StorageUnavailable, Overloaded) as error:
            raise not_now(error.message) from error
        except Undecryptable as error:
            raise in_vain("This store's OAuth tokens were encrypted with another master key.") from error

    def _claim(self, transaction: Transaction, installation_id: str, old: OAuthTokens, claim: str, now: datetime) -> _Found:
        row = rows.locked(transaction, installation_id)
        if row is None or row.revoke_at is not None:
            return _Lost(GONE)
        if row.lost_at is not None:
            return _Lost(row.lost_reason)
        kept = self._tokens.open(row)
        if kept.access != old.access:
            return kept
        if row.claim and row.claimed_until > now:
            return _Busy()
        if row.rests_until and now < row.rests_until <= now + timedelta(seconds=LONGEST_REST_SECONDS):
            return _Resting(row.rests_until, row.failure or "The token endpoint failed.")
        unsure_at = row.unsure_at or (row.claimed_at if row.claim else None)  # its owner died over it
        values = {"claim": claim, "claimed_at": now, "claimed_until": now + CLAIM, "unsure_at": unsure_at}
        rows.change(transaction, installation_id, values)
        return _Claimed(claim, row.generation, unsure_at, row.failures)

    async def _ask(self, installation_id: str, old: OAuthTokens, claimed: _Claimed) -> OAuthTokens:
        if self._app is None:
            await self._let_go(installation_id, claimed)
            raise in_vain("FERRATA_OAUTH_CLIENT_ID and its secret are not set, so this store's access cannot be renewed.")
        try:
            fresh = await self._app.endpoint.refresh(old)
        except NeedsReconnect as error:
            word = next((problem.code for problem in error.problems if problem.code), None)
            if word == "invalid_grant":
                return await self._lost(installation_id, old, claimed)
            await self._failed(installation_id, claimed, error)
            raise in_vain(WRONG_APP.format(word=word) if word else error.outcome.sentence) from error
        except KlaviyoError as error:
            await self._failed(installation_id, claimed, error)
            raise not_now(error.outcome.sentence, error.retry_after_seconds) from error
        return await self._keep(installation_id, fresh, claimed)

    async def _keep(self, installation_id: str, fresh: OAuthTokens, claimed: _Claimed) -> OAuthTokens:
        """Write the new pair, for as long as it takes: until then nobody uses it."""
        columns = {**self._tokens.columns(installation_id, fresh), **MENDED, "generation": claimed.generation + 1}

        def work(transaction: Transaction) -> OAuthTokens | None:
            if rows.change(transaction, installation_id, columns, generation=claimed.generation):
                return fresh
            row = rows.find(transaction, installation_id)
            return self._tokens.open(row) if row is not None else None

        kept = await self._patiently(work)
        if kept is None:
            raise in_vain(GONE)
        self._rests.pop(installation_id, None)
        log.info("connections.oauth_refreshed", installation=installation_id, generation=claimed.generation + 1)
        return kept

    async def _lost(self, installation_id: str, old: OAuthTokens, claimed: _Claimed) -> OAuthTokens:
        """Klaviyo knows the refresh token no more, unless somebody has written a newer pair meanwhile."""
        now = self._clock.now()
        reason = MAYBE_LOST.format(at=claimed.unsure_at) if claimed.unsure_at else UNINSTALLED

        def work(transaction: Transaction) -> OAuthTokens | None:
            lost = {"lost_at": now, "lost_reason": reason, "claim": None, "claimed_until": None}
            if rows.change(transaction, installation_id, lost, generation=claimed.generation):
                if self.on_lost:
                    self.on_lost(transaction, installation_id, reason)
                return None
            row = rows.find(transaction, installation_id)
            return self._tokens.open(row) if row is not None else None

        newer = await self._patiently(work)
        if newer is not None and newer.access != old.access:
            return newer
        log.warning("connections.oauth_lost", installation=installation_id, unsure=claimed.unsure_at is not None)
        raise in_vain(reason)

    async def _failed(self, installation_id: str, claimed: _Claimed, error: KlaviyoError) -> None:
        """Let go, and rest: longer each time, and as long as Klaviyo asks."""
        own = min(LONGEST_REST_SECONDS, FIRST_REST_SECONDS * 2.0**claimed.failures)
        rest = timedelta(seconds=min(LONGEST_REST_SECONDS, max(own, error.retry_after_seconds or 0.0)))
        now = await self._patient_now()
        values: dict[str, Any] = {"failures": claimed.failures + 1, "rests_until": now + rest, "failure": error.outcome.sentence}
        if error.executed is not Executed.NO:
            values["unsure_at"] = claimed.unsure_at or now
        await self._let_go(installation_id, claimed, values)
        self._rest(installation_id, rest, error.outcome.sentence)
        log.warning("connections.oauth_refresh_failed", installation=installation_id, reason=error.outcome.reason)

    async def _let_go(self, installation_id: str, claimed: _Claimed, values: dict[str, Any] | None = None) -> None:
        free = {"claim": None, "claimed_at": None, "claimed_until": None, **(values or {})}

        def work(transaction: Transaction) -> None:
            row: Row[Any] | None = rows.locked(transaction, installation_id)
            if row is not None and row.claim == claimed.claim:
                rows.change(transaction, installation_id, free, generation=claimed.generation)

        await self._patiently(work)

    def _rest(self, installation_id: str, length: timedelta, failure: str) -> None:
        self._rests[installation_id] = (self._clock.monotonic() + length.total_seconds(), failure)

    async def _patient_now(self) -> datetime:
        try:
            return await self._database.now()
        except StorageUnavailable:
            return self._clock.now()

    async def _patiently(self, work: Work[T]) -> T:
        """Write for as long as the database is away: what Klaviyo gave must not be forgotten."""
        failures = 0
        while True:
            try:
                return await self._database.write(work)
            except (StorageUnavailable, Overloaded) as error:
                failures += 1
                log.warning("connections.oauth_cannot_write", failures=failures, error=str(error))
                await self._clock.sleep(min(5.0, 0.1 * 2.0**failures))
