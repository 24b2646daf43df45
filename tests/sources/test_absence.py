"""While the API of a source is away one message asks for all that wait; the first answer lets them go."""

from datetime import timedelta

from ferrata.sources.schemas import State
from tests.sources.conftest import Installed
from tests.sources.shop import order

WAITING = 40


async def away(shop: Installed) -> None:
    """Forty orders wait for an API that does not answer."""
    await shop.set_up()
    shop.api.known = {f"product/p{number}": {"name": "Boots"} for number in range(WAITING)}
    shop.api.failures = 1_000_000
    await shop.take(*(order(number, products=[f"p{number}"]) for number in range(WAITING)))
    await shop.map()


class TestAnApiThatIsAway:
    async def test_is_not_asked_for_every_message(self, shop: Installed) -> None:
        await away(shop)
        first = len(shop.api.asked)
        assert first < 12
        for _ in range(60):
            shop.clock.advance(1)
            await shop.map()
        assert len(shop.api.asked) - first <= 60
        waiting = await shop.messages(State.WAITING)
        assert len(waiting) == WAITING
        assert all(each.reason for each in waiting)

    async def test_is_asked_for_what_comes_meanwhile_at_most_once_a_second(self, shop: Installed) -> None:
        await away(shop)
        before = len(shop.api.asked)
        for number in range(100, 120):
            await shop.take(order(number, products=["p1"]))
            await shop.map()
        assert len(shop.api.asked) - before <= 1

    async def test_holds_up_nothing_that_does_not_need_it(self, shop: Installed) -> None:
        await away(shop)
        await shop.take(order(500))
        await shop.map()
        assert len(await shop.messages(State.MAPPED)) == 1

    async def test_lets_all_go_within_half_a_minute_of_its_return(self, shop: Installed) -> None:
        await away(shop)
        shop.clock.advance(600)
        await shop.map()
        shop.api.failures = 0
        shop.clock.advance(30)
        await shop.map()
        assert len(await shop.messages(State.MAPPED)) >= WAITING - 12, "only what asked itself may still rest"
        shop.clock.advance(31)
        await shop.map()
        assert len(await shop.messages(State.MAPPED)) == WAITING

    async def test_holds_nothing_up_where_it_fails_for_one_thing_alone(self, shop: Installed) -> None:
        await shop.set_up()
        shop.api.known = {"product/good": {"name": "Boots"}}
        shop.api.failures = 1
        await shop.take(order(1, products=["broken"]))
        await shop.map()
        await shop.take(*(order(number, products=["good"]) for number in range(2, 12)))
        await shop.map()
        assert len(await shop.messages(State.MAPPED)) == 10
        put_off = (await shop.messages(State.WAITING))[0]
        assert put_off.next_at is not None
        assert put_off.next_at <= shop.clock.now() + timedelta(seconds=30)
