"""Forgets a person: events, what waits to be told, the profile, carts, raw messages and what messages have taught.

Whoever is named is known by more: a profile ties e-mail, phone and the shop's id together, and all of it is looked for. It works
in small transactions, and doing it again does the rest. What is on its way to Klaviyo at this very moment stays, and is counted.
Klaviyo's own copy is not touched.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection

from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.carts.service import Carts
from ferrata.commerce.tracked import PersonRef
from ferrata.delivery.service import DeliveryService
from ferrata.events.service import Events
from ferrata.infra.database import Database
from ferrata.infra.errors import Problem, Rejected
from ferrata.kit.contacts import normal_email, normal_phone
from ferrata.profiles.service import Profiles
from ferrata.sources import memory_store, store
from ferrata.sources.schemas import Erasure

STEP = 500
_SHORTEST = 4
"""Ids shorter than this stand in too many messages by chance: such a person's messages are found by their business key alone."""


@dataclass(slots=True)
class _Known:
    """Everything that somebody is known by."""

    emails: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    persons: set[str] = field(default_factory=set)

    def add(self, email: str | None, phone: str | None, id_: str | None) -> None:
        for value, into in ((email, self.emails), (phone, self.phones), (id_, self.ids)):
            if value:
                into.add(value)

    def named(self) -> tuple[set[str], set[str], set[str]]:
        return self.emails, self.phones, self.ids

    def all_persons(self) -> set[str]:
        tied = (("email", self.emails), ("phone", self.phones), ("external", self.ids))
        return self.persons | {f"{kind}:{value}" for kind, values in tied for value in values}


@dataclass(frozen=True, slots=True)
class Rooms:
    database: Database
    audit: Audit
    events: Events
    profiles: Profiles
    delivery: DeliveryService
    carts: Carts


class Erasing:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._database = rooms.database
        self._carts = rooms.carts.forgetting

    async def erase(self, store_id: str, person: PersonRef, actor: Actor, *, why: str = "", dry_run: bool = False) -> Erasure:
        """Forget this person in one store; what was found of them.

        Raises:
            Rejected: it names nobody.
        """
        known = self._read(person)
        rooms = self._rooms
        profiles = await self._database.read(lambda connection: self._widen(connection, store_id, known))
        memories = await self._database.read(lambda connection: self._memories(connection, store_id, known))
        found = await self._database.read(
            lambda connection: (
                rooms.events.forgetting.ids_of_person(connection, store_id, *known.named()),
                rooms.delivery.forgetting.tellings_of(connection, store_id, known.all_persons()),
                self._carts.ids_of_person(connection, store_id, *known.named()),
            )
        )
        events, tellings, carts = found
        messages = await self._messages(store_id, known)
        would = Erasure(
            events=len(events), tellings=len(tellings), profiles=len(profiles), carts=len(carts), messages=len(messages),
            memories=sum(map(len, memories.values())), dry_run=dry_run,
        )  # fmt: skip
        if dry_run:
            return would
        under_way = await self._in_steps(events, lambda connection, ids: self._events_gone(connection, store_id, ids))
        under_way += await self._in_steps(tellings, lambda connection, ids: len(rooms.delivery.forgetting.erase(connection, ids)))
        if under_way:  # whatever ties it to this person stays until it has gone too
            return msgspec.structs.replace(would, under_way=under_way)
        await self._in_steps(carts, lambda connection, ids: self._carts.erase(connection, store_id, ids))
        await self._in_steps(profiles, rooms.profiles.forgetting.erase)
        for kind, keys in memories.items():
            await self._in_steps(keys, lambda connection, some: memory_store.forget(connection, store_id, kind, some))  # noqa: B023 - awaited here
        await self._in_steps(messages, lambda connection, ids: store.erase(connection, store_id, ids))
        await self._record(store_id, person, actor, why, would)
        return would

    async def _record(self, store_id: str, person: PersonRef, actor: Actor, why: str, done: Erasure) -> None:
        """Who was forgotten stands in the audit as a digest: it can be compared, not read."""
        told = (person.email or "", person.phone or "", person.external_id or "")
        digest = hashlib.sha256("\0".join([store_id, *told]).encode()).hexdigest()[:16]
        counted = {name: value for name, value in msgspec.structs.asdict(done).items() if value}
        after = counted | ({"why": why} if why else {})

        def work(connection: Connection) -> None:
            audit = self._rooms.audit
            audit.record(connection, actor, "sources.person_erased", f"person/{digest}", store_id=store_id, after=after)

        await self._database.write(work)

    def _read(self, person: PersonRef) -> _Known:
        known, problems = _Known(), []
        email = normal_email(person.email) if person.email else None
        phone = normal_phone(person.phone) if person.phone else None
        if person.email and not email:
            problems.append(Problem("email", "email is no e-mail address"))
        if person.phone and not phone:
            problems.append(Problem("phone", "phone is no phone number in E.164 form"))
        if not (person.email or person.phone or person.external_id):
            problems.append(Problem("email", "name somebody by email, phone or externalId"))
        if problems:
            raise Rejected(problems=tuple(problems))
        known.add(email, phone, person.external_id)
        return known

    def _widen(self, connection: Connection, store_id: str, known: _Known) -> list[str]:
        """The profiles of this person; what they are known by joins what was given."""
        found = self._rooms.profiles.forgetting.of_person(connection, store_id, *known.named())
        for each in found:
            known.add(each.email, each.phone, each.external_id)
            known.persons.add(each.person)
        return [each.id for each in found]

    def _memories(self, connection: Connection, store_id: str, known: _Known) -> dict[str, list[str]]:
        """Keys of what messages have taught of this person, by source; an address among it joins what is known."""
        wanted = known.emails | known.phones | known.ids
        found: dict[str, list[str]] = {}
        for kind, key, value in memory_store.about(connection, store_id, wanted):
            found.setdefault(kind, []).append(key)
            known.add(normal_email(value) if "@" in value else None, None, None)
        return found

    async def _messages(self, store_id: str, known: _Known) -> list[str]:
        """Raw messages that name this person, by their business key or anywhere in their bytes."""
        needles = {each.lower() for each in (*known.emails, *known.phones, *known.ids) if len(each) >= _SHORTEST}
        keys = {f"{kind}:{id_}" for id_ in known.ids for kind in ("customer", "user", "anonymous")}
        found: list[str] = []
        after = ""
        while rows := await self._database.read(
            lambda connection: store.bodies_after(connection, store_id, after, STEP)  # noqa: B023 - awaited here
        ):
            found += [id_ for id_, key, body in rows if key in keys or _tells_of(body, needles)]
            after = rows[-1][0]
        return found

    def _events_gone(self, connection: Connection, store_id: str, ids: Sequence[str]) -> int:
        under_way = set(self._rooms.delivery.forgetting.erase(connection, ids))
        self._rooms.events.forgetting.forget(connection, store_id, [id_ for id_ in ids if id_ not in under_way])
        return len(under_way)

    async def _in_steps(self, ids: Sequence[str], work: Callable[[Connection, Sequence[str]], int]) -> int:
        total = 0
        for start in range(0, len(ids), STEP):
            some = ids[start : start + STEP]
            total += await self._database.write(lambda connection: work(connection, some))  # noqa: B023 - awaited here
        return total


def _tells_of(body: bytes, needles: set[str]) -> bool:
    """Whether one of these stands in it: as it is, escaped as JSON may, or in what a queue's envelope holds as Base64."""
    text = body.decode(errors="replace").lower()
    if any(needle in text for needle in needles):
        return True
    if "\\u" not in text and "data" not in text and "body" not in text:
        return False
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return any(needle in found for found in _texts(document) for needle in needles)


def _texts(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left += each.values()
        elif isinstance(each, list):
            left += each
        elif isinstance(each, str):
            yield each.lower()
            yield _decoded(each)


def _decoded(text: str) -> str:
    if len(text) < 16 or len(text) % 4:
        return ""
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace").lower()
    except (binascii.Error, ValueError):
        return ""
