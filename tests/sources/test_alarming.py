"""What a source alarms people of, and what it does not: strangers alarm nobody, an API or queue that cannot be read does."""

from datetime import timedelta

import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.infra.incidents import Incident, open_incidents
from ferrata.sources.contract import Received
from ferrata.sources.errors import NotSetUp, Unverified
from tests.sources.conftest import STORE, Installed
from tests.sources.shop import SECRET, order, received

pytestmark = pytest.mark.anyio


async def told(shop: Installed) -> list[Incident]:
    """What is open after a look."""
    await shop.sources.watching.look()
    return await shop.wiring.database.read(open_incidents)


async def forged(shop: Installed, count: int) -> None:
    for number in range(count):
        with pytest.raises((Unverified, NotSetUp)):
            await shop.deliver(Received(body=b"%d" % number, at=shop.clock.now(), headers={"x-shop": "guessed"}))


class TestAStranger:
    async def test_alarms_nobody_of_a_source_that_is_not_set_up(self, shop: Installed) -> None:
        await forged(shop, 30)
        assert await told(shop) == []

    async def test_alarms_nobody_with_some_deliveries(self, shop: Installed) -> None:
        await shop.set_up()
        await forged(shop, 9)
        assert await told(shop) == []

    async def test_alarms_nobody_while_what_comes_between_proves_itself(self, shop: Installed) -> None:
        await shop.set_up()
        await forged(shop, 9)
        shop.clock.advance(1)
        await shop.take(order(1))
        shop.clock.advance(1)
        await forged(shop, 9)
        assert await told(shop) == []

    async def test_alarms_once_a_day_at_most_and_as_what_it_is(self, shop: Installed) -> None:
        await shop.set_up()
        for day in range(2):
            await forged(shop, 10)
            [alert] = await told(shop)
            assert (alert.kind, alert.store_id, alert.subject) == ("source.unverified", STORE, "shop")
            for number in range(3):
                shop.clock.advance(60)
                await shop.take(order(10 * day + number))
                assert await told(shop) == [], "what proves itself ends it, and it does not begin again"
                shop.clock.advance(60)
                await forged(shop, 10)
            shop.clock.advance(timedelta(days=1).total_seconds())

    async def test_is_forgotten_after_a_day_of_peace(self, shop: Installed) -> None:
        await shop.set_up()
        await forged(shop, 10)
        assert len(await told(shop)) == 1
        shop.clock.advance(timedelta(hours=25).total_seconds())
        assert await told(shop) == []


class TestAnApi:
    async def test_that_does_not_answer_for_a_quarter_of_an_hour_is_told_until_it_does(self, shop: Installed) -> None:
        await shop.set_up()
        shop.api.failures = 1_000
        await shop.take(order(1, products=["p1"]))
        for _ in range(14):
            await shop.map()
            assert await told(shop) == []
            shop.clock.advance(60)
        shop.clock.advance(60)
        await shop.map()
        [alert] = await told(shop)
        assert (alert.kind, alert.subject, alert.severity) == ("source.failing", "shop API", "critical")
        assert alert.detail.startswith("For 15 minutes at least: Shop's API: The shop is being redecorated.")
        shop.api.failures = 0
        shop.clock.advance(600)
        await shop.map()
        assert await told(shop) == []

    async def test_of_a_source_that_was_switched_off_is_nobodys_matter(self, shop: Installed) -> None:
        await shop.set_up()
        shop.api.failures = 1_000
        await shop.take(order(1, products=["p1"]))
        for _ in range(17):
            await shop.map()
            shop.clock.advance(60)
        assert len(await told(shop)) == 1
        given = {"secret": SECRET}
        await shop.sources.configurations.save(STORE, "shop", settings=given, rules=None, enabled=False, actor=SYSTEM)
        assert await told(shop) == []


class TestWhatTheSourceItselfSent:
    async def test_and_nobody_can_open_is_told(self, shop: Installed) -> None:
        await shop.set_up()
        unreadable = received({"no": "message id"})
        await shop.deliver(unreadable)
        [alert] = await told(shop)
        assert (alert.kind, alert.summary) == ("source.failing", "1 message is refused by the source shop")
