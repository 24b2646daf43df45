"""Hands what was mapped to events, profiles and the catalogue, in the caller's transaction.

What names a person is put into one form here. A bad phone number does not take its event along: it is left out, and said so.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ferrata.catalog.schemas import CatalogChange
from ferrata.catalog.service import Catalog
from ferrata.commerce.exchange import Exchange
from ferrata.commerce.tracked import PersonRef, ProfileChange, TrackedEvent
from ferrata.events.schemas import Frozen, Incoming
from ferrata.events.service import Events
from ferrata.infra.errors import Rejected, Transient
from ferrata.kit.contacts import normal_email, normal_phone
from ferrata.profiles.errors import Overtaken
from ferrata.profiles.service import Profiles
from ferrata.sources.contract import Learned, Mapped, Skipped
from ferrata.sources.errors import Refused
from ferrata.sources.memory_store import learn
from ferrata.sources.schemas import Made

log = structlog.get_logger()

UNIQUE_ID_CHARACTERS = 255
_json = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Takers:
    """The rooms that take what sources map."""

    events: Events
    profiles: Profiles
    catalog: Catalog
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Ready:
    """What is handed over of one message: ids and bytes are fixed, so that the same may be written again after a lost commit."""

    events: tuple[Frozen, ...] = ()
    profiles: tuple[ProfileChange, ...] = ()
    catalog: tuple[CatalogChange, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    learned: tuple[Learned, ...] = ()
    history: bool = False
    again: bool = False
    """The message was mapped before, so its mapping was mended: what Klaviyo has refused of it is replaced and sent again."""


class Handover:
    def __init__(self, takers: Takers) -> None:
        self._takers = takers

    async def fresh(self) -> None:
        """Learn what is held back at the moment, for ``prepare``."""
        await self._takers.events.fresh()

    def prepare(self, store_id: str, kind: str, mapped: Mapped, *, history: bool) -> Ready:
        """Everything that can be checked and fixed before the transaction.

        Raises:
            Refused: an event or a change breaks Klaviyo's limits; every fault is named.
        """
        skipped: list[Skipped] = []
        incoming = [
            msgspec.structs.replace(
                self._incoming(event, f"/events/{at}", skipped, history=history), event_id=key, unique_id=event.unique_id
            )
            for at, (event, key) in enumerate(zip(mapped.events, mapped.keys, strict=True))
        ]
        if len({event.event_id for event in incoming}) < len(incoming):
            raise Refused("Two events of this message have the same metric and unique_id: the mapping is at fault.")
        if any(not 0 < len(event.unique_id or "") <= UNIQUE_ID_CHARACTERS for event in incoming):
            raise Refused(f"A unique_id must have 1 to {UNIQUE_ID_CHARACTERS} characters: the mapping is at fault.")
        profiles = [_change(change, f"/profiles/{at}", skipped) for at, change in enumerate(mapped.profiles)]
        try:
            frozen = self._takers.events.prepare(store_id, incoming, kind)
        except Rejected as error:
            raise Refused(error.message, problems=error.problems) from error
        skipped += [
            Skipped(f"/events/{at}", "it names nobody (no email, phone or external id): kept, not sent")
            for at, each in enumerate(frozen)
            if each.delivery is None
        ]
        named = tuple(change for change in profiles if change.person.known)
        return Ready(tuple(frozen), named, mapped.catalog, (*mapped.skipped, *skipped), mapped.learned, history)

    def write(self, connection: Connection, store_id: str, kind: str, ready: Sequence[Ready]) -> list[tuple[Made, ...]]:
        """Hand over what several messages of one store made, in their order; what each of them made.

        Raises:
            Rejected: something cannot be taken; nothing may be kept of this transaction.
            Overtaken: the transaction must be rolled back and run again.
        """
        told = [(each, event) for each in ready for event in each.events]
        kept_now = self._takers.events.keep_in(connection, [event for _, event in told])
        again = [(event, receipt) for (each, event), receipt in zip(told, kept_now, strict=True) if each.again]
        self._takers.events.renew(connection, again)
        receipts = iter(kept_now)
        for history in (False, True):
            some = [each for each in ready if each.history is history]
            if profiles := [change for each in some for change in each.profiles]:
                self._takers.profiles.change(connection, store_id, profiles, history=history)
            if catalog := [change for each in some for change in each.catalog]:
                self._takers.catalog.record(connection, store_id, catalog, history=history)
        learn(connection, store_id, kind, [each for one in ready for each in one.learned])
        made: list[tuple[Made, ...]] = []
        for each in ready:
            events = []
            for _ in each.events:
                kept = next(receipts)
                events.append(Made("event", kept.event.metric, kept.event.event_id or "", kept.event.id, kept.repeated))
            made.append((*events, *made_of(each.profiles, each.catalog)))
        return made

    def write_each(
        self, connection: Connection, store_id: str, kind: str, ready: Sequence[Ready]
    ) -> list[tuple[Made, ...] | Rejected]:
        """As ``write``, but what cannot be taken of one message is its own fault: it is answered with the error."""
        try:
            with connection.begin_nested():
                return [*self.write(connection, store_id, kind, ready)]
        except (Overtaken, SQLAlchemyError, Transient):
            raise
        except Exception as error:
            if len(ready) == 1:
                if isinstance(error, Rejected):
                    return [error]
                log.exception("sources.handover_failed", store=store_id, source=kind)
                return [Refused(f"It could not be handed over: {type(error).__name__}: {error}")]
        return [answer for each in ready for answer in self.write_each(connection, store_id, kind, [each])]

    def dead_ids(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Which of these events Klaviyo has refused, and would be replaced if they came out again."""
        return self._takers.events.dead_ids(connection, ids)

    def wake(self, store_id: str, ready: Sequence[Ready]) -> None:
        """Say, after the commit, that something new waits."""
        if any(each.events for each in ready):
            self._takers.events.wake(store_id)
        if any(each.profiles for each in ready):
            self._takers.profiles.wake(store_id)
        if any(each.catalog for each in ready):
            self._takers.catalog.wake(store_id)

    def _incoming(self, event: TrackedEvent, at: str, skipped: list[Skipped], *, history: bool) -> Incoming:
        """The event as the events room takes it: the same validation as for what comes over the API.

        Raises:
            Refused: with a problem for every fault.
        """
        person = normal(event.person, at, skipped)
        with suppress(ValueError):  # of a currency that is none: the validation below names it with all other faults
            event = self._takers.exchange.applied_to(event)
        document = {
            "eventName": event.metric,
            "eventAttributes": event.properties,
            "profileAttributes": event.profile or None,
            "email": person.email,
            "phone": person.phone,
            "externalId": person.external_id,
            "time": event.occurred_at.astimezone(UTC).isoformat(),
            "value": event.value,
            "currency": event.currency,
            "backfill": event.backfill or history,
        }
        try:
            return self._takers.events.read(_json.encode(document))
        except Rejected as error:
            raise Refused(f"The event {event.metric} cannot be sent as it was mapped.", problems=error.problems) from error
        except (TypeError, ValueError) as error:  # a mapping put something among the properties that JSON does not know
            raise Refused(f"The event {event.metric} cannot be written as JSON: {error}") from error


def made_of(profiles: Sequence[ProfileChange], catalog: Sequence[CatalogChange]) -> tuple[Made, ...]:
    return (
        *(Made("profile", "Profile", change.unique_id) for change in profiles),
        *(Made("catalog", f"{change.action} {change.kind}", change.external_id) for change in catalog),
    )


def normal(person: PersonRef, at: str, skipped: list[Skipped]) -> PersonRef:
    """The identifiers in their one form; what cannot be one is left out, with the reason among ``skipped``."""
    email = normal_email(person.email) if person.email else None
    if person.email and email is None:
        skipped.append(Skipped(f"{at} email", "this is no e-mail address that Klaviyo takes"))
    phone = normal_phone(person.phone) if person.phone else None
    if person.phone and phone is None:
        skipped.append(Skipped(f"{at} phone_number", "this is no phone number in E.164 form; Klaviyo would refuse it"))
    return PersonRef(email, phone, person.external_id or None)


def _change(change: ProfileChange, at: str, skipped: list[Skipped]) -> ProfileChange:
    person = normal(change.person, at, skipped)
    if not person.known:
        skipped.append(Skipped(at, "it names nobody (no email, phone or external id)"))
    return msgspec.structs.replace(change, person=person)
