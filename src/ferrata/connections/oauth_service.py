"""Connecting a store by OAuth: a person is sent to Klaviyo with a secret state, and comes back with a code for it.

The state is good once, for ten minutes, for the person, the session and the store that it was made for. Only its hash is kept,
with the verifier of PKCE, sealed: the verifier stands in no page, no cookie and no log.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.connections import oauth_store as rows
from ferrata.connections.clients import Clients
from ferrata.connections.errors import KeyRefused, KeyUntested, OtherAccount
from ferrata.connections.key_test import test_key
from ferrata.connections.oauth_app import OAuthApp, read_app, redirect_address, require
from ferrata.connections.oauth_auth import Bearer
from ferrata.connections.oauth_errors import CodeRefused, ConsentRefused, OAuthUnavailable, StateForeign, StateUnknown
from ferrata.connections.oauth_installations import Installations
from ferrata.connections.oauth_refresh import Refreshes
from ferrata.connections.oauth_tokens import SealedTokens
from ferrata.connections.schemas import Connection, Held, Method, Status, Tested
from ferrata.connections.scopes import ALL_SCOPES
from ferrata.connections.service import Connections
from ferrata.connections.store import Kept
from ferrata.infra.crypto import SecretBox, digest
from ferrata.infra.database import Database
from ferrata.infra.errors import Overloaded, StorageUnavailable
from ferrata.infra.settings import Settings
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.klaviyo import KlaviyoError, NeedsReconnect, OAuthTokens, Rejected, Secret

log = structlog.get_logger()

GOOD_FOR = timedelta(minutes=10)
WRITE_TRIES = 8
ACCOUNT_UNTOLD = (
    "Klaviyo gave access, but could not say for which account, and this store is connected to {name}. Nothing was changed; begin "
    "again in a while."
)
NOT_READ = "Klaviyo gave access, but could not say yet for which account. Test the connection in a while."


@dataclass(frozen=True, slots=True)
class Who:
    """Who connects: a person in one session of theirs."""

    person_id: str
    session_id: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the person is to be sent. The address carries the state: it is shown to them alone, and kept nowhere."""

    consent_address: str
    expires_in_seconds: int


@dataclass(frozen=True, slots=True)
class Returned:
    """What Klaviyo's answer in the address said."""

    state: str
    code: str
    error: str


class OAuth:
    """``installations`` holds what came of it; ``redirect_uri`` is what an app must have registered."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        *,
        tokens: SealedTokens,
        installations: Installations,
        connections: Connections,
        clients: Clients,
        redirect_uri: str,
    ) -> None:
        self.installations = installations
        self.redirect_uri = redirect_uri
        self._database = database
        self._clock = clock
        self._audit = audit
        self._tokens = tokens
        self._connections = connections
        self._clients = clients

    def attach(self, refreshes: Refreshes) -> None:
        """Put both halves of connections together."""
        refreshes.on_lost = self._connections.lost
        self._connections.use_installations(self.installations)
        self._connections.on_change(self.installations.revoke_soon)

    async def start(self) -> None:
        """Raises Undecryptable: tokens were encrypted with another master key; said now rather than by the first event."""
        await self.installations.check()

    async def close(self) -> None:
        await self.installations.close()

    @property
    def app(self) -> OAuthApp | None:
        return self.installations.app

    async def begin(self, store_id: str, who: Who) -> Begun:
        """Make a state for this person, session and store.

        Raises:
            NotFound: there is no such store.
            NoOAuthApp: this installation has no OAuth app.
        """
        app = require(self.app)
        await self._connections.store(store_id)
        state, verifier = secrets.token_urlsafe(32), Secret(secrets.token_urlsafe(48))
        now, state_hash = self._clock.now(), digest(state)
        start = rows.Start(
            state_hash=state_hash,
            store_id=store_id,
            person_id=who.person_id,
            session_id=who.session_id,
            sealed_verifier=self._tokens.seal_verifier(state_hash, verifier),
            redirect_uri=app.redirect_uri,
            scopes=" ".join(app.scopes),
            created_at=now,
            expires_at=now + GOOD_FOR,
        )

        def work(transaction: Transaction) -> None:
            rows.add_start(transaction, start, now)
            told = {"scopes": start.scopes}
            target = f"connection/{store_id}"
            self._audit.record(transaction, who.actor, "connections.oauth_begun", target, store_id=store_id, after=told)

        await self._database.write(work)
        return Begun(app.consent_address(state, verifier), int(GOOD_FOR.total_seconds()))

    async def take_back(self, returned: Returned, who: Who) -> rows.Start:
        """The connecting that Klaviyo's answer belongs to; from now on its state is good for nothing.

        Raises:
            StateUnknown: used before, too old, or never made here.
            StateForeign: another person's, or of another session.
        """
        state_hash = digest(returned.state)
        start = await self._database.write(lambda transaction: rows.take_start(transaction, state_hash))
        if start is None or not returned.state or start.expires_at <= self._clock.now():
            log.warning("connections.oauth_state_unknown", person=who.person_id)
            raise StateUnknown
        if (start.person_id, start.session_id) != (who.person_id, who.session_id):
            await self._note_refusal(start, who, "another person or session began it")
            raise StateForeign
        return start

    async def complete(self, start: rows.Start, returned: Returned, who: Who, *, allowed: Callable[[], None]) -> Connection:
        """Turn the code into an installation and connect the store with it; what was connected before stays until then.

        ``allowed`` raises if this person may not, or no longer, manage this store's connection.

        Raises:
            Forbidden: as ``allowed`` says.
            ConsentRefused: the person said no, or Klaviyo did.
            CodeRefused, OAuthUnavailable: Klaviyo did not, or could not, give tokens.
            OtherAccount: the store is connected to another account.
            NoOAuthApp: the settings were taken away meanwhile.
        """
        try:
            allowed()
        except Exception:
            await self._note_refusal(start, who, "no right to manage this store's connection any more")
            raise
        if returned.error or not returned.code:
            await self._note_refusal(start, who, returned.error[:64] or "no code")
            raise ConsentRefused(_consent_words(returned.error))
        app = require(self.app)
        verifier = self._tokens.open_verifier(start.state_hash, start.sealed_verifier)
        tokens = await self._exchange(app, returned.code, verifier, start.redirect_uri)
        tested = await self._whose(tokens)
        try:
            return await self._keep(start, app, tokens, tested, who)
        except OtherAccount:
            await self._hand_back(start, app, tokens, tested, who)
            raise

    def _must_be_same_account(self, transaction: Transaction, store_id: str, tested: Tested | None) -> None:
        """What waits was meant for the account that the store is connected to. Raises OtherAccount, OAuthUnavailable."""
        connected = self._connections.account_of(transaction, store_id)
        if connected is None:
            return
        if tested is None or tested.account_id is None:
            raise OAuthUnavailable(ACCOUNT_UNTOLD.format(name=connected[1]))
        if tested.account_id != connected[0]:
            raise OtherAccount(connected[1], tested.account_name or tested.account_id, what="access")

    async def _hand_back(self, start: rows.Start, app: OAuthApp, tokens: OAuthTokens, tested: Tested | None, who: Who) -> None:
        """Access that nobody wanted is withdrawn at Klaviyo, unless another store lives by the same installation."""

        def work(transaction: Transaction) -> None:
            id_ = self.installations.keep(transaction, tokens, tested, app.client_id)
            self.installations.left(transaction, id_, start.store_id)

        await self._database.write(work)
        await self._note_refusal(start, who, "access to another account than the store is connected to")
        self.installations.revoke_soon(start.store_id)

    async def _exchange(self, app: OAuthApp, code: str, verifier: Secret, redirect_uri: str) -> OAuthTokens:
        try:
            return await app.endpoint.exchange(code, verifier, redirect_uri)
        except (NeedsReconnect, Rejected) as error:
            log.warning("connections.oauth_code_refused", reason=error.outcome.reason)
            raise CodeRefused(
                f"Klaviyo did not take the code: {error.outcome.reason}. Nothing was changed; begin again."
            ) from error
        except KlaviyoError as error:
            log.warning("connections.oauth_unavailable", reason=error.outcome.reason)
            reason = error.outcome.sentence.rstrip(".")
            raise OAuthUnavailable(
                f"Klaviyo could not be asked for access: {reason}. Nothing was changed; begin again."
            ) from error

    async def _whose(self, tokens: OAuthTokens) -> Tested | None:
        """Whose account this is. Should Klaviyo not say so now, the access that it has just given is kept all the same."""
        client = self._clients.single(Bearer(tokens))
        try:
            return await test_key(client, self._clock)
        except (KeyUntested, KeyRefused) as error:
            log.warning("connections.oauth_account_not_read", reason=error.message)
            return None

    async def _keep(self, start: rows.Start, app: OAuthApp, tokens: OAuthTokens, tested: Tested | None, who: Who) -> Connection:
        lacking = sorted(set(start.scopes.split()) - tokens.scopes)
        detail = f"Klaviyo did not grant {', '.join(lacking)}." if lacking else None if tested else NOT_READ
        now = self._clock.now()
        seen = Connection(
            store_id=start.store_id,
            status=Status.CONNECTED,
            account_id=tested.account_id if tested else None,
            account_name=tested.account_name if tested else None,
            account=tested.account if tested else {},
            detail=detail or (tested.detail if tested else None),
            tested_at=now if tested else None,
            created_at=now,
            connected_at=now,
            status_since=now,
            method=Method.OAUTH,
            scopes={scope: Held.PRESENT if scope in tokens.scopes else Held.MISSING for scope in ALL_SCOPES},
            scopes_checked_at=now,
        )

        def work(transaction: Transaction) -> None:
            self._must_be_same_account(transaction, start.store_id, tested)
            id_ = self.installations.keep(transaction, tokens, tested, app.client_id)
            self._connections.adopt(transaction, Kept(seen, new_id(now), "", f"oauth:{id_}", id_), who.actor)
            self.installations.in_use(transaction, id_)
            told, target = {"scopes": " ".join(sorted(tokens.scopes))}, f"connection/{start.store_id}"
            self._audit.record(transaction, who.actor, "connections.oauth_connected", target, store_id=start.store_id, after=told)

        for attempt in range(WRITE_TRIES):
            try:
                await self._database.write(work)
                break
            except (StorageUnavailable, Overloaded):
                if attempt == WRITE_TRIES - 1:
                    raise
                await self._clock.sleep(0.2 * 2.0**attempt)
        self._connections.announce(start.store_id)
        return seen

    async def _note_refusal(self, start: rows.Start, who: Who, why: str) -> None:
        def work(transaction: Transaction) -> None:
            target = f"connection/{start.store_id}"
            told = {"why": why}
            self._audit.record(transaction, who.actor, "connections.oauth_refused", target, store_id=start.store_id, after=told)

        await self._database.write(work)


def open_oauth(
    settings: Settings,
    database: Database,
    clock: Clock,
    audit: Audit,
    *,
    box: SecretBox,
    connections: Connections,
    clients: Clients,
) -> OAuth:
    """The OAuth half of connections, put to its other half."""
    tokens, app = SealedTokens(box), read_app(settings, clock, clients.transport)
    refreshes = Refreshes(database, clock, tokens, app)
    installations = Installations(database, clock, tokens, refreshes, app)
    oauth = OAuth(
        database,
        clock,
        audit,
        tokens=tokens,
        installations=installations,
        connections=connections,
        clients=clients,
        redirect_uri=redirect_address(settings),
    )
    oauth.attach(refreshes)
    return oauth


def _consent_words(error: str) -> str:
    if error == "access_denied":
        return "Access was not given on Klaviyo's page. Nothing was changed."
    known = error if error.replace("_", "").isalpha() and error.isascii() and len(error) <= 64 else "no code"
    return f"Klaviyo did not give access ({known}). Nothing was changed."
