"""Profiles: made by a person's first event, merged by every later one, completed by what Klaviyo knows."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from ferrata.commerce.tracked import ProfileChange
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock
from ferrata.profiles import store
from ferrata.profiles.errors import Overtaken
from ferrata.profiles.forgetting import Forgetting
from ferrata.profiles.merging import after_sighting, first_profile
from ferrata.profiles.schemas import Profile, ProfileAttributes, Sighting, profile_id

ATTEMPTS = 5


class Profiles:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.forgetting = Forgetting()

    def record(self, connection: Connection, sightings: Sequence[Sighting], now: datetime) -> None:
        """Bring the profiles up to what these events tell, in their order, inside the caller's transaction.

        Raises:
            Overtaken: the transaction must be rolled back and run again.
        """
        by_profile: dict[str, list[Sighting]] = {}
        for seen in sightings:
            by_profile.setdefault(profile_id(seen.store_id, seen.person), []).append(seen)
        known = store.lock_all(connection, by_profile)
        new: list[Profile] = []
        changed: list[Profile] = []
        for id_, seen_of_one in by_profile.items():
            profile = known.get(id_) or first_profile(seen_of_one[0].store_id, seen_of_one[0].person, now)
            for seen in seen_of_one:
                profile = after_sighting(profile, seen, now)
            (changed if id_ in known else new).append(profile)
        store.insert_all(connection, new)
        store.update_all(connection, changed)

    def change(self, connection: Connection, store_id: str, changes: Sequence[ProfileChange], *, history: bool) -> int:
        """Bring profiles up to these changes, in their order, and put what must be told to Klaviyo into the outbox.

        Works inside the caller's transaction; say ``wake`` after its commit. ``history``: never delays what is live. Returns how
        many are to be delivered; a change that is known already, or says nothing newer, is not.

        Raises:
            Rejected: the person or an attribute cannot be understood; nothing was written.
            Overtaken: the transaction must be rolled back and run again.
        """
        raise NotImplementedError

    def wake(self, store_id: str) -> None:
        """Say, after the commit, that something new waits."""
        raise NotImplementedError

    async def find(self, store_id: str, email: str) -> Profile | None:
        """The profile of this address, as ``kit.contacts.normal_email`` writes it."""
        return await self._database.read(lambda connection: store.find(connection, profile_id(store_id, f"email:{email}")))

    async def complete(self, store_id: str, email: str, klaviyo_id: str, known_there: ProfileAttributes) -> Profile:
        """Merge over the local profile what Klaviyo has just answered about this address; made if there is none."""
        now = self._clock.now()
        person = f"email:{email}"

        def work(connection: Connection) -> Profile:
            id_ = profile_id(store_id, person)
            known = store.lock_all(connection, [id_]).get(id_)
            profile = known or first_profile(store_id, person, now)
            completed = msgspec.structs.replace(
                profile,
                attributes=profile.attributes.merged_with(known_there),
                klaviyo_id=klaviyo_id,
                klaviyo_read_at=now,
                updated_at=now,
            )
            if known:
                store.update_all(connection, [completed])
            else:
                store.insert_all(connection, [completed])
            return completed

        for _ in range(ATTEMPTS - 1):
            try:
                return await self._database.write(work)
            except Overtaken:
                continue
        return await self._database.write(work)
