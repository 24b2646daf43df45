"""Maps messages again: refused ones once their cause is mended, others after the mapping changed. First a look, then the deed.

What they make has the same ids as before, so Klaviyo keeps one of each.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.delivery.service import DeliveryService
from ferrata.events.schemas import Frozen
from ferrata.sources import alarming, differences, store
from ferrata.sources.differences import ChangedEvent
from ferrata.sources.errors import Later, Refused, Unreadable
from ferrata.sources.handover import Ready, made_of
from ferrata.sources.line import Tools, prepared
from ferrata.sources.mapping import outcome_of
from ferrata.sources.reading import Answers, look_up_all
from ferrata.sources.receiving import Reception
from ferrata.sources.schemas import Configuration, KeptMessage, LineKey, Made, Outcome, State, Wanted

MOST_AT_ONCE = 10_000
LOOKED_AT = 200
AGAIN = (State.MAPPED, State.SKIPPED, State.REFUSED)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How one message would come out otherwise than before. What is added or gone is named as ``metric unique_id``.

    ``changed``: events that keep their ids and differ in fields. What is gone stays at Klaviyo, which has it already.
    ``sent``: so many of its events would be sent beside those that Klaviyo has refused.
    """

    id: str
    title: str
    before: str
    after: str
    reason: str | None
    added: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[ChangedEvent, ...] = ()
    sent: int = 0


class Remapping(msgspec.Struct, frozen=True):
    """``count`` messages are, or would be, mapped again; of them ``looked_at`` were tried, and these come out otherwise.

    ``dead``: so many events of those that were tried Klaviyo has refused. What comes out now replaces them and is sent.
    ``sent`` is how many events mapping these again would send in all: those, new ones, and ones not kept here any more.
    """

    dry_run: bool
    count: int
    looked_at: int = 0
    differences: tuple[Difference, ...] = ()
    dead: int = 0
    sent: int = 0


class Replaying:
    def __init__(self, tools: Tools, audit: Audit, reception: Reception, delivery: DeliveryService) -> None:
        self._delivery = delivery
        self._tools = tools
        self._audit = audit
        self._reception = reception

    async def look(self, wanted: Wanted, draft: Configuration | None = None) -> Remapping:
        """What would come of mapping these again, tried on the first of them; ``draft``: with settings that are not kept yet.

        Raises NotSetUp, NoSuchSource.
        """
        configuration = draft or await self._tools.configurations.get(wanted.store_id, wanted.kind or "")
        count = await self._tools.database.read(lambda connection: store.count_to_replay(connection, wanted, MOST_AT_ONCE))
        found = await self._tools.database.read(lambda connection: store.batch(connection, wanted, "", LOOKED_AT))
        await self._tools.handover.fresh()
        tried = [each for each in found if not each.envelope]
        differences = [await self._difference(configuration, kept) for kept in tried]
        made = [made.id for kept in tried for made in kept.made if made.what == "event" and made.id]
        dead = await self._tools.database.read(lambda connection: self._tools.handover.dead_ids(connection, made))
        found_different = tuple(each for each in differences if each)
        sent = len(dead) + sum(each.sent for each in found_different)
        return Remapping(True, count, len(tried), found_different, len(dead), sent)

    async def again(self, wanted: Wanted, actor: Actor) -> Remapping:
        """Let these wait again, to be mapped in their order; deliveries kept apart are opened as if they had been verified.

        Raises:
            NotSetUp, NoSuchSource: there is nothing that could map them.
            Unreadable: one that was kept apart still cannot be opened.
        """
        line = LineKey(wanted.store_id, wanted.kind or "")
        configuration = await self._tools.configurations.get(line.store_id, line.kind)
        strays = [each for each in await self._strays(wanted) if each.envelope]
        for stray in strays:
            await self._reception.take_as_genuine(stray, configuration)

        now = self._tools.clock.now()

        def work(connection: Connection) -> int:
            store.discard(connection, line, [stray.id for stray in strays])
            count = store.wait_again(connection, wanted, MOST_AT_ONCE) + len(strays)
            alarming.look(connection, line, now)
            after = {"count": count, **_told(wanted)}
            self._audit.record(
                connection, actor, "sources.messages_replayed", f"source/{line.kind}", store_id=line.store_id, after=after
            )
            return count

        count = await self._tools.database.write(work)
        self._reception.wake(line)
        return Remapping(False, count)

    async def adopt(self, kind: str, ids: Sequence[str], store_id: str, actor: Actor) -> Remapping:
        """Take deliveries that named a store which is not there as genuine ones of this store. Raises as ``again``."""
        wanted = Wanted(store_id=store_id, kind=kind, ids=tuple(ids))
        await self._tools.configurations.get(store_id, kind)
        await self._tools.database.write(lambda connection: store.adopt(connection, kind, ids, store_id))
        return await self.again(wanted, actor)

    async def discard(self, wanted: Wanted, actor: Actor) -> int:
        """Give refused messages up for good; how many there were."""
        line = LineKey(wanted.store_id, wanted.kind or "")

        now = self._tools.clock.now()

        def work(connection: Connection) -> int:
            count = store.discard(connection, line, wanted.ids)
            alarming.look(connection, line, now)
            after = {"count": count, **_told(wanted)}
            self._audit.record(
                connection, actor, "sources.messages_discarded", f"source/{line.kind}", store_id=line.store_id, after=after
            )
            return count

        return await self._tools.database.write(work)

    async def _strays(self, wanted: Wanted) -> Sequence[KeptMessage]:
        """Deliveries that were kept apart are opened only if they are named."""
        if not wanted.ids:
            return []
        return await self._tools.database.read(lambda connection: store.batch(connection, wanted, "", len(wanted.ids)))

    async def _difference(self, configuration: Configuration, kept: KeptMessage) -> Difference | None:
        try:
            looked_up = await look_up_all(configuration, kept.message, self._tools.readers, Answers(at_once=True))
            outcome = outcome_of(configuration, kept.message, looked_up)
        except (Later, Refused, Unreadable) as error:
            outcome = Outcome(State.WAITING if isinstance(error, Later) else State.REFUSED, reason=error.message)
        attempt = prepared(self._tools.handover, kept, outcome)
        state, ready = attempt.outcome.state, attempt.ready or Ready()
        old = {made.unique_id: made for made in kept.made if made.what == "event"}
        new = {frozen.event.event_id or "": frozen for frozen in ready.events}
        made = differences.names([each for each in kept.made if each.what != "event"])
        fresh = differences.names(made_of(ready.profiles, ready.catalog))
        added = (fresh - made) | {_called(frozen) for id_, frozen in new.items() if id_ not in old}
        gone = (made - fresh) | {_name(each) for id_, each in old.items() if id_ not in new}
        changed = await self._changed([(old[id_], frozen) for id_, frozen in new.items() if id_ in old])
        if not (added or gone or changed) and state is kept.state:
            return None
        return Difference(
            id=kept.id,
            title=kept.title,
            before=kept.state.value,
            after=state.value,
            reason=attempt.outcome.reason,
            added=tuple(sorted(added)),
            gone=tuple(sorted(gone)),
            changed=changed,
            sent=sum(each.sent and each.state != "dead" for each in changed) + _to_send(new.keys() - old.keys(), new),
        )

    async def _changed(self, pairs: Sequence[tuple[Made, Frozen]]) -> tuple[ChangedEvent, ...]:
        """Which of these events come out otherwise than they were made."""
        ids = [made.id for made, _ in pairs if made.id]
        stand, bodies = await self._delivery.states(ids), await self._delivery.bodies(ids)
        found = []
        for made, frozen in pairs:
            if not made.id or frozen.delivery is None:
                continue  # it named nobody then, or names nobody now: kept, not sent
            after = self._delivery.planned(frozen.delivery).body
            found.append(differences.changed_event(made, frozen.event.metric, stand.get(made.id), bodies.get(made.id), after))
        return tuple(each for each in found if each)


def _to_send(ids: Iterable[str], new: Mapping[str, Frozen]) -> int:
    return sum(new[id_].delivery is not None for id_ in ids)


def _called(frozen: Frozen) -> str:
    metric = frozen.event.metric
    return f"{metric} {(frozen.event.event_id or '').removeprefix(f'{metric}:')}"


def _name(made: Made) -> str:
    return f"{made.title} {made.unique_id.removeprefix(f'{made.title}:')}"


def _told(wanted: Wanted) -> dict[str, object]:
    given = {name: value for name, value in msgspec.to_builtins(wanted).items() if value}
    return {**given, "ids": len(wanted.ids)} if wanted.ids else given
