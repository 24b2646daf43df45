"""One line: the messages of one source for one store, mapped in their order.

Looked up first, outside of any transaction; mapped, which is pure; then handed over and marked in one transaction. A crash before
its commit leaves everything as it was, and the same is done again; after it, the message is not waiting any more.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec
import structlog
from sqlalchemy import Connection

from ferrata.audit.schemas import SYSTEM
from ferrata.infra.database import Database
from ferrata.infra.errors import FerrataError, Rejected
from ferrata.infra.leases import Lease, hold
from ferrata.kit.clock import Clock
from ferrata.profiles.errors import Overtaken
from ferrata.sources import absence, alarming, counting, schedule, store
from ferrata.sources.absence import Absence, Absences
from ferrata.sources.configurations import Configurations
from ferrata.sources.erasing import Erasing
from ferrata.sources.errors import Later, NotAsked, Refused
from ferrata.sources.handover import Handover, Ready
from ferrata.sources.mapping import outcome_of, told
from ferrata.sources.reading import Answers, Readers, ask_together, look_up_all
from ferrata.sources.schemas import Configuration, Counts, KeptMessage, LineKey, Made, Outcome, State

log = structlog.get_logger()

AT_ONCE = 200
LOOKUPS_AT_ONCE = 8
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Tools:
    """What lines work with. ``worker`` names this process."""

    database: Database
    clock: Clock
    configurations: Configurations
    readers: Readers
    handover: Handover
    worker: str
    chance: schedule.Chance
    erasing: Erasing
    absences: Absences = field(default_factory=Absences)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One message, what mapping it has come to, and what is handed over of it. ``untried``: the API is known to be away."""

    kept: KeptMessage
    outcome: Outcome
    ready: Ready | None = None
    untried: bool = False


class Line:
    def __init__(self, key: LineKey, tools: Tools) -> None:
        self.key = key
        self._tools = tools

    async def step(self, lease: Lease | None = None) -> int:
        """Map what is due, at most some hundreds; how many messages came one step further. 0: nothing to do now.

        Raises:
            Fenced: another process has this line now.
            Rejected: its settings cannot be used by this release.
        """
        tools = self._tools
        configuration = await tools.configurations.find(self.key.store_id, self.key.kind)
        if configuration is None or not configuration.enabled:
            return 0
        now = tools.clock.now()
        found = await tools.database.read(lambda connection: store.due(connection, self.key, now, AT_ONCE))
        if not found:
            return 0
        await tools.handover.fresh()
        away = tools.absences.of(self.key, configuration.version)
        answers = Answers(may_ask=lambda: away.may_ask(tools.clock.monotonic()))
        attempts = _in_order(found, await self._attempt_all(configuration, found, answers, away))
        attempts = [await self._erased(attempt) for attempt in attempts]
        back = answers.answered and away.waited_for
        settled = await self._settle(configuration, attempts, lease, back=back)
        if answers.answered:
            away.answered()
        return settled

    async def _attempt_all(
        self, configuration: Configuration, found: Sequence[KeptMessage], answers: Answers, away: Absence
    ) -> list[Attempt]:
        """In the order of the messages. While the API is away, one asks, and the others that would are put off untried."""
        places = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        if not away.waited_for:
            await ask_together(configuration, [kept.message for kept in found], self._tools.readers, answers)

        async def one(kept: KeptMessage) -> Attempt:
            async with places:
                return await self._attempt(configuration, kept, answers, away)

        mapped = await asyncio.gather(*(one(kept) for kept in found))
        # Whoever was mapped first: what is made of a message gets its id, and with it its turn, in the order of the messages.
        return [readied(self._tools, attempt) for attempt in mapped]

    async def _attempt(self, configuration: Configuration, kept: KeptMessage, answers: Answers, away: Absence) -> Attempt:
        try:
            return await mapped(self._tools, configuration, kept, answers)
        except NotAsked as error:
            return Attempt(kept, Outcome(State.WAITING, code=store.AWAY, reason=error.message), untried=True)
        except Later as later:
            away.failure(kept.id)
            return Attempt(kept, Outcome(State.WAITING, code=store.AWAY, reason=later.message, seconds=later.seconds))

    async def _erased(self, attempt: Attempt) -> Attempt:
        """Whom this message says to forget is forgotten, this message too; it waits while something of theirs is being sent."""
        for each in attempt.outcome.mapped.erased:
            done = await self._tools.erasing.erase(self.key.store_id, each.person, SYSTEM, why=each.why)
            if done.under_way:
                reason = f"{done.under_way} deliveries of somebody who is to be forgotten are being sent; then it goes on."
                return Attempt(attempt.kept, Outcome(State.WAITING, code="erasure_waits", reason=reason))
        return attempt

    async def _settle(self, configuration: Configuration, attempts: Sequence[Attempt], lease: Lease | None, *, back: bool) -> int:
        """Write down what came of these. ``back``: the API has answered again, so those that wait for it may go."""
        tools = self._tools
        now = tools.clock.now()
        chances = [tools.chance() for _ in attempts]

        def work(connection: Connection) -> list[Attempt]:
            if lease:
                hold(connection, lease)
            waiting = store.lock_waiting(connection, [attempt.kept.id for attempt in attempts])
            ours = [attempt for attempt in attempts if attempt.kept.id in waiting]
            settled = hand_over(connection, tools.handover, self.key, ours)
            for (attempt, made), chance in zip(settled, chances, strict=False):
                marked = after(attempt, made, configuration.version, now)
                if marked.state is State.WAITING:
                    marked = put_off(marked, attempt, now, chance)
                store.mark(connection, marked, State.WAITING)
            if back:
                store.release(connection, self.key)
            counts = tally([attempt.outcome for attempt, _ in settled if not attempt.untried])
            counting.add(connection, self.key, counts, worker=tools.worker, now=now)
            if counts.refused:
                alarming.look(connection, self.key, now)
            return ours

        for attempt in range(ATTEMPTS):
            try:
                ours = await tools.database.write(work)
                break
            except Overtaken:
                if attempt == ATTEMPTS - 1:
                    raise
        tools.handover.wake(self.key.store_id, [attempt.ready for attempt in ours if attempt.ready])
        return len(ours)


async def attempt(tools: Tools, configuration: Configuration, kept: KeptMessage, answers: Answers) -> Attempt:
    """Look up, map and prepare one message: ``mapped`` and ``readied``."""
    return readied(tools, await mapped(tools, configuration, kept, answers))


async def mapped(tools: Tools, configuration: Configuration, kept: KeptMessage, answers: Answers) -> Attempt:
    """Look up and map one message. Whatever is wrong with it or with the code for it refuses it and no other.

    Raises:
        Later: the source's API cannot be asked now.
        StorageUnavailable: the database cannot be read.
    """
    message = kept.message
    try:
        looked_up = await look_up_all(configuration, message, tools.readers, answers)
        outcome = outcome_of(configuration, message, looked_up)
        answers.learn(outcome.mapped.learned)
        return Attempt(kept, outcome)
    except Refused as refused:
        return Attempt(kept, Outcome(State.REFUSED, code=refused.code, reason=told(refused.message, refused.problems)))
    except FerrataError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the fault of this message, and told
        return _failed(kept, error)


def readied(tools: Tools, attempt: Attempt) -> Attempt:
    """A mapped message with what is to be handed over of it; refused as in ``mapped``."""
    try:
        return prepared(tools.handover, attempt.kept, attempt.outcome)
    except FerrataError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the fault of this message, and told
        return _failed(attempt.kept, error)


def _failed(kept: KeptMessage, error: Exception) -> Attempt:
    message = kept.message
    log.error("sources.cannot_map", store=message.store_id, source=message.kind, message=message.message_id, exc_info=error)
    return Attempt(kept, Outcome(State.REFUSED, code="mapper_failed", reason=f"{type(error).__name__}: {error}"))


def prepared(handover: Handover, kept: KeptMessage, outcome: Outcome) -> Attempt:
    """The attempt with what is to be handed over; what breaks Klaviyo's limits is refused."""
    if outcome.state not in (State.MAPPED, State.SKIPPED):
        return Attempt(kept, outcome)
    message = kept.message
    try:
        ready = handover.prepare(message.store_id, message.kind, outcome.mapped, history=message.history)
        return Attempt(kept, outcome, replace(ready, again=bool(kept.made)))
    except Refused as refused:
        return Attempt(kept, Outcome(State.REFUSED, code=refused.code, reason=told(refused.message, refused.problems)))


def hand_over(
    connection: Connection, handover: Handover, line: LineKey, attempts: Sequence[Attempt]
) -> list[tuple[Attempt, tuple[Made, ...]]]:
    """Write what these made; each with what it made, or refused after all where another room could not take it."""
    going = {attempt.kept.id: attempt.ready for attempt in attempts if attempt.ready}
    written = handover.write_each(connection, line.store_id, line.kind, [*going.values()]) if going else []
    answers = dict(zip(going, written, strict=True))
    settled: list[tuple[Attempt, tuple[Made, ...]]] = []
    for attempt in attempts:
        answer = answers.get(attempt.kept.id, ())
        if isinstance(answer, Rejected):
            outcome = Outcome(State.REFUSED, code=answer.code, reason=told(answer.message, answer.problems))
            settled.append((Attempt(attempt.kept, outcome), ()))
        else:
            settled.append((attempt, answer))
    return settled


def after(attempt: Attempt, made: tuple[Made, ...], version: int, now: datetime) -> KeptMessage:
    """The message as it is kept after an attempt."""
    kept, outcome = attempt.kept, attempt.outcome
    return msgspec.structs.replace(
        kept,
        state=outcome.state,
        attempts=kept.attempts + (not attempt.untried),
        next_at=None,
        reason_code=outcome.code,
        reason=outcome.reason,
        version=version,
        mapped_at=now if outcome.state in (State.MAPPED, State.SKIPPED) else None,
        made=kept.made if outcome.state is State.WAITING else made,
        skipped=attempt.ready.skipped if attempt.ready else outcome.mapped.skipped,
    )


def put_off(kept: KeptMessage, attempt: Attempt, now: datetime, chance: float) -> KeptMessage:
    """When a message that could not be mapped yet is tried again; refused once it has waited for too long."""
    if now - kept.message.received_at > schedule.GIVE_UP_AFTER:
        reason = f"Given up after {schedule.GIVE_UP_AFTER.days} days. {kept.reason or ''}"
        return msgspec.structs.replace(kept, state=State.REFUSED, reason_code="gave_up", reason=reason)
    delay = schedule.delay(max(kept.attempts, 1), lambda: chance)
    if attempt.untried:
        delay = absence.LONGEST_SECONDS if kept.attempts else absence.UNTRIED_SECONDS
    elif kept.reason_code == store.AWAY:
        delay = min(delay, absence.LONGEST_SECONDS)
    wait = schedule.wait(attempt.outcome.seconds, delay)
    return msgspec.structs.replace(kept, next_at=now + timedelta(seconds=wait))


def tally(outcomes: Sequence[Outcome]) -> Counts:
    states = Counter(outcome.state for outcome in outcomes)
    return Counts(
        mapped=states[State.MAPPED],
        skipped=states[State.SKIPPED],
        refused=states[State.REFUSED],
        retried=states[State.WAITING],
    )


def _in_order(found: Sequence[KeptMessage], attempts: Sequence[Attempt]) -> list[Attempt]:
    """Without those whose business key has something earlier that must wait."""
    held: set[str] = set()
    kept: list[Attempt] = []
    for message, attempt in zip(found, attempts, strict=True):
        key = message.message.business_key
        if key not in held:
            kept.append(attempt)
        if attempt.outcome.state is State.WAITING:
            held.add(key)
    return kept
