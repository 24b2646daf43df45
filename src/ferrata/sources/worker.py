"""Works off what sources have sent, in any number of processes: lines of messages, queues to pull from, runs through history.

A line and a run belong to one process at a time, by a lease with a fence; queues may be pulled by all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from ferrata.infra.database.notices import listen
from ferrata.infra.errors import FerrataError, Rejected, Transient
from ferrata.infra.leases import Fenced, Lease
from ferrata.sources import runs_store, schedule, store
from ferrata.sources.backfilling import LOOK_AGAIN_SECONDS, Backfilling
from ferrata.sources.bell import CHANNEL
from ferrata.sources.contract import Queue
from ferrata.sources.holding import Holding
from ferrata.sources.line import Line, Tools
from ferrata.sources.receiving import Reception
from ferrata.sources.schemas import LineKey, Run
from ferrata.sources.watching import Silence

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 1.0
LOOK_AROUND_EVERY_SECONDS = 2.0
REST_AFTER_FAILURE_SECONDS = 5.0
EMPTY_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Parts:
    tools: Tools
    reception: Reception
    backfilling: Backfilling
    holding: Holding


class SourceWorker:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tools = parts.tools
        self._silence = Silence(parts.tools.database, parts.tools.clock)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._rests_until: dict[str, float] = {}
        self._pulling: dict[LineKey, int] = {}
        self._wake = asyncio.Event()
        self._again: dict[str, LineKey] = {}
        self._working = False
        self._stopping = False
        self._looked_around = float("-inf")

    def wake(self, key: LineKey | None = None) -> None:
        """Something new waits: of a line that is named the work begins at once."""
        if key and self._working and key.kind in self._tools.configurations.sources:
            self._start_line(key)
        else:
            self._wake.set()

    def _told(self, _words: str) -> None:
        self._wake.set()

    def look_around(self) -> None:
        """A run through history has begun or goes on."""
        self._looked_around = float("-inf")
        self._wake.set()

    async def run(self) -> None:
        """Work until ``stop``. What is under way then is broken off, which loses nothing."""
        beside = [asyncio.create_task(self._parts.holding.keep())]
        if not self._tools.database.exclusive:
            beside.append(asyncio.create_task(listen(self._tools.database, CHANNEL, self._told, self._tools.clock)))
        self._working = True
        try:
            while not self._stopping:
                self._wake.clear()
                try:
                    await self._look()
                except Transient as error:
                    log.warning("sources.cannot_look_for_work", error=str(error))
                await self._pause()
        finally:
            self._working = False
            for task in (*beside, *self._running.values()):
                task.cancel()
            await asyncio.gather(*beside, *self._running.values(), return_exceptions=True)
            await self._parts.holding.give_back_all()

    def stop(self) -> None:
        self._stopping, self._working = True, False
        self._wake.set()

    async def _look(self) -> None:
        now = self._tools.clock.now()
        for key in await self._tools.database.read(lambda connection: store.lines_with_work(connection, now)):
            if key.kind in self._tools.configurations.sources:
                self._start_line(key)
        if self._tools.clock.monotonic() - self._looked_around >= LOOK_AROUND_EVERY_SECONDS:
            self._looked_around = self._tools.clock.monotonic()
            for run in await self._tools.database.read(lambda connection: runs_store.due(connection, now)):
                self._start(f"backfill/{run.id}", self._read_history, run)
            await self._look_for_queues()

    def _start_line(self, key: LineKey) -> None:
        """Begin to work on a line; if this is being done, once more after it, for it may have looked a moment too early."""
        name = f"source/{key.kind}/{key.store_id}"
        if name in self._running:
            self._again[name] = key
        else:
            self._start(name, self._drain, key)

    def _start(self, name: str, work: Callable[[Any, Lease], Awaitable[None]], what: Any) -> None:
        """Begin to work on something under its lease, unless this is being done."""
        if name in self._running or self._rests_until.get(name, 0.0) > self._tools.clock.monotonic():
            return

        async def working() -> None:
            lease = await self._parts.holding.take(name)
            if lease is None:
                self._rest(name)
                return
            await work(what, lease)

        self._begin(name, working())

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._running[name] = task

        def ended(task: asyncio.Task[None]) -> None:
            del self._running[name]
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Fenced):
                self._parts.holding.lost(name)
            elif isinstance(error, FerrataError):
                log.warning("sources.work_put_off", work=name, error=error.message)
            elif error:
                log.error("sources.work_failed", work=name, exc_info=error)
            again = self._again.pop(name, None)
            if error:
                self._rest(name)
            elif again and self._working:
                self._start_line(again)

        task.add_done_callback(ended)

    def _rest(self, name: str) -> None:
        self._rests_until[name] = self._tools.clock.monotonic() + REST_AFTER_FAILURE_SECONDS

    async def _drain(self, key: LineKey, lease: Lease) -> None:
        line = Line(key, self._tools)
        while await line.step(lease):
            pass

    async def _read_history(self, run: Run, lease: Lease) -> None:
        going: Run | None = run
        now = self._tools.clock.now()
        await self._tools.database.write(lambda connection: runs_store.seen(connection, run, now, run.note))
        while going:
            going = await self._parts.backfilling.step(going, lease)
        await self._parts.holding.give_back(lease.name)
        self._rests_until[lease.name] = self._tools.clock.monotonic() + LOOK_AGAIN_SECONDS

    async def _look_for_queues(self) -> None:
        configurations = self._tools.configurations
        for store_id, kind, enabled in await configurations.all():
            key, name = LineKey(store_id, kind), f"queues/{kind}/{store_id}"
            configuration = await configurations.find(store_id, kind) if enabled else None
            version = configuration.version if configuration else 0
            if name in self._running and self._pulling.get(key) != version:
                self._running[name].cancel()
            elif configuration and name not in self._running and self._rests_until.get(name, 0) <= self._tools.clock.monotonic():
                try:
                    queues = configuration.source.queues(configuration.settings, self._tools.readers.around(store_id))
                except FerrataError as error:  # of one store; the others' work goes on
                    log.warning("sources.cannot_pull", source=kind, store=store_id, error=error.message)
                    await self._silence.failed(key, None, error.message)
                    self._rest(name)
                    continue
                self._silence.forget(key, None)
                if queues:
                    self._pulling[key] = version
                    self._begin(name, self._pull_all(key, queues))

    async def _pull_all(self, key: LineKey, queues: Any) -> None:
        async with asyncio.TaskGroup() as pulling:
            for queue in queues:
                pulling.create_task(self._pull(key, queue))

    async def _pull(self, key: LineKey, queue: Queue) -> None:
        failures = 0
        try:
            while not self._stopping:
                try:
                    await self._pull_once(key, queue)
                    failures = 0
                    await self._silence.answered(key, queue)
                except FerrataError as error:
                    failures += 1
                    wait = schedule.wait(error.retry_after_seconds, schedule.delay(failures, self._tools.chance))
                    log.warning("sources.cannot_pull", source=key.kind, store=key.store_id, error=error.message, seconds=wait)
                    await self._silence.failed(key, queue, error.message)
                    await self._tools.clock.sleep(wait)
        finally:
            self._silence.forget(key, queue)
            await queue.close()

    async def _pull_once(self, key: LineKey, queue: Queue) -> None:
        pulled = await queue.pull()
        if not pulled:
            await self._tools.clock.sleep(EMPTY_PAUSE_SECONDS)  # for queues that answer at once when they are empty
        answers = await asyncio.gather(
            *(self._parts.reception.receive(key, each.received) for each in pulled), return_exceptions=True
        )
        # What was refused is kept apart: to be sent it again and again would help nobody.
        done = [each.receipt for each, answer in zip(pulled, answers, strict=True) if _is_kept(answer)]
        if done:
            await queue.acknowledge(done)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, Rejected):
                raise answer

    async def _pause(self) -> None:
        waiting = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(self._tools.clock.sleep(LOOK_EVERY_SECONDS))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


def _is_kept(answer: object) -> bool:
    return not isinstance(answer, BaseException) or isinstance(answer, Rejected)
