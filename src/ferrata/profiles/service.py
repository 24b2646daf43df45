"""Profiles: made by a person's first event, merged by every later one, completed by what Klaviyo knows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from ferrata.commerce.tracked import ProfileChange
from ferrata.delivery.schemas import Deliver, Family, State
from ferrata.delivery.service import DeliveryService
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.profiles import store
from ferrata.profiles.changing import News, after_change, read_change, texts, together
from ferrata.profiles.errors import Overtaken
from ferrata.profiles.forgetting import Forgetting
from ferrata.profiles.merging import after_sighting, first_profile
from ferrata.profiles.recognising import Recognising
from ferrata.profiles.schemas import Profile, ProfileAttributes, Sighting, profile_id

ATTEMPTS = 5


class Profiles:
    def __init__(self, database: Database, clock: Clock, delivery: DeliveryService) -> None:
        self._database = database
        self._clock = clock
        self._delivery = delivery
        self._recognising = Recognising()
        self.forgetting = Forgetting()

    def record(self, connection: Connection, sightings: Sequence[Sighting], now: datetime) -> None:
        """Bring the profiles up to what these events tell, in their order, inside the caller's transaction.

        Raises:
            Overtaken: the transaction must be rolled back and run again.
        """
        by_profile: dict[str, list[Sighting]] = {}
        for seen in sightings:
            by_profile.setdefault(profile_id(seen.store_id, seen.person), []).append(seen)
        if not self._database.exclusive:  # others write too: all are locked at once, in one order
            self._look_and_merge(connection, by_profile, now)
            return
        expected = {id_: self._recognising.seen(id_, seen_of_one) for id_, seen_of_one in by_profile.items()}
        recognised = [each for each in expected.values() if each]
        as_expected = store.note_seen(connection, recognised, now)
        others = {id_: seen for id_, seen in by_profile.items() if not (as_expected and expected[id_])}
        for profile in self._look_and_merge(connection, others, now) if others else ():
            self._recognising.remember(profile)

    def _look_and_merge(
        self, connection: Connection, by_profile: Mapping[str, Sequence[Sighting]], now: datetime
    ) -> Iterable[Profile]:
        """Raises Overtaken."""
        known = store.lock_all(connection, by_profile)
        new: list[Profile] = []
        changed: list[Profile] = []
        merely_seen: list[Profile] = []
        for id_, seen_of_one in by_profile.items():
            before = known.get(id_)
            profile = before or first_profile(seen_of_one[0].store_id, seen_of_one[0].person, now)
            for seen in seen_of_one:
                profile = after_sighting(profile, seen, now)
            if before is None:
                new.append(profile)
            else:
                (merely_seen if profile.attributes is before.attributes else changed).append(profile)
        store.insert_all(connection, new)
        store.update_all(connection, changed)
        store.note_events(connection, merely_seen)
        return (*new, *changed, *merely_seen)

    def change(self, connection: Connection, store_id: str, changes: Sequence[ProfileChange], *, history: bool) -> int:
        """Bring profiles up to these changes, in their order, and put what must be told to Klaviyo into the outbox.

        Works inside the caller's transaction; say ``wake`` after its commit. ``history``: never delays what is live. Returns how
        many people Klaviyo is to be told of; what is known already, or is older than what is known, is not told again.

        Raises:
            Rejected: a change names nobody or is too large; nothing was written.
        """
        told = [read_change(each) for each in changes]
        now = self._clock.now()
        ids = {profile_id(store_id, each.person): each.person for each in told}
        store.insert_missing(connection, [first_profile(store_id, person, now) for person in ids.values()])
        known = store.lock_all(connection, ids)
        news: dict[str, News] = {}
        for each in told:
            id_ = profile_id(store_id, each.person)
            if after := after_change(known[id_], each, now):
                known[id_], fresh = after
                news[id_] = together(news[id_], fresh) if id_ in news else fresh
        told_of = [self._deliver(connection, known[id_], each, now, history=history) for id_, each in news.items()]
        store.update_all(connection, [profile for profile, _ in told_of])
        self._delivery.put(connection, [delivery for _, delivery in told_of])
        return len(told_of)

    def _deliver(
        self, connection: Connection, profile: Profile, news: News, now: datetime, *, history: bool
    ) -> tuple[Profile, Deliver]:
        """What waits about a person is told together with the news: at most one change of each person ever waits."""
        id_ = new_id(now)
        before = self._delivery.supersede(connection, profile.delivery_id, id_) if profile.delivery_id else None
        waits = before if before and before.state is State.SUPERSEDED else None
        subject_json, profile_json = texts(news, (waits.subject_json, waits.profile_json) if waits else None)
        delivery = Deliver(
            id=id_,
            store_id=profile.store_id,
            family=Family.PROFILES,
            history=history and (waits is None or waits.history),
            person=profile.person,
            unique_id=news.unique_id or id_,
            subject_json=subject_json,
            profile_json=profile_json,
            accepted_at=now,
        )
        return msgspec.structs.replace(profile, delivery_id=id_), delivery

    def wake(self, store_id: str) -> None:
        """Say, after the commit, that something new waits."""
        self._delivery.wake(store_id, Family.PROFILES)

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
