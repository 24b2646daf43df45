"""The OAuth installations of this place: kept, read, used, and withdrawn at Klaviyo when no store needs them any more.

An app and an account make one installation, whichever stores use it; it has rate limits of its own.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection as Transaction
from sqlalchemy import Row

from ferrata.connections import oauth_store as rows
from ferrata.connections.oauth_app import OAuthApp
from ferrata.connections.oauth_auth import InstallationAuth
from ferrata.connections.oauth_errors import NotByOAuth
from ferrata.connections.oauth_refresh import MENDED, Refreshes
from ferrata.connections.oauth_tokens import SealedTokens
from ferrata.connections.schemas import Tested
from ferrata.infra.crypto import Undecryptable
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.klaviyo import KlaviyoError, NeedsReconnect, OAuthTokens, Transient

log = structlog.get_logger()

USE_EVERY = timedelta(days=1)
"""Klaviyo forgets a refresh token that is not used for 90 days; and an app that was uninstalled is noticed within a day."""

REVOKE_AGAIN_AFTER = timedelta(hours=1)
GIVE_UP_REVOKING_AFTER = timedelta(days=3)
GRACE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Installation:
    """What may be known of an installation: never its tokens. ``lost_reason`` says why it does not work any more."""

    id: str
    account_id: str | None
    account_name: str | None
    scopes: tuple[str, ...]
    authorized_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    refreshes: int
    failure: str | None
    lost_at: datetime | None
    lost_reason: str | None
    stores: tuple[str, ...]
    lacks: tuple[str, ...]
    """Scopes that are asked for now and that this installation does not have."""


class Installations:
    def __init__(
        self, database: Database, clock: Clock, tokens: SealedTokens, refreshes: Refreshes, app: OAuthApp | None
    ) -> None:
        self.app = app
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._refreshes = refreshes
        self._auths: dict[str, InstallationAuth] = {}
        self._some_left = False
        self._revoking: set[asyncio.Task[int]] = set()

    async def close(self) -> None:
        """Let what is under way be written down."""
        if self._revoking:
            await asyncio.wait(self._revoking, timeout=GRACE_SECONDS)
        await self._refreshes.close()

    async def auth(self, installation_id: str) -> InstallationAuth:
        """What requests are made with: the same one each time, so that one process renews once."""
        auth = self._auths.get(installation_id)
        if auth is None:
            read, refresh = partial(self.tokens, installation_id), partial(self._refreshes.refresh, installation_id)
            auth = self._auths[installation_id] = InstallationAuth(read, refresh, self._clock)
        return auth

    async def tokens(self, installation_id: str) -> OAuthTokens | None:
        """The pair that is kept. Raises Undecryptable."""
        row = await self._database.read(lambda transaction: rows.find(transaction, installation_id))
        return self._tokens.open(row) if row is not None else None

    async def of_store(self, store_id: str) -> Installation | None:
        """The installation through which this store is connected; None if it is not by OAuth."""
        row = await self._database.read(lambda transaction: rows.of_store(transaction, store_id))
        return await self.one(row.id) if row is not None else None

    async def one(self, installation_id: str) -> Installation:
        """Raises NotByOAuth."""

        def work(transaction: Transaction) -> tuple[Row[Any] | None, list[str]]:
            return rows.find(transaction, installation_id), rows.stores_of(transaction, installation_id)

        row, stores = await self._database.read(work)
        if row is None:
            raise NotByOAuth
        return self._told(row, stores)

    async def refresh(self, installation_id: str) -> Installation:
        """Renew the tokens now.

        Raises:
            NotByOAuth: there is no such installation.
            klaviyo.KlaviyoError: it cannot be done now, or not any more.
        """
        tokens = await self.tokens(installation_id)
        if tokens is None:
            raise NotByOAuth
        await self._refreshes.refresh(installation_id, tokens)
        return await self.one(installation_id)

    async def use_all(self) -> int:
        """Renew the tokens of those that were not used for a day, so that none is forgotten; returns how many were."""
        before = self._clock.now() - USE_EVERY
        used = 0
        for installation_id in await self._database.read(lambda transaction: rows.due_for_use(transaction, before)):
            try:
                await self.refresh(installation_id)
            except NotByOAuth:
                continue  # removed in the meantime
            except (Transient, NeedsReconnect, Undecryptable) as error:
                log.warning("connections.oauth_not_used", installation=installation_id, reason=str(error))
            else:
                used += 1
        return used

    def keep(self, transaction: Transaction, tokens: OAuthTokens, tested: Tested | None, client_id: str) -> str:
        """Keep a first pair, or one that a new consent gave; returns the installation's id."""
        account_id = tested.account_id if tested else None
        known = rows.of_account(transaction, client_id, account_id) if account_id else None
        now = self._clock.now()
        values = {
            **MENDED,
            "client_id": client_id,
            "account_id": account_id,
            "account_name": tested.account_name if tested else None,
            "authorized_at": now,
            "revoke_at": None,
        }
        if known is not None:
            columns = self._tokens.columns(known.id, tokens)
            rows.change(transaction, known.id, {**values, **columns, "generation": known.generation + 1})
            return str(known.id)
        installation_id = new_id(now)
        columns = self._tokens.columns(installation_id, tokens)
        rows.add(transaction, {**values, **columns, "id": installation_id, "generation": 1})
        return installation_id

    def in_use(self, transaction: Transaction, installation_id: str) -> None:
        """A store uses this, whatever was said before in this transaction."""
        rows.change(transaction, installation_id, {"revoke_at": None})

    def left(self, transaction: Transaction, installation_id: str, store_id: str) -> None:
        """A store uses this no more; if none does, it is withdrawn at Klaviyo."""
        if set(rows.stores_of(transaction, installation_id)) <= {store_id}:
            rows.change(transaction, installation_id, {"revoke_at": self._clock.now()})
            self._some_left = True

    def forget_begun(self, transaction: Transaction, store_id: str) -> None:
        """Authorizations of this store that have not come back yet come back in vain."""
        rows.remove_starts(transaction, store_id)

    def revoke_soon(self, _store_id: str) -> None:
        """After a connection has changed: withdraw what it left behind, without keeping anybody waiting."""
        if self._some_left:
            self._some_left = False
            task = asyncio.create_task(self.revoke_due(), name="revoke installations")
            self._revoking.add(task)
            task.add_done_callback(self._revoked)

    def _revoked(self, task: asyncio.Task[int]) -> None:
        self._revoking.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("connections.oauth_not_revoked", reason=str(error))  # the hourly job tries again

    async def revoke_due(self) -> int:
        """Withdraw at Klaviyo what no store uses any more, and forget it; what cannot be done now is tried again later."""
        now, revoked = self._clock.now(), 0
        for row in await self._database.read(lambda transaction: rows.due_for_revoking(transaction, now)):
            revoked += await self._revoke(row, now)
        return revoked

    async def _revoke(self, row: Row[Any], now: datetime) -> bool:
        """False: not now."""
        installation_id = str(row.id)
        try:
            if self.app is not None and row.lost_at is None:
                await self.app.endpoint.revoke(self._tokens.open(row))
        except (KlaviyoError, Undecryptable) as error:
            if now - row.issued_at < GIVE_UP_REVOKING_AFTER:
                again = {"revoke_at": now + REVOKE_AGAIN_AFTER, "failure": str(error)[:500]}
                await self._database.write(lambda transaction: rows.change(transaction, installation_id, again))
                log.warning("connections.oauth_not_revoked", installation=installation_id, reason=str(error))
                return False
            log.error("connections.oauth_never_revoked", installation=installation_id, reason=str(error))

        def work(transaction: Transaction) -> bool:
            found = rows.locked(transaction, installation_id)
            if found is None or found.revoke_at is None:  # connected again in the meantime
                return False
            rows.remove(transaction, installation_id)
            return True

        self._auths.pop(installation_id, None)
        return await self._database.write(work)

    def reseal_all(self, transaction: Transaction) -> int:
        """Encrypt every pair with the current master key; how many were not."""
        count = 0
        for row in rows.everything(transaction):
            if sealed := self._tokens.resealed(row):
                count += rows.change(transaction, row.id, {"sealed_tokens": sealed}, generation=row.generation)
        return count

    async def check(self) -> None:
        """Raises Undecryptable if any pair was encrypted with another master key."""
        for row in await self._database.read(rows.everything):
            self._tokens.open(row)

    def _told(self, row: Row[Any], stores: list[str]) -> Installation:
        scopes = tuple(row.scopes.split())
        asked = self.app.scopes if self.app else ()
        return Installation(
            id=row.id,
            account_id=row.account_id,
            account_name=row.account_name,
            scopes=scopes,
            authorized_at=row.authorized_at,
            refreshed_at=row.issued_at,
            expires_at=row.expires_at,
            refreshes=row.generation - 1,
            failure=row.failure,
            lost_at=row.lost_at,
            lost_reason=row.lost_reason,
            stores=tuple(stores),
            lacks=tuple(scope for scope in asked if scope not in scopes),
        )
