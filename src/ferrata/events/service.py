"""Events: accept them durably, together with what is to be delivered, and tell how they stand.

One commit holds the event, the person's profile and the delivery. An answer is given after that commit is on disk, never before.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime

from sqlalchemy import Connection

from ferrata.commerce.tracked import PersonRef
from ferrata.delivery.schemas import Delivery, Family, Lane
from ferrata.delivery.service import DeliveryService
from ferrata.events import queries, store
from ferrata.events.errors import EventIdTaken
from ferrata.events.explorer import Explorer
from ferrata.events.forgetting import Forgetting
from ferrata.events.freezing import Decide, freeze, size_problem
from ferrata.events.intake import Answers, Intake
from ferrata.events.listing import rows
from ferrata.events.schemas import AcceptedMinute, EventRow, Frozen, Incoming, Receipt, Refusal, Standing
from ferrata.events.settling import Submission, keys_of, settle
from ferrata.events.validation import read_event
from ferrata.flags.service import Flags
from ferrata.infra.database import Database
from ferrata.infra.errors import Overloaded, Rejected
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id, time_of
from ferrata.profiles.service import Profiles

Traced = Callable[[str, Sequence[str], datetime, datetime], None]
"""Told of a store's new events once they are kept: their ids, when they came, and when they were handed to the database."""


class Events:
    """``worker`` names this process in the counters; ``longest_queue`` is how many undelivered events are taken at most.

    ``explorer`` finds events again.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        profiles: Profiles,
        delivery: DeliveryService,
        *,
        worker: str,
        longest_queue: int,
        traced: Traced | None = None,
        flags: Flags | None = None,
    ) -> None:
        self._flags = flags
        self._decide: Decide = flags.decide if flags else lambda _store_id, _metric, _person: None
        self._clock = clock
        self._traced = traced
        self._profiles = profiles
        self._delivery = delivery
        self._worker = worker
        self._longest_queue = longest_queue
        self._database = database
        self._intake = Intake(database, self._keep)
        self.forgetting = Forgetting()
        self.explorer = Explorer(database, delivery)

    async def accept(self, store_id: str, events: Sequence[Incoming], source: str, *, many: bool = False) -> list[Receipt]:
        """Keep events and what is to be delivered of them: all of them, or, if one contradicts what was kept before, none.

        ``source`` says where they come from: ``api``, ``import``, or a connector's name. The same event id with the same content
        gives the receipt of the first time. ``many``: problems name the place in a list, even of one.

        Raises:
            EventIdTaken: an event id was accepted before with another content.
            Rejected: an event is too large.
            Overloaded, StorageUnavailable: nothing was kept; the same events may be sent again.
        """
        paths = [f"events.{index}." for index in range(len(events))] if many or len(events) > 1 else [""]
        answers = await self._put(store_id, events, paths, source, whole=True)
        refused = [answer for answer in answers if isinstance(answer, Refusal)]
        if refused:
            raise EventIdTaken(problems=tuple(problem for refusal in refused for problem in refusal.problems))
        return [answer for answer in answers if isinstance(answer, Receipt)]

    async def accept_each(self, store_id: str, elements: Sequence[Incoming | Refusal], source: str) -> list[Receipt | Refusal]:
        """As ``accept``, but each for itself: the good ones are kept, every other one is answered with its refusal."""
        good = [index for index, element in enumerate(elements) if isinstance(element, Incoming)]
        events = [element for element in elements if isinstance(element, Incoming)]
        paths = [f"events.{index}." for index in good]
        given = dict(zip(good, await self._put(store_id, events, paths, source, whole=False), strict=True)) if good else {}
        return [element if isinstance(element, Refusal) else given[index] for index, element in enumerate(elements)]

    def read(self, body: bytes) -> Incoming:
        """The event in a body as ``POST /events`` takes it, for senders inside this process. Raises Rejected with every fault."""
        return read_event(body, self._clock.now())

    async def fresh(self) -> None:
        """Learn which events are held back at the moment, for ``prepare``."""
        if self._flags:
            await self._flags.fresh()

    def prepare(self, store_id: str, events: Sequence[Incoming], source: str) -> list[Frozen]:
        """Fix ids and bytes of events, for ``keep_in``: before its transaction, so that running it again keeps the same.

        Raises:
            Rejected: an event is too large.
        """
        now = self._clock.now()
        frozen = [freeze(event, store_id, new_id(now), source, now, decide=self._decide) for event in events]
        problems = [size_problem(each, f"events.{index}") for index, each in enumerate(frozen)]
        if any(problems):
            raise Rejected("Too large for Klaviyo.", problems=tuple(problem for problem in problems if problem))
        return frozen

    def keep_in(self, connection: Connection, frozen: Sequence[Frozen]) -> list[Receipt]:
        """Keep events of one store in the caller's transaction; say ``wake`` after its commit.

        For senders that tell the same thing more than once, and not always in the same words: of one event id the first counts.

        Raises:
            Overtaken: the transaction must be rolled back and run again.
        """
        known = store.find_by_event_ids(connection, {(e.event.store_id, e.event.event_id) for e in frozen if e.event.event_id})
        receipts: list[Receipt] = []
        new: list[Frozen] = []
        for each in frozen:
            key = (each.event.store_id, each.event.event_id or each.event.id)
            earlier = known.get(key)
            if earlier is None:
                known[key] = each.event
                new.append(each)
            receipts.append(Receipt(earlier or each.event, earlier is not None))
        self._write(connection, new, "sources")
        return receipts

    def renew(self, connection: Connection, told_again: Sequence[tuple[Frozen, Receipt]]) -> None:
        """Of those that Klaviyo has refused, what is told now takes the place of what was told then, and is sent.

        For senders whose mapping was mended. What Klaviyo has or what still waits stays, and so does what a flag holds back.
        """
        for frozen, receipt in told_again:
            delivery = frozen.delivery
            if delivery is None or delivery.held or not receipt.repeated:
                continue
            if self._delivery.renew(connection, receipt.event.id, delivery):
                store.replace_event(connection, receipt.event.id, frozen.event)

    def dead_ids(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Which of these Klaviyo has refused."""
        return self._delivery.dead_ids(connection, ids)

    def wake(self, store_id: str) -> None:
        """Say, after the commit of ``keep_in``, that something new waits."""
        self._delivery.wake(store_id, Family.EVENTS)

    async def first_attempts(self, store_id: str, receipts: Sequence[Receipt], seconds: float) -> dict[str, Delivery]:
        """Wait for the first attempt of each, at most ``seconds`` and only while the lane is calm; then how they stand."""
        ids = [receipt.event.id for receipt in receipts if receipt.event.deliverable]
        if not ids:
            return {}
        history = any(receipt.event.backfill for receipt in receipts)
        if seconds > 0 and await self._delivery.calm(store_id, Family.EVENTS, history=history):
            return await self._delivery.first_outcomes(ids, seconds)
        return await self._delivery.states(ids)

    def listed(self, standings: Iterable[Standing], lanes: Sequence[Lane], currency: str) -> list[EventRow]:
        """Events as lists show them; see ``listing.rows``."""
        return rows(standings, lanes, currency)

    def has_happened(
        self,
        connection: Connection,
        store_id: str,
        metrics: Iterable[str],
        *,
        since: datetime,
        person: PersonRef,
        texts: Iterable[str] = (),
    ) -> bool:
        """Whether such an event, not of history, was accepted since then about this person, or holds one of these texts."""
        return queries.has_happened(connection, store_id, metrics, since=since, person=person, texts=texts)

    async def metrics(self, store_id: str) -> list[str]:
        """The names of metrics that events were accepted with."""
        return await self._database.read(lambda connection: queries.metrics(connection, store_id))

    async def count(self, store_id: str, metric: str, day: date) -> int:
        """How many events of a metric were accepted on a day of UTC."""
        return await self._database.read(lambda connection: queries.count(connection, store_id, metric, day))

    async def emails(self, store_id: str, day: date, metric: str | None = None) -> list[str]:
        """Whose events were accepted on a day of UTC, each address once."""
        return await self._database.read(lambda connection: queries.emails(connection, store_id, day, metric))

    async def persons(self, store_id: str, day: date, metric: str | None = None) -> list[str]:
        """Whose events were accepted on a day of UTC, each once: ``email:jane@example.com``, ``phone:``, ``external:``."""
        return await self._database.read(lambda connection: queries.persons(connection, store_id, day, metric))

    async def metrics_of(self, store_id: str, email: str) -> list[str]:
        """The metrics of one person's events; the address as ``kit.contacts.normal_email`` writes it."""
        return await self._database.read(lambda connection: queries.metrics_of(connection, store_id, email))

    async def accepted_in_all(self, store_id: str) -> int:
        """How many events were ever accepted, those included that retention has deleted since."""
        return await self._database.read(lambda connection: queries.accepted_in_all(connection, store_id))

    async def minutes(self, store_id: str, since: datetime) -> list[AcceptedMinute]:
        """How many were accepted in each minute, oldest first; minutes without any are left out."""
        return await self._database.read(lambda connection: queries.minutes(connection, store_id, since))

    async def _put(
        self, store_id: str, events: Sequence[Incoming], paths: Sequence[str], source: str, *, whole: bool
    ) -> list[Receipt | Refusal]:
        if await self._delivery.waiting_total() >= self._longest_queue:
            raise Overloaded("As many events wait for delivery as may wait. Nothing was accepted; send it again later.")
        now = self._clock.now()
        await self.fresh()
        frozen = [freeze(event, store_id, new_id(now), source, now, decide=self._decide) for event in events]
        problems = {
            index: problem for index, each in enumerate(frozen) if (problem := size_problem(each, paths[index].rstrip(".")))
        }
        if not problems:
            return [*await self._hand_in(store_id, Submission(tuple(frozen), tuple(paths), whole), now)]
        if whole:
            raise Rejected("Too large for Klaviyo.", problems=tuple(problems.values()))
        fitting = [index for index in range(len(frozen)) if index not in problems]
        submission = Submission(tuple(frozen[index] for index in fitting), tuple(paths[index] for index in fitting), whole)
        given = dict(zip(fitting, await self._hand_in(store_id, submission, now), strict=True))
        return [given[index] if index in given else Refusal(400, (problems[index],)) for index in range(len(frozen))]

    async def _hand_in(self, store_id: str, submission: Submission, began: datetime) -> Answers:
        """Returns once its commit is on disk."""
        handed_in = self._clock.now() if self._traced else began
        answers = await self._intake.put(submission)
        if self._traced:
            new = [answer.event.id for answer in answers if isinstance(answer, Receipt) and not answer.repeated]
            self._traced(store_id, new, began, handed_in)
        for answer in answers:
            if isinstance(answer, Receipt) and answer.event.deliverable and not answer.repeated:
                self._delivery.wake(store_id, Family.EVENTS)
                break
        return answers

    def _keep(self, connection: Connection, submissions: Sequence[Submission], unit: int) -> tuple[Answers, ...]:
        """Settle and write submissions in one transaction. Depends on nothing but its arguments and the database."""
        settled = settle(submissions, store.find_by_event_ids(connection, keys_of(submissions)))
        self._write(connection, settled.new, unit)
        return settled.answers

    def _write(self, connection: Connection, new: Sequence[Frozen], unit: int | str) -> None:
        if new and store.insert_events(connection, [frozen.event for frozen in new]):
            now = time_of(new[-1].event.id)
            self._profiles.record(connection, [frozen.sighting for frozen in new if frozen.sighting], now)
            self._delivery.put(connection, [frozen.delivery for frozen in new if frozen.delivery])
            accepted = Counter(frozen.event.store_id for frozen in new)
            store.count_minute(connection, f"{self._worker}/{unit}", now.replace(second=0, microsecond=0), accepted)
