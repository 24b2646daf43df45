"""What is measured of sources: their messages, what waits, and what should not wait any more."""

import pytest

from ferrata.audit.schemas import SYSTEM
from tests.sources.conftest import STORE, Installed
from tests.sources.shop import order

pytestmark = pytest.mark.anyio


async def _lag(shop: Installed) -> tuple[str, dict[str, str]]:
    shop.clock.advance(3)  # health keeps its answer for two seconds
    report = await shop.wiring.health.report()
    [check] = [each for each in report.checks if each.name == "sources.lag"]
    return check.level.value, dict(check.stores)


class TestTheLag:
    async def test_is_told_of_messages_that_nobody_maps(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1))
        assert await _lag(shop) == ("healthy", {})
        shop.clock.advance(360)
        assert await _lag(shop) == ("degraded", {STORE: "1 of shop wait to be mapped, the oldest for 6 min."})
        await shop.map()
        assert await _lag(shop) == ("healthy", {})

    async def test_is_told_while_the_api_of_the_source_is_away(self, shop: Installed) -> None:
        await shop.set_up()
        shop.api.failures = 1
        await shop.take(order(1, products=["p1"]))
        shop.clock.advance(360)
        await shop.map()
        level, stores = await _lag(shop)
        assert (level, "1 of shop" in stores[STORE]) == ("degraded", True)

    async def test_is_none_while_a_message_waits_for_another_one(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take({"message": "m1", "id": "x", "type": "later", "remembers": ["go"]})
        shop.clock.advance(360)
        await shop.map()
        assert await _lag(shop) == ("healthy", {})

    async def test_is_none_of_a_source_that_is_switched_off(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1))
        configurations = shop.wiring.sources.configurations
        await configurations.save(STORE, "shop", settings=None, rules=None, enabled=False, actor=SYSTEM)
        shop.clock.advance(360)
        assert await _lag(shop) == ("healthy", {})


class TestTheMetrics:
    async def test_count_messages_by_outcome_and_tell_what_waits(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1))
        await shop.map()
        await shop.take(order(2))
        shop.clock.advance(30)
        told, _ = await shop.wiring.metrics.exposition("text/plain")
        lines = told.decode().splitlines()
        label = f'source="shop",store="{STORE}"'
        for outcome, count in {"kept": 2, "mapped": 1, "refused": 0}.items():
            assert f'ferrata_sources_messages_total{{outcome="{outcome}",{label}}} {count}.0' in lines
        assert f"ferrata_sources_waiting{{{label}}} 1.0" in lines
        assert f"ferrata_sources_oldest_seconds{{{label}}} 30.0" in lines
