"""Delivery end to end: what was put in is found at Klaviyo, once."""

import pytest

from ferrata.delivery.schemas import State
from tests.delivery.conftest import event

pytestmark = pytest.mark.anyio


class TestCalm:
    async def test_an_event_is_at_klaviyo_exactly_as_frozen(self, open_desk):
        async with open_desk() as desk:
            item = event(1, colour="grün", price=19.90)
            ids = await desk.put([item])
            assert await desk.settled(ids) == {item.id: State.DELIVERED}
            (stored,) = desk.stored()
            assert stored["unique_id"] == "event-1"
            assert stored["payload"]["properties"]["colour"] == "grün"

    async def test_few_events_go_alone_and_tell_their_story(self, open_desk):
        async with open_desk() as desk:
            items = [event(number) for number in range(5)]
            await desk.settled(await desk.put(items))
            story = await desk.service.story(items[0].id)
            (attempt,) = story.attempts
            assert (attempt.operation, attempt.status, attempt.item_count) == ("POST /api/events", 202, 1)
            assert "ratelimit" in attempt.rate_state


class TestBacklog:
    async def test_thousands_go_in_bulk_once_each_in_the_order_of_each_person(self, open_desk):
        async with open_desk(work=False) as desk:
            items = [event(number, person=f"person{number % 37}@shop.test") for number in range(3000)]
            await desk.put(items)
        async with open_desk() as desk:
            states = await desk.settled([item.id for item in items], 60)
            assert set(states.values()) == {State.DELIVERED}
            stored = desk.stored()
            assert sorted(effect["unique_id"] for effect in stored) == sorted(item.unique_id for item in items)
            for person in range(37):
                numbers = [
                    e["payload"]["properties"]["number"] for e in stored if e["payload"]["properties"]["number"] % 37 == person
                ]
                assert numbers == sorted(numbers)
            requests = [r for r in desk.sandbox.journal.requests if "bulk-create" in r.path]
            assert len(requests) >= 3

    async def test_live_events_overtake_history(self, open_desk):
        async with open_desk(work=False) as desk:
            history = await desk.put([event(number, history=True) for number in range(8000)])
        async with open_desk() as desk:
            await desk.until(desk.unique_ids)
            await desk.settled(await desk.put([event(9_999)]))
            # What was on its way when the live event came goes on; of what still waited, nearly all comes after it.
            assert len(desk.unique_ids()) < len(history) - 1000

    async def test_the_first_of_a_few_persons_go_alone_and_what_follows_them_does_not_overtake(self, open_desk):
        orders, lines = range(10), range(4)
        async with open_desk(work=False) as desk:
            items = [event(order * 10 + line, person=f"person{order}@shop.test") for order in orders for line in lines]
            await desk.put(items)
        async with open_desk() as desk:
            await desk.settled([item.id for item in items])
            for item in items[:: len(lines)]:
                assert [attempt.operation for attempt in (await desk.service.story(item.id)).attempts] == ["POST /api/events"]
            assert len([r for r in desk.sandbox.journal.requests if "bulk-create" in r.path]) >= 1
            stored = [effect["payload"]["properties"]["number"] for effect in desk.stored()]
            for order in orders:
                assert [number for number in stored if number // 10 == order] == [order * 10 + line for line in lines]
