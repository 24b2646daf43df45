"""A worker: finds lanes with work, owns their accounts by lease, keeps the leases alive, and runs the lanes.

Any number of workers share one PostgreSQL. What a dead one leaves behind is taken over when its lease runs out.
"""

import asyncio
import os
import random
import secrets
import socket

import structlog
from sqlalchemy import Connection

from ferrata.connections.schemas import Credential
from ferrata.delivery import account as accounts
from ferrata.delivery import outbox, signals
from ferrata.delivery.account import Account
from ferrata.delivery.lane import Lane
from ferrata.delivery.schemas import LaneKey
from ferrata.delivery.tools import Tools
from ferrata.infra import leases
from ferrata.infra.errors import NeedsReconnect, Transient
from ferrata.infra.leases import RENEW_EVERY_SECONDS

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.1
"""With more lanes than it may begin at once: ten thousand stores would wait ten minutes for a worker that looks each second."""
ALIVE_FOR_SECONDS = 15.0
NEW_ACCOUNTS_AT_ONCE, SHARE_AT_ONCE = 2, 8
"""So many, or that part of what is idle if that is more: the rest is left to workers that look at the same moment."""
MOST_AT_ONCE = 500
GRACE_SECONDS = 10.0
REST_AFTER_CRASH_SECONDS = 5.0
REST_UNCONNECTED_SECONDS = 0.25
"""Otherwise each event accepted for a store without a connection would have all lanes looked at, in vain."""
KEEP_IDLE_ACCOUNT_SECONDS = 90.0


def worker_name() -> str:
    """Tells this process from every other, and people where to look: host, process id, and a little chance."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"


class Worker:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._accounts: dict[str, Account] = {}
        self._lanes: dict[LaneKey, Lane] = {}
        self._running: dict[LaneKey, asyncio.Task[None]] = {}
        self._rests_until: dict[LaneKey, float] = {}
        self._last_used: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._last_round = float("-inf")

    @property
    def is_alive(self) -> bool:
        """Whether it runs and goes round; for health."""
        return self._tools.clock.monotonic() - self._last_round < ALIVE_FOR_SECONDS

    @property
    def accounts(self) -> dict[str, Account]:
        """The accounts owned at the moment, by quota id."""
        return self._accounts

    def wake(self, key: LaneKey) -> None:
        """Something new waits in this lane."""
        lane = self._lanes.get(key)
        if lane:
            lane.wake()
        elif self._rests_until.get(key, 0.0) <= self._tools.clock.monotonic():
            self._wake.set()

    async def run(self) -> None:
        """Work until ``stop``; then finish what is under way, within the grace, and free the leases."""
        beside = [asyncio.create_task(self._keep_leases())]
        if not self._tools.db.exclusive:
            beside.append(asyncio.create_task(signals.listen(self._tools.db, self.wake, self._tools.clock)))
        try:
            while not self._stopping:
                self._wake.clear()
                self._last_round = self._tools.clock.monotonic()
                try:
                    seconds = LOOK_AGAIN_SECONDS if await self._look() else LOOK_EVERY_SECONDS
                except Transient as error:
                    seconds = LOOK_EVERY_SECONDS
                    log.warning("delivery.cannot_look_for_work", error=str(error))
                await self._tools.pause(self._wake, seconds)
        finally:
            await self._finish_lanes()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._free([account for account in self._accounts.values() if not account.lost])

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def _look(self) -> bool:
        """Start the lanes that have work; whether accounts were left for the next look, so that other workers get theirs."""
        if self._tools.stops:
            await self._tools.stops.look()
        await self._drop_accounts()
        now = self._tools.clock.monotonic()
        found, elsewhere = await self._tools.db.read(self._work_and_others)
        idle = [
            key for key in found if key not in self._lanes and key not in elsewhere and self._rests_until.get(key, now) <= now
        ]
        share = len(idle) if self._tools.db.exclusive else len(idle) // SHARE_AT_ONCE
        most = min(MOST_AT_ONCE, max(NEW_ACCOUNTS_AT_ONCE, share))
        random.shuffle(idle)  # so that workers that start together do not all reach for the same account
        new_accounts = 0
        for key in idle:
            if new_accounts >= most:
                return True
            credential = await self._credential(key)
            if credential is None:
                self._rests_until[key] = max(self._rests_until.get(key, 0.0), now + REST_UNCONNECTED_SECONDS)
                continue
            if credential.quota_id not in self._accounts:
                account = await self._own(credential.quota_id, credential.former_quota_id)
                if account is None:
                    continue
                self._accounts[credential.quota_id] = account
                new_accounts += 1
            self._start(key, self._accounts[credential.quota_id])
        return False

    def _work_and_others(self, connection: Connection) -> tuple[list[LaneKey], set[LaneKey]]:
        """The lanes with work, and those that other workers see to."""
        if self._tools.db.exclusive:
            return outbox.lanes_with_work(connection), set()
        others = accounts.lanes_elsewhere(connection, self._tools.worker, self._tools.clock.now())
        return outbox.lanes_with_work(connection), others

    async def _credential(self, key: LaneKey) -> Credential | None:
        try:
            return await self._tools.connections.credential(key.store_id)
        except NeedsReconnect as error:  # one store's broken secret must not keep the others from their worker
            self._rests_until[key] = self._tools.clock.monotonic() + REST_AFTER_CRASH_SECONDS
            log.error("delivery.no_credential", store=key.store_id, error=str(error))
            return None

    async def _drop_accounts(self) -> None:
        """Forget accounts that are lost, and give back those that no lane has used for a while."""
        now = self._tools.clock.monotonic()
        for lane in self._lanes.values():
            self._last_used[lane.quota_id] = now
        idle = [
            a for a in self._accounts.values() if now - self._last_used.setdefault(a.quota_id, now) > KEEP_IDLE_ACCOUNT_SECONDS
        ]
        await self._free([account for account in idle if not account.lost])
        for account in [*idle, *(a for a in self._accounts.values() if a.lost)]:
            self._accounts.pop(account.quota_id, None)
            self._last_used.pop(account.quota_id, None)

    async def _own(self, quota_id: str, former_quota_id: str | None) -> Account | None:
        now, asked_at = self._tools.clock.now(), self._tools.clock.monotonic()

        def work(connection: Connection) -> tuple[leases.Lease, list[accounts.Block], list[tuple[str, float]]] | None:
            lease = leases.take(connection, quota_id, self._tools.worker, now, exclusive=self._tools.db.exclusive)
            if lease is None:
                return None
            sent = accounts.recent_sends(connection, quota_id, now, former_quota_id)
            return lease, accounts.stored_blocks(connection, quota_id), sent

        taken = await self._tools.db.write(work)
        if taken is None:
            return None
        lease, blocks, sent = taken
        account = Account(lease, self._tools.clock, self._tools.chance)
        account.renewed(asked_at)
        account.restore(blocks, sent)
        log.info("delivery.account_taken", quota=quota_id, fence=lease.fence, recent_requests=len(sent))
        return account

    def _start(self, key: LaneKey, account: Account) -> None:
        lane = Lane(key, account, self._tools)
        task = asyncio.create_task(lane.run(), name=f"lane {key.store_id}/{key.family}")
        self._lanes[key], self._running[key] = lane, task

        def ended(task: asyncio.Task[None]) -> None:
            del self._lanes[key], self._running[key]
            if not task.cancelled() and (error := task.exception()):
                self._rests_until[key] = self._tools.clock.monotonic() + REST_AFTER_CRASH_SECONDS
                log.error("delivery.lane_ended_badly", store=key.store_id, family=key.family, exc_info=error)
            self._wake.set()

        task.add_done_callback(ended)

    async def _keep_leases(self) -> None:
        while True:
            await self._tools.clock.sleep(RENEW_EVERY_SECONDS)
            held = list(self._accounts.values())
            if not held:
                continue
            now, asked_at = self._tools.clock.now(), self._tools.clock.monotonic()
            try:
                lost = await self._tools.db.write(lambda connection: leases.renew(connection, [a.lease for a in held], now))  # noqa: B023 - awaited here
            except Transient as error:
                log.warning("delivery.leases_not_renewed", error=str(error))
                continue
            for account in held:
                if account.lease in lost:
                    log.warning("delivery.account_lost", quota=account.quota_id)
                    account.lost = True
                    self._accounts.pop(account.quota_id, None)
                else:
                    account.renewed(asked_at)

    async def _finish_lanes(self) -> None:
        for lane in self._lanes.values():
            lane.stop()
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _free(self, held: list[Account]) -> None:
        if not held:
            return
        now = self._tools.clock.now()

        def work(connection: Connection) -> None:
            for account in held:
                leases.release(connection, account.lease, now)

        try:
            await self._tools.db.write(work)
        except Transient as error:
            log.warning("delivery.leases_not_freed", error=str(error))
