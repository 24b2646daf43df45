"""Flags: what is sent of what is accepted. The decision falls when an event is accepted, and stays with it.

Every process holds all flags in memory and looks for a new version once a second, so that deciding costs no I/O.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.delivery.held import HeldExample, HeldFilter, HeldGroup
from ferrata.delivery.schemas import Held
from ferrata.delivery.service import DeliveryService
from ferrata.delivery.stops import EVERYTHING, Stop
from ferrata.flags import store
from ferrata.flags.decision import Key, decide, rule_for, share_of
from ferrata.flags.defaults import METRICS, Defaults
from ferrata.flags.schemas import EVERY_METRIC, Flag, Mode, Rule, Share
from ferrata.infra.database import Database
from ferrata.infra.errors import Problem, Rejected, Transient
from ferrata.kit.clock import Clock

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 1.0
METRIC_CHARACTERS = 127


@dataclass(frozen=True, slots=True)
class _Snapshot:
    version: int
    rules: dict[Key, Rule]


class Flags:
    def __init__(self, database: Database, clock: Clock, audit: Audit, delivery: DeliveryService, defaults: Defaults) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._holding = delivery.holding
        self._defaults = defaults
        self._snapshot = _Snapshot(-1, {})
        self._looked = float("-inf")

    # Deciding

    async def fresh(self) -> None:
        """Know what was changed more than a second ago. While the database is away what was known holds on."""
        now = self._clock.monotonic()
        known = self._snapshot.version
        if known >= 0 and now - self._looked < LOOK_EVERY_SECONDS:
            return
        self._looked = now  # whoever comes meanwhile decides by what is known
        try:
            if await self._database.read(store.version) != known:
                await self._load()
        except Transient as error:
            self._looked = float("-inf")
            if known < 0:
                raise  # nothing is known yet: to send what is switched off would be worse than to wait
            log.warning("flags.cannot_look", error=str(error))

    def decide(self, store_id: str, metric: str, person: str) -> Held | None:
        """Why an event is held back; None: it is sent. By what ``fresh`` knew last."""
        rule = rule_for(self._snapshot.rules, self._defaults, store_id, metric)
        return decide(rule, store_id, metric, person)

    async def _load(self) -> None:
        self._snapshot = _Snapshot(*await self._database.read(store.rules))

    # Flags

    async def all(self, store_id: str, metrics: Iterable[str] = ()) -> list[Flag]:
        """What holds for every metric of the store; then for ``metrics``, those with a flag, and those of the defaults."""
        await self._load()
        rules = self._snapshot.rules
        own = {metric for store_of, metric in rules if store_of == store_id and metric != EVERY_METRIC}
        usual = {name for names in METRICS.values() for name in names} if self._defaults.rules else set()
        names = sorted({*metrics, *own, *usual})
        return [Flag(name, rule_for(rules, self._defaults, store_id, name)) for name in (EVERY_METRIC, *names)]

    async def set(self, store_id: str, metric: str, mode: Mode, percentage: int | None, *, actor: Actor) -> Flag:
        """Set a flag; returns it. It holds at once here, and within two seconds in every other process.

        Raises:
            Rejected: no metric of this name can be, or the percentage is none.
        """
        share = _checked(metric, mode, percentage)
        now = self._clock.now()
        rule = Rule(mode, share, source=actor.name, changed_at=now)

        def work(connection: Connection) -> None:
            before = store.find(connection, store_id, metric)
            store.put(connection, (store_id, metric), rule, now)
            self._record(connection, actor, "flags.flag_set", store_id, metric, before=_told(before), after=_told(rule))

        await self._database.write(work)
        await self._load()
        return Flag(metric, rule)

    async def clear(self, store_id: str, metric: str, *, actor: Actor) -> Flag:
        """Take a flag away; returns what holds instead. Taking away what is not there changes nothing."""

        def work(connection: Connection) -> None:
            before = store.find(connection, store_id, metric)
            if before:
                store.clear(connection, (store_id, metric))
                self._record(connection, actor, "flags.flag_cleared", store_id, metric, before=_told(before))

        await self._database.write(work)
        await self._load()
        return Flag(metric, rule_for(self._snapshot.rules, self._defaults, store_id, metric))

    def share(self, store_id: str, persons: Iterable[str], percentage: int) -> Share:
        """How many of these profiles would be in."""
        return share_of(store_id, persons, percentage)

    # The switch

    async def stopped(self, store_id: str) -> list[Stop]:
        """What keeps the store from sending: the switch for everything, its own, or both."""
        found = await self._holding.stopped()
        return [found[scope] for scope in (EVERYTHING, store_id) if scope in found]

    async def stop(self, store_id: str | None, reason: str, *, actor: Actor) -> bool:
        """Stop sending for a store, or for all: what is accepted is kept and waits. False if it was stopped already."""
        stop = Stop(store_id or EVERYTHING, actor.name, reason.strip()[:500], self._clock.now())

        def note(connection: Connection) -> None:
            target = f"store/{store_id}" if store_id else "every store"
            self._audit.record(connection, actor, "flags.stopped", target, store_id=store_id, after={"reason": stop.reason})

        return await self._holding.stop(stop, note)

    async def resume(self, store_id: str | None, stores: Sequence[str] = (), *, actor: Actor) -> bool:
        """Let sending go on; ``stores`` are those whose lanes are to look at once. False if it was not stopped."""

        def note(connection: Connection) -> None:
            target = f"store/{store_id}" if store_id else "every store"
            self._audit.record(connection, actor, "flags.resumed", target, store_id=store_id)

        done = await self._holding.resume(store_id or EVERYTHING, note)
        for each in [store_id] if store_id else stores:
            self._holding.wake(each)
        return done

    # What was held back

    async def held(self, store_id: str) -> list[HeldGroup]:
        """How many are held back, by metric and reason."""
        return await self._holding.groups(store_id)

    async def would_send(self, store_id: str, metric: str | None, limit: int = 5) -> list[HeldExample]:
        """The newest that are held back, with what would be sent of them."""
        return await self._holding.newest(HeldFilter(store_id, metric), limit)

    async def count_held(self, wanted: HeldFilter) -> int:
        return await self._holding.count(wanted)

    async def release(self, wanted: HeldFilter, *, actor: Actor) -> int:
        """Send what was held back; returns how many."""

        def note(connection: Connection, count: int) -> None:
            after = {"count": count, "since": _written(wanted.since), "until": _written(wanted.until), "metric": wanted.kind}
            told = {name: value for name, value in after.items() if value is not None}
            self._audit.record(
                connection,
                actor,
                "flags.held_events_released",
                f"store/{wanted.store_id}",
                store_id=wanted.store_id,
                after=told,
            )

        return await self._holding.release(wanted, note)

    def _record(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        store_id: str,
        metric: str,
        **told: dict[str, Any],
    ) -> None:
        values = {name: {"metric": metric, **value} for name, value in told.items()}
        self._audit.record(connection, actor, action, f"flag/{metric}", store_id=store_id, **values)


def _checked(metric: str, mode: Mode, percentage: int | None) -> int:
    problems = []
    if not 0 < len(metric) <= METRIC_CHARACTERS or not metric.isprintable():
        problems.append(Problem("metric", f"metric must have 1 to {METRIC_CHARACTERS} characters in one line"))
    if mode is Mode.PERCENTAGE and (percentage is None or not 0 <= percentage <= 100):
        problems.append(Problem("percentage", "percentage must be a whole number from 0 to 100 where the mode is percentage"))
    if mode is not Mode.PERCENTAGE and percentage is not None:
        problems.append(Problem("percentage", "percentage belongs to the mode percentage only"))
    if problems:
        raise Rejected(problems=tuple(problems))
    return percentage if mode is Mode.PERCENTAGE and percentage is not None else 100


def _told(rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {"mode": "not set"}
    return {"mode": rule.mode.value} | ({"percentage": rule.percentage} if rule.mode is Mode.PERCENTAGE else {})


def _written(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
