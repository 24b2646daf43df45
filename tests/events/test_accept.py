"""Accepting: kept once, together with profile and delivery, or not at all."""

import asyncio
import json

import pytest
from sqlalchemy import func, select

from ferrata.delivery.models import deliveries
from ferrata.delivery.service import DeliveryService
from ferrata.events.errors import EventIdTaken
from ferrata.events.models import event_minutes
from ferrata.events.models import events as events_table
from ferrata.events.schemas import Incoming, Receipt, Refusal
from ferrata.events.service import Events
from ferrata.events.validation import event_from, read_event
from ferrata.infra.database import Database
from ferrata.infra.errors import Overloaded
from ferrata.kit.clock import MovedClock
from ferrata.profiles.service import Profiles
from tests.conftest import START
from tests.events.conftest import STORE


def event(**fields: object) -> Incoming:
    return event_from({"eventName": "Purchase", "email": "jane@shop.com"} | fields, START)


async def count(database: Database, table: object) -> int:
    return await database.read(lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one())


class TestAcceptedEvent:
    async def test_is_kept_with_its_profile_and_its_delivery(
        self, events: Events, database: Database, delivery: DeliveryService, profiles: Profiles
    ) -> None:
        [receipt] = await events.accept(STORE, [event(profileAttributes={"firstName": "Jane"})], "api")
        assert await count(database, events_table) == 1
        story = await delivery.story(receipt.event.id)
        assert story is not None
        assert json.loads(story.subject_json)["unique_id"] == receipt.event.id
        assert json.loads(story.profile_json)["attributes"] == {"email": "jane@shop.com", "first_name": "Jane"}
        profile = await profiles.find(STORE, "jane@shop.com")
        assert profile is not None
        assert profile.attributes.to_json() == '{"first_name":"Jane"}'
        assert profile.last_event_name == "Purchase"

    async def test_is_counted_in_its_minute(self, events: Events, database: Database) -> None:
        await asyncio.gather(*(events.accept(STORE, [event()], "api") for _ in range(20)))
        query = select(func.sum(event_minutes.c.accepted)).where(event_minutes.c.minute == START)
        assert await database.read(lambda connection: connection.execute(query).scalar_one()) == 20

    async def test_that_names_nobody_is_kept_and_not_delivered(self, events: Events, database: Database) -> None:
        [receipt] = await events.accept(STORE, [event_from({"eventName": "Page View"}, START)], "api")
        assert not receipt.event.deliverable
        assert await count(database, events_table) == 1
        assert await count(database, deliveries) == 0

    async def test_is_refused_whole_when_too_much_waits(
        self, database: Database, clock: MovedClock, profiles: Profiles, delivery: DeliveryService
    ) -> None:
        events = Events(database, clock, profiles, delivery, worker="test", longest_queue=1)
        await events.accept(STORE, [event()], "api")
        clock.advance(10)
        with pytest.raises(Overloaded):
            await events.accept(STORE, [event()], "api")
        assert await count(database, events_table) == 1


class TestSameEventId:
    async def test_with_the_same_content_gives_the_first_receipt(
        self, events: Events, database: Database, clock: MovedClock
    ) -> None:
        [first] = await events.accept(STORE, [event(eventId="o-1", eventAttributes={"a": 1, "b": [2.50]})], "api")
        body = b'{"email":" JANE@shop.com","eventId":"o-1","eventName":"Purchase","eventAttributes":{ "b":[2.5],"a":1}}'
        clock.advance(60)
        [again] = await events.accept(STORE, [read_event(body, clock.now())], "api")
        assert again.event == first.event
        assert again.repeated
        assert await count(database, deliveries) == 1

    @pytest.mark.parametrize(
        ("later", "named"),
        [
            ({"eventName": "Refund"}, "eventName"),
            ({"email": "joe@shop.com"}, "email"),
            ({"value": 2}, "value"),
            ({"eventAttributes": {"a": 2}}, "eventAttributes"),
            ({"eventAttributes": {"a": "1"}}, "eventAttributes"),
            ({"profileAttributes": {"firstName": "J"}}, "profileAttributes"),
            ({"time": "2026-01-01T00:00:00Z"}, "time"),
            ({"backfill": True}, "backfill"),
        ],
    )
    async def test_with_another_content_is_refused_and_the_first_counts(
        self, events: Events, database: Database, later: dict[str, object], named: str
    ) -> None:
        await events.accept(STORE, [event(eventId="o-1", eventAttributes={"a": 1})], "api")
        with pytest.raises(EventIdTaken) as refused:
            await events.accept(STORE, [event(eventId="o-1", **({"eventAttributes": {"a": 1}} | later))], "api")
        assert named in refused.value.problems[0].message
        assert await count(database, events_table) == 1

    async def test_fifty_times_at_once_is_kept_once(self, events: Events, database: Database) -> None:
        receipts = await asyncio.gather(*(events.accept(STORE, [event(eventId="o-1")], "api") for _ in range(50)))
        assert len({receipt.event.id for [receipt] in receipts}) == 1
        assert [receipt.repeated for [receipt] in receipts].count(False) == 1
        assert await count(database, events_table) == 1
        assert await count(database, deliveries) == 1

    async def test_from_several_processes_at_once_is_kept_once(
        self, database: Database, clock: MovedClock, profiles: Profiles, delivery: DeliveryService
    ) -> None:
        rooms = [Events(database, clock, profiles, delivery, worker=f"w{n}", longest_queue=1000) for n in range(4)]
        ids = [f"o-{n}" for n in range(25)]
        given = await asyncio.gather(
            *(rooms[n % 4].accept(STORE, [event(eventId=id_, email=f"{id_}@shop.com")], "api") for id_ in ids for n in range(8))
        )
        assert len({receipt.event.id for [receipt] in given}) == 25
        assert await count(database, events_table) == 25
        assert await count(database, deliveries) == 25

    async def test_in_another_store_is_another_event(self, events: Events, database: Database) -> None:
        await events.accept(STORE, [event(eventId="o-1")], "api")
        await events.accept("other", [event(eventId="o-1", value=5)], "api")
        assert await count(database, events_table) == 2

    @pytest.mark.parametrize("pair", [("a", "A"), ("a", "a "), ("é", "e\u0301")])
    async def test_is_compared_exactly(self, events: Events, database: Database, pair: tuple[str, str]) -> None:
        for n, id_ in enumerate(pair):
            await events.accept(STORE, [event(eventId=id_, value=n)], "api")
        assert await count(database, events_table) == 2


class TestBulk:
    async def test_is_kept_in_its_order(self, events: Events) -> None:
        receipts = await events.accept(STORE, [event(eventName=f"m{n}", email=f"p{n % 7}@shop.com") for n in range(300)], "api")
        assert [receipt.event.metric for receipt in receipts] == [f"m{n}" for n in range(300)]
        ids = [receipt.event.id for receipt in receipts]
        assert ids == sorted(ids)

    async def test_with_one_contradiction_keeps_nothing(self, events: Events, database: Database) -> None:
        await events.accept(STORE, [event(eventId="o-1")], "api")
        with pytest.raises(EventIdTaken) as refused:
            await events.accept(STORE, [event(eventId="o-2"), event(eventId="o-1", value=3)], "api")
        assert refused.value.problems[0].path == "events.1.eventId"
        assert await count(database, events_table) == 1
        [receipt] = await events.accept(STORE, [event(eventId="o-2", value=9)], "api")
        assert not receipt.repeated

    async def test_each_for_itself_keeps_the_good_ones(self, events: Events, database: Database) -> None:
        await events.accept(STORE, [event(eventId="o-1")], "api")
        bad = Refusal(400, ())
        answers = await events.accept_each(STORE, [bad, event(eventId="o-2"), event(eventId="o-1", value=3), event()], "api")
        assert answers[0] is bad
        assert isinstance(answers[1], Receipt)
        assert isinstance(answers[2], Refusal)
        assert answers[2].status == 409
        assert answers[2].problems[0].path == "events.2.eventId"
        assert isinstance(answers[3], Receipt)
        assert await count(database, events_table) == 3

    async def test_answers_one_event_id_twice_with_one_event(self, events: Events, database: Database) -> None:
        first, second = await events.accept(STORE, [event(eventId="o-1"), event(eventId="o-1")], "api")
        assert first.event.id == second.event.id
        assert second.repeated
        assert await count(database, events_table) == 1


class TestProfile:
    async def test_takes_up_what_later_events_tell(self, events: Events, profiles: Profiles) -> None:
        await events.accept(STORE, [event(profileAttributes={"firstName": "Jane", "tier": 1.10, "last_name": "D"})], "api")
        await events.accept(STORE, [event(eventName="Refund", profileAttributes={"first_name": "J", "size": 4})], "api")
        profile = await profiles.find(STORE, "jane@shop.com")
        assert profile is not None
        assert profile.attributes.to_json() == '{"first_name":"J","last_name":"D","properties":{"tier":1.1,"size":4}}'
        assert profile.last_event_name == "Refund"

    async def test_moves_on_by_an_event_without_attributes(self, events: Events, profiles: Profiles) -> None:
        await events.accept(STORE, [event(profileAttributes={"firstName": "Jane"})], "api")
        await events.accept(STORE, [event(eventName="Refund")], "api")
        profile = await profiles.find(STORE, "jane@shop.com")
        assert profile is not None
        assert profile.last_event_name == "Refund"
        assert profile.attributes.to_json() == '{"first_name":"Jane"}'

    async def test_is_not_set_back_by_history(self, events: Events, profiles: Profiles) -> None:
        await events.accept(STORE, [event(profileAttributes={"firstName": "New"})], "api")
        old = event(eventName="Old", time="2020-01-01T00:00:00Z", profileAttributes={"firstName": "Old", "lastName": "D"})
        await events.accept(STORE, [old], "import")
        profile = await profiles.find(STORE, "jane@shop.com")
        assert profile is not None
        assert json.loads(profile.attributes.to_json()) == {"first_name": "New", "last_name": "D"}
        assert profile.last_event_name == "Purchase"

    async def test_survives_many_writers_at_once(
        self, database: Database, clock: MovedClock, profiles: Profiles, delivery: DeliveryService
    ) -> None:
        rooms = [Events(database, clock, profiles, delivery, worker=f"w{n}", longest_queue=100_000) for n in range(4)]
        people = [f"p{n}@shop.com" for n in range(10)]
        await asyncio.gather(
            *(
                rooms[n % 4].accept(STORE, [event(email=email, profileAttributes={f"k{n}": n}) for email in people], "api")
                for n in range(40)
            )
        )
        for email in people:
            profile = await profiles.find(STORE, email)
            assert profile is not None
            assert set(profile.attributes.properties) == {f"k{n}" for n in range(40)}
