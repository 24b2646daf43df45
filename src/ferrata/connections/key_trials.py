"""Tries keys at Klaviyo, no more often than an account allows, and remembers for a minute what came of it.

``GET /api/accounts`` may be asked once a second and fifteen times a minute. Whoever connects a store asks twice, once to look
and once to keep: the second time the lists of metrics show that the key is still good, and the account is known.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection as Transaction

from ferrata.connections import store as rows
from ferrata.connections.clients import Clients
from ferrata.connections.errors import TooManyTests
from ferrata.connections.key_test import asked_in_vain, test_key
from ferrata.connections.keys import fingerprint
from ferrata.connections.metrics import NO_METRICS_SCOPE, MetricChoices, read_metrics
from ferrata.connections.schemas import Held, Tested
from ferrata.connections.scopes import find_scopes
from ferrata.infra.allowance import Allowance
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock
from ferrata.klaviyo import Auth, Klaviyo, KlaviyoError, PrivateKey
from ferrata.klaviyo.errors import MissingScope

TESTS = Allowance(15, timedelta(minutes=1))
"""What Klaviyo allows for GET /api/accounts: 15 a minute for an account."""
REMEMBER_SECONDS = 60.0
PRESSED_TWICE_SECONDS = 3.0
_MOST_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Trial:
    """What a key has shown: whose it is, what can be counted as a conversion, and what it may do."""

    tested: Tested
    metrics: MetricChoices
    scopes: dict[str, Held]


@dataclass(frozen=True, slots=True)
class _Remembered:
    trial: Trial
    at: float


class KeyTrials:
    def __init__(self, database: Database, clock: Clock, clients: Clients) -> None:
        self._database = database
        self._clock = clock
        self._clients = clients
        self._remembered: dict[str, _Remembered] = {}
        self._under_way: dict[str, asyncio.Task[Trial]] = {}

    async def tested(self, auth: Auth, quota_id: str | None = None) -> Tested:
        """Whether Klaviyo accepts the key or the tokens, and whose they are. ``quota_id``: what they spend, if that is known.

        Raises:
            KeyRefused, KeyUntested: see ``test_key``.
            TooManyTests: keys of this account were tested 15 times within a minute.
        """
        name = await self._take(auth, quota_id)
        tested = await test_key(self._clients.single(auth), self._clock)
        if tested.account_id and isinstance(auth, PrivateKey) and name != (own := f"account:{tested.account_id}"):
            now = self._clock.now()
            await self._database.write(lambda transaction: TESTS.take(transaction, _counted(own), now))
        return tested

    async def trial(self, key: PrivateKey, *, again: bool = False) -> Trial:
        """``tested``, with the metrics and scopes. ``again``: the account and scopes of a trial within the last minute suffice.

        Those of the last seconds do in any case, and who asks while a trial is under way gets what it gives: a button that is
        pressed twice asks Klaviyo once. The metrics are read each time, so a key that was revoked meanwhile is refused.
        """
        name = fingerprint(key)
        known = self._remembered.get(name)
        if known and self._clock.monotonic() - known.at < (REMEMBER_SECONDS if again else PRESSED_TWICE_SECONDS):
            return replace(known.trial, metrics=await self.metrics(self._clients.single(key)))
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.create_task(self._try(key), name="key trial")
            task.add_done_callback(lambda done: self._ended(name, done))
        return await asyncio.shield(task)

    def _ended(self, name: str, task: asyncio.Task[Trial]) -> None:
        self._under_way.pop(name, None)
        if not task.cancelled():
            task.exception()  # whoever asked has it; nobody is there to be told if they went away

    async def _try(self, key: PrivateKey) -> Trial:
        tested, client = await self.tested(key), self._clients.single(key)
        metrics = await self.metrics(client)
        seen = {
            "accounts:read": Held.PRESENT if tested.account_id else Held.UNKNOWN,
            "metrics:read": Held.MISSING if NO_METRICS_SCOPE in metrics.warnings else Held.PRESENT,
        }
        if tested.lacks_accounts_scope:
            seen["accounts:read"] = Held.MISSING
        trial = Trial(tested, metrics, await find_scopes(client, seen))
        self._remember(key, trial)
        return trial

    async def metrics(self, client: Klaviyo) -> MetricChoices:
        """Raises KeyRefused, KeyUntested."""
        try:
            return await read_metrics(client)
        except MissingScope:
            return MetricChoices((), (NO_METRICS_SCOPE,))
        except KlaviyoError as error:
            raise asked_in_vain(error) from error

    def _remember(self, key: PrivateKey, trial: Trial) -> None:
        now = self._clock.monotonic()
        self._remembered = {name: each for name, each in self._remembered.items() if now - each.at < REMEMBER_SECONDS}
        while len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[fingerprint(key)] = _Remembered(trial, now)

    async def count(self, quota_id: str) -> None:
        """Raises TooManyTests."""
        now = self._clock.now()
        wait = await self._database.write(lambda transaction: TESTS.take(transaction, _counted(quota_id), now))
        if wait is not None:
            raise TooManyTests(wait)

    async def _take(self, auth: Auth, quota_id: str | None) -> str:
        """Count a test for the account, if it is known whose key this is, else for the key. Raises TooManyTests."""
        now = self._clock.now()

        def work(transaction: Transaction) -> tuple[str, timedelta | None]:
            name = quota_id or _quota(transaction, auth)
            return name, TESTS.take(transaction, _counted(name), now)

        name, wait = await self._database.write(work)
        if wait is not None:
            raise TooManyTests(wait)
        return name


def _quota(transaction: Transaction, auth: Auth) -> str:
    if not isinstance(auth, PrivateKey):
        return "oauth"
    return rows.quota_of_key(transaction, fingerprint(auth)) or f"key:{fingerprint(auth)}"


def _counted(name: str) -> str:
    return f"key-tests/{name}"
