"""Gathers what arrives while a commit runs, and hands it to the next one together.

One synced commit costs the disk the same for one event as for hundreds, and one statement for many rows costs a fraction of many
statements. Nothing lingers: an event that arrives while nothing runs is written at once. What waits is bounded, by count and
by bytes; beyond that the sender is told to come again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from ferrata.events.schemas import Receipt, Refusal
from ferrata.events.settling import Submission
from ferrata.infra.database import Database
from ferrata.infra.errors import Overloaded, Transient
from ferrata.profiles.errors import Overtaken

Answers = tuple[Receipt | Refusal, ...]
Keep = Callable[[Connection, Sequence[Submission], int], tuple[Answers, ...]]
"""Write submissions in the transaction of the connection, as unit number so and so of those at work."""

MOST_EVENTS_WAITING = 20_000
MOST_BYTES_WAITING = 128_000_000
EVENTS_PER_UNIT = 1_000
ATTEMPTS = 5


class _Waiting:
    __slots__ = ("answered", "size", "submission")

    def __init__(self, submission: Submission, answered: "asyncio.Future[Answers]") -> None:
        self.submission = submission
        self.answered = answered
        events = submission.events
        self.size = events[0].size if len(events) == 1 else sum(frozen.size for frozen in events)


class Intake:
    """``units`` transactions run at a time: one on SQLite, which has one writer; two where commits can overlap."""

    def __init__(self, database: Database, keep: Keep) -> None:
        self._database = database
        self._keep = keep
        self._free_units = [0] if database.exclusive else [0, 1]
        self._waiting: list[_Waiting] = []
        self._events = 0
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, submission: Submission) -> Answers:
        """Keep a submission; returns once its commit is on disk.

        Raises:
            Overloaded: too much waits already.
            StorageUnavailable: the database could not keep it.
        """
        waiting = _Waiting(submission, asyncio.get_running_loop().create_future())
        if self._events + len(submission.events) > MOST_EVENTS_WAITING or self._bytes + waiting.size > MOST_BYTES_WAITING:
            raise Overloaded
        self._events += len(submission.events)
        self._bytes += waiting.size
        self._waiting.append(waiting)
        if self._free_units:
            task = asyncio.create_task(self._run(self._free_units.pop()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiting.answered

    async def _run(self, unit: int) -> None:
        """Write until nothing waits."""
        try:
            while group := self._next_group():
                await self._write(group, unit)
                for waiting in group:
                    self._events -= len(waiting.submission.events)
                    self._bytes -= waiting.size
        finally:
            self._free_units.append(unit)

    def _next_group(self) -> list[_Waiting]:
        taken, events = 0, 0
        while taken < len(self._waiting) and events < EVENTS_PER_UNIT:
            events += len(self._waiting[taken].submission.events)
            taken += 1
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group

    async def _write(self, group: list[_Waiting], unit: int) -> None:
        try:
            answers = await self._commit([waiting.submission for waiting in group], unit)
        except Transient as error:
            _fail(group, error)
        except Exception as error:  # noqa: BLE001 - each sender is told, and what is at fault must not take the others along
            if len(group) == 1:
                _fail(group, error)
                return
            for waiting in group:
                await self._write([waiting], unit)
        else:
            for waiting, answer in zip(group, answers, strict=True):
                _set(waiting.answered, answer)

    async def _commit(self, submissions: Sequence[Submission], unit: int) -> tuple[Answers, ...]:
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._database.write(lambda connection: self._keep(connection, submissions, unit))
            except Overtaken:
                continue
        try:
            return await self._database.write(lambda connection: self._keep(connection, submissions, unit))
        except Overtaken:
            raise Overloaded("The same event ids arrive elsewhere at the same time.") from None


def _set(answered: "asyncio.Future[Any]", answer: Answers) -> None:
    if not answered.done():
        answered.set_result(answer)


def _fail(group: list[_Waiting], error: Exception) -> None:
    for waiting in group:
        if not waiting.answered.done():
            waiting.answered.set_exception(error)
