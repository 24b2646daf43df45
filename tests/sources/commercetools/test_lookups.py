"""What many messages want to know of commercetools is asked in as few requests as can be."""

import json
from pathlib import Path

import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from ferrata.sources.commercetools import SOURCE
from tests.doors import Doors, open_doors
from tests.sources.commercetools import shop
from tests.sources.commercetools.live import SECRET
from tests.sources.commercetools.mock_api import CommercetoolsMock

pytestmark = pytest.mark.anyio
SETTINGS = {
    "project_key": "shop",
    "client_id": "client",
    "client_secret": "secret",
    "api_url": "http://commercetools.test",
    "auth_url": "http://commercetools.test",
    "push": {"secret": SECRET},
}


async def _deliver(doors: Doors, number: int, product: str) -> None:
    order = shop.order(f"order-{number}", lineItems=[shop.line(f"line-{number}", 1000) | {"productId": product}])
    told = shop.message("OrderCreated", "order", f"order-{number}", order=order) | {"id": f"message-{number}"}
    headers = {"authorization": f"Bearer {SECRET}"}
    answer = await doors.client.post("/sources/commercetools/default", content=json.dumps(told), headers=headers)
    assert (answer.status_code, answer.json()["kept"]) == (202, 1)


async def test_products_of_many_orders_are_asked_for_together(tmp_path: Path, clock: MovedClock) -> None:
    mock = CommercetoolsMock()
    mock.put("products", [shop.product(f"p-{number}") for number in range(12)])
    url = f"sqlite:///{tmp_path / 'ferrata.db'}"
    async with open_doors(url, tmp_path, clock, sources={"commercetools": SOURCE}, source_transport=mock.transport()) as doors:
        sources = doors.wiring.sources
        await sources.configurations.save("default", "commercetools", settings=SETTINGS, rules=None, enabled=True, actor=SYSTEM)
        await _deliver(doors, 0, "p-0")
        assert await sources.work_off("default", "commercetools") == 1  # from here on the API is known to answer
        for number in range(1, 12):
            await _deliver(doors, number, f"p-{number}")
        before = len(mock.asked("/products"))
        assert await sources.work_off("default", "commercetools") == 11
        assert len(mock.asked("/products")) - before == 1
