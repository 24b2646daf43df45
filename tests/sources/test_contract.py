"""The tests' own shop fulfils the contract that every source must."""

import json
from collections.abc import Sequence
from typing import ClassVar

from ferrata.sources.contract import Received
from tests.conftest import START
from tests.sources.contract import SourceContract
from tests.sources.shop import SECRET, Shop, order, received


class TestTheShop(SourceContract):
    source = Shop()
    settings: ClassVar = {"secret": SECRET, "with_api": False}
    lookups: ClassVar = {"product/p1": {"name": "Boots"}}

    def deliveries(self) -> Sequence[Received]:
        documents = [
            [order(1), order(2)],
            order(3, products=["p1"]),
            {"message": "c", "type": "cart", "id": "c"},
            {"message": "bad", "type": "refuse", "id": "x"},
        ]
        return [received(each, START) for each in documents]

    def forged(self) -> Received:
        return Received(body=json.dumps(order(1)).encode(), at=START, headers={"x-shop": "forged"})
