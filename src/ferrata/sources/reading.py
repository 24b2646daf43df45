"""Asks the sources' APIs for what mapping has to know first. No transaction is open meanwhile."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from httpx2 import AsyncBaseTransport

from ferrata.infra.database import Database
from ferrata.infra.errors import FerrataError, Recovery
from ferrata.infra.guarded_transport import GuardedTransport
from ferrata.infra.public_addresses import PublicAddresses
from ferrata.kit.clock import Clock
from ferrata.sources.contract import REMEMBERED, SETTLED, Learned, LookedUp, Lookup, Message, Reader, Refused, Surroundings
from ferrata.sources.errors import Later, NoReader, NotAsked
from ferrata.sources.memory_store import recall
from ferrata.sources.schedule import UNUSABLE_SECONDS
from ferrata.sources.schemas import Configuration

MOST_ROUNDS = 8


class Readers:
    """One reader for each store and kind, made anew when the settings change.

    ``transport`` None: the real network, as far as ``addresses`` let a store's settings lead into it.
    """

    def __init__(
        self, database: Database, clock: Clock, transport: AsyncBaseTransport | None, addresses: PublicAddresses
    ) -> None:
        self._database = database
        self._clock = clock
        self._transport = transport
        self._addresses = addresses
        self._known: dict[tuple[str, str], tuple[int, Reader | None]] = {}

    def around(self, store_id: str) -> Surroundings:
        return Surroundings(store_id, self._clock, self._transport or GuardedTransport(self._addresses))

    async def find(self, configuration: Configuration) -> Reader | None:
        key = (configuration.store_id, configuration.source.kind)
        known = self._known.get(key)
        if known and known[0] == configuration.version:
            return known[1]
        if known and known[1]:
            await known[1].close()
        reader = configuration.source.reader(configuration.settings, self.around(configuration.store_id))
        self._known[key] = (configuration.version, reader)
        return reader

    async def get(self, configuration: Configuration) -> Reader:
        """Raises NoReader."""
        reader = await self.find(configuration)
        if reader is None:
            raise NoReader
        return reader

    async def remembered(self, configuration: Configuration, lookups: Sequence[Lookup], answers: "Answers") -> LookedUp:
        """The answers to those that ask what earlier messages taught, those included that are mapped along with this one."""
        asked = [each for each in lookups if each.what == REMEMBERED]
        if not asked:
            return {}
        line = (configuration.store_id, configuration.source.kind)
        known = await self._database.read(lambda connection: recall(connection, *line, asked))
        return {each: answers.learned[each.key].value if each.key in answers.learned else known[each] for each in asked}

    def settled(self, message: Message, lookups: Sequence[Lookup], answers: "Answers") -> LookedUp:
        """The answers to those that ask whether the message is old enough; where nobody can wait, it is."""
        age = (self._clock.now() - message.received_at).total_seconds()
        asked = (each for each in lookups if each.what == SETTLED)
        return {each: answers.at_once or age >= float(each.key) for each in asked}

    async def close(self) -> None:
        for _, reader in self._known.values():
            if reader:
                await reader.close()
        self._known.clear()


@dataclass(slots=True)
class Answers:
    """What was looked up for messages that are mapped together, so that nothing is asked twice, and what they teach.

    ``at_once``: no message is told to wait for a fuller one.
    ``answered``: the API itself has answered one of them. ``may_ask`` says whether it may be asked for the next one.
    """

    known: dict[Lookup, object] = field(default_factory=dict)
    learned: dict[str, Learned] = field(default_factory=dict)
    at_once: bool = False
    answered: bool = False
    may_ask: Callable[[], bool] = lambda: True

    def learn(self, learned: Sequence[Learned]) -> None:
        for each in learned:
            if each.key not in self.learned or self.learned[each.key].at <= each.at:
                self.learned[each.key] = each


async def look_up_all(
    configuration: Configuration, message: Message, readers: Readers, answers: Answers | None = None
) -> LookedUp:
    """Everything that mapping this message has to know.

    Raises:
        NotAsked: the source's API is known to be away, and another message asks it now and then.
        Later: the source's API cannot be asked now, or does not let us in.
        Refused: the connector never has enough.
    """
    answers = answers or Answers()
    found: dict[Lookup, object] = {}
    for _ in range(MOST_ROUNDS):
        wanted = [each for each in _wanted(configuration, message, found) if each not in found]
        if not wanted:
            return found
        found.update(await readers.remembered(configuration, wanted, answers))
        found.update(readers.settled(message, wanted, answers))
        unknown = [each for each in dict.fromkeys(wanted) if each not in answers.known and each not in found]
        if unknown:
            if not answers.answered and not answers.may_ask():
                raise NotAsked(f"{configuration.source.title}'s API does not answer. This goes on as soon as it does.")
            answers.known.update(await _asked(configuration, unknown, readers))
            answers.answered = True
        found.update({each: answers.known.get(each) for each in wanted if each not in found})
    raise Refused(f"After {MOST_ROUNDS} rounds of looking up, {configuration.source.title} still wants to know more.")


async def ask_together(configuration: Configuration, messages: Sequence[Message], readers: Readers, answers: Answers) -> None:
    """Ask at once for what many messages want first, where the source can tell it in one answer.

    Where it does not answer, nothing is known: each message asks for itself, and fares as it would have.
    """
    together = configuration.source.together
    if not together or len(messages) < 2:
        return
    wanted: dict[Lookup, None] = {}
    for message in messages:
        with suppress(Later, Refused):  # mapping finds it again, and tells it
            wanted |= dict.fromkeys(each for each in _wanted(configuration, message, {}) if each.what in together)
    if not wanted or not answers.may_ask():
        return
    with suppress(Later, Refused):
        answers.known.update(await _asked(configuration, [*wanted], readers))
        answers.answered = True


def _wanted(configuration: Configuration, message: Message, found: LookedUp) -> Sequence[Lookup]:
    try:
        return configuration.source.lookups(message, found, configuration.settings)
    except (Refused, Later):
        raise
    except Exception as error:  # a connector's fault over strange bytes must not stop the line
        raise Refused(f"{configuration.source.title} cannot say what it must look up: {type(error).__name__}.") from error


async def _asked(configuration: Configuration, lookups: Sequence[Lookup], readers: Readers) -> LookedUp:
    try:
        return await (await readers.get(configuration)).look_up(lookups)
    except Refused:  # the API will never answer this: the message's own fault, and none of the others'
        raise
    except FerrataError as error:
        told = f"{configuration.source.title}'s API: {error.message}"
        seconds = error.retry_after_seconds if error.recovery is Recovery.RETRY else UNUSABLE_SECONDS
        raise Later(told, seconds=seconds) from error
