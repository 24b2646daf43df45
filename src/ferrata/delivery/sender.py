"""Sends one request, judges the answer, and writes it down: from claimed to settled."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from ferrata.connections.schemas import Credential
from ferrata.delivery import account as accounts
from ferrata.delivery import books, parking, schedule
from ferrata.delivery.account import Account, Block
from ferrata.delivery.families import FAMILIES
from ferrata.delivery.jobs import judge_job, taken
from ferrata.delivery.ledger import Ledger
from ferrata.delivery.request import Request, asking, reshaped
from ferrata.delivery.schemas import LaneKey
from ferrata.delivery.tools import Tools
from ferrata.delivery.verdict import Action, Case, Verdict, judge
from ferrata.infra.errors import NeedsReconnect, Transient
from ferrata.infra.leases import hold
from ferrata.kit.ids import new_id
from ferrata.klaviyo.outcome import Executed, Kind, Outcome

log = structlog.get_logger()


class Gone(Exception):
    """The store's connection is no longer that of this account: the lane belongs elsewhere."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows from one answer. ``again`` is to be sent once more, at ``due`` (monotonic) or as soon as may be."""

    parked: parking.Parked | None = None
    again: Request | None = None
    due: float | None = None
    followers: tuple[Request, ...] = ()


class Sender:
    def __init__(self, key: LaneKey, account: Account, tools: Tools) -> None:
        self._key = key
        self._family = FAMILIES[key.family]
        self._account = account
        self._tools = tools
        self._ledger = Ledger(account, tools)
        self._successes_seen: dict[str, int] = {}

    async def send(self, request: Request, *, parked: parking.Parked | None, backlog: bool) -> Settled:
        """Send a request for which the account's slot has been taken. In a ``backlog`` what goes well is written down in groups.

        Raises:
            Gone: the store has been connected elsewhere; nothing was sent.
            Fenced: the account was taken over; the request is its new owner's now.
        """
        credential = await self._credential()
        if credential is None or credential.quota_id != self._account.quota_id:
            self._account.never_sent(request.operation)
            raise Gone
        settled, other = await self._send_with(credential, request, parked, backlog=backlog)
        if other is None:
            return settled
        self._account.sending(request.operation)
        settled, _ = await self._send_with(other, request, settled.parked, backlog=backlog, is_last=True)
        return settled

    async def _send_with(
        self,
        credential: Credential,
        request: Request,
        parked: parking.Parked | None,
        *,
        backlog: bool,
        is_last: bool = False,
    ) -> tuple[Settled, Credential | None]:
        """Gives also the credential to try at once, if this one was refused and there is one; not if ``is_last``."""
        started = self._tools.clock.now()
        outcome = await self._call(request, credential)
        self._account.answered(request.operation, outcome, left=outcome.sent)
        self._measure(request, outcome, started)
        other = await self._other(credential) if outcome.kind is Kind.CREDENTIAL and not is_last else None
        verdict = self._judged(request, outcome, other_key=other is not None)
        if verdict.action is Action.FOLLOW and request.job:  # nothing has changed that would have to be written down
            return self._settled(request, verdict, verdict.retry_after_seconds, (), parked), None
        settled = await self._write(request, outcome, verdict, started, parked, backlog=backlog)
        self._tools.watch.settled(item.id for item in request.items)
        await self._tell_connection(verdict, credential, outcome)
        return settled, other

    async def _other(self, refused: Credential) -> Credential | None:
        try:
            other = await self._tools.connections.other_credential(self._key.store_id, refused)
        except (Transient, NeedsReconnect) as error:
            log.warning("delivery.no_other_credential", store=self._key.store_id, error=str(error))
            return None
        return other if other and other.quota_id == self._account.quota_id else None

    async def _call(self, request: Request, credential: Credential) -> Outcome:
        client = self._tools.connections.client(credential)
        return await client.send(request.operation, request.body, path=request.path, query=request.query)

    def _judged(self, request: Request, outcome: Outcome, *, other_key: bool) -> Verdict:
        case = replace(self._case(request), other_key=other_key)
        if request.job:
            return judge_job(outcome, request.job, case, self._family)
        if request.is_bulk and outcome.is_accepted and self._family.job_operation:
            return taken(outcome)
        return judge(outcome, case, self._family)

    async def _credential(self) -> Credential | None:
        try:
            return await self._tools.connections.credential(self._key.store_id)
        except (Transient, NeedsReconnect) as error:  # the lane ends, and begins anew when the credential can be had
            log.warning("delivery.no_credential", store=self._key.store_id, error=str(error))
            return None

    async def _tell_connection(self, verdict: Verdict, credential: Credential, outcome: Outcome) -> None:
        """A connection is shown as broken or mended by what its requests meet, not only by tests of the key."""
        try:
            if outcome.kind is Kind.CREDENTIAL:
                await self._tools.connections.refused(self._key.store_id, credential.version, outcome.sentence)
            elif credential.shown_broken and _klaviyo_works(verdict):
                await self._tools.connections.accepted(self._key.store_id, credential.version)
        except Transient as error:
            log.warning("delivery.connection_not_told", store=self._key.store_id, error=str(error))

    def _measure(self, request: Request, outcome: Outcome, began: datetime) -> None:
        if self._tools.telemetry:
            ids = [item.id for item in request.items]
            seconds = outcome.duration_ms / 1000
            self._tools.telemetry.attempted(
                request.operation, outcome.kind.value, outcome.status, ids, began=began, seconds=seconds
            )

    def _case(self, request: Request) -> Case:
        name = request.batch_id or request.items[0].id
        seen = self._successes_seen.setdefault(name, self._account.successes)
        return Case(
            item_count=len(request.items),
            bulk=request.is_bulk,
            one_person=len(request.persons) == 1,
            uncertain=request.uncertain,
            failures=request.failures,
            others_succeed=self._account.successes > seen and not self._account.breaker.is_tripped,
            expired=self._tools.clock.now() - request.oldest > self._tools.longest_age,
            part=None if request.is_bulk else request.items[0].part,
            turns=request.items[0].turns,
        )

    async def _write(
        self,
        request: Request,
        outcome: Outcome,
        verdict: Verdict,
        started: datetime,
        parked: parking.Parked | None,
        *,
        backlog: bool,
    ) -> Settled:
        now = self._tools.clock.now()
        retry_seconds = self._retry_seconds(request, verdict) if verdict.action is Action.RETRY else None
        block = self._learn(request, outcome, verdict)
        reopens = self._account.breaker.succeeded() if _klaviyo_works(verdict) else False
        entry = books.Entry(
            id=new_id(now),
            lane=self._key,
            quota_id=self._account.quota_id,
            worker=self._tools.worker,
            request=request,
            outcome=outcome,
            verdict=verdict,
            started_at=started,
            now=now,
            retry_at=now + timedelta(seconds=retry_seconds) if retry_seconds is not None else None,
        )
        if verdict.action is Action.DELIVERED and not (request.is_bulk or parked or reopens):
            await self._ledger.write(entry, linger=backlog)
            return self._settled(request, verdict, None, (), None)
        probes = parked.probes + 1 if parked else 0

        def work(connection: Connection) -> tuple[list[Request], parking.Parked | None]:
            hold(connection, self._account.lease)
            followers = books.write(connection, entry)
            if block:
                accounts.store_block(connection, self._account.quota_id, block)
            if reopens:
                accounts.drop_block(connection, self._account.quota_id, accounts.EVERY_OPERATION)
            if verdict.action is Action.PARK and verdict.reason:
                return followers, parking.park(connection, self._key, verdict.reason, probes, now)
            if parked and _klaviyo_works(verdict):
                parking.unpark(connection, self._key.store_id, self._key.family)
                return followers, None
            return followers, parking.parked(connection, self._key) if parked else None

        followers, still_parked = await self._tools.patiently(work)
        self._report(request, outcome, verdict)
        return self._settled(request, verdict, retry_seconds, tuple(followers), still_parked)

    def _retry_seconds(self, request: Request, verdict: Verdict) -> float:
        own = schedule.retry_delay(request.failures + 1, self._tools.chance)
        return max(own, verdict.retry_after_seconds or 0.0)

    def _learn(self, request: Request, outcome: Outcome, verdict: Verdict) -> Block | None:
        """Tell the account what the answer says about it; returns a pause that must be remembered over a restart."""
        if verdict.action is Action.THROTTLE:
            return self._account.throttled(request.operation, verdict.retry_after_seconds)
        if verdict.action is Action.ALONE and verdict.retry_after_seconds:
            return self._account.delayed(request.operation, verdict.retry_after_seconds, outcome.sentence)
        if verdict.action is Action.RETRY:
            opened = self._account.failed(outcome.sentence)
            if verdict.retry_after_seconds:
                return self._account.delayed(request.operation, verdict.retry_after_seconds, outcome.sentence)
            return opened
        return None

    def _settled(
        self,
        request: Request,
        verdict: Verdict,
        retry_seconds: float | None,
        followers: tuple[Request, ...],
        parked: parking.Parked | None,
    ) -> Settled:
        match verdict.action:
            case Action.RETRY:
                again = replace(request, failures=request.failures + 1, uncertain=request.uncertain or verdict.uncertain)
                return Settled(parked, again, self._tools.clock.monotonic() + (retry_seconds or 0.0), followers)
            case Action.RESHAPE:
                return Settled(parked, reshaped(self._family, request, str(verdict.form)), None, followers)
            case Action.FOLLOW if verdict.job:
                due = self._tools.clock.monotonic() + (verdict.retry_after_seconds or 0.0)
                return Settled(parked, asking(self._family, request, verdict.job), due, followers)
            case Action.THROTTLE | Action.PARK | Action.AGAIN:
                return Settled(parked, request, None, followers)
            case _:
                self._successes_seen.pop(request.batch_id or request.items[0].id, None)
                return Settled(parked, None, None, followers)

    def _report(self, request: Request, outcome: Outcome, verdict: Verdict) -> None:
        if verdict.action is Action.DELIVERED:
            return
        log.info(
            f"delivery.request_{verdict.action.value}",
            store=self._key.store_id,
            operation=request.operation,
            items=len(request.items),
            status=outcome.status,
            outcome=outcome.kind.value,
            executed=outcome.executed is not Executed.NO,
        )


def _klaviyo_works(verdict: Verdict) -> bool:
    """Whether the answer shows that Klaviyo and the credentials are well, whatever it thinks of the payload."""
    return verdict.action not in (Action.RETRY, Action.THROTTLE, Action.PARK, Action.AGAIN)
