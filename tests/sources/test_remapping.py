"""Mapping again what Klaviyo has refused: the mended event takes the place of the frozen one; what Klaviyo has stays."""

import json
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, delete, select, update

from ferrata.audit.schemas import COMMAND_LINE
from ferrata.delivery.models import deliveries
from ferrata.events.schemas import EventFilter
from ferrata.sources.replaying import Remapping
from ferrata.sources.schemas import State, Wanted
from tests.sources.conftest import STORE, Installed
from tests.sources.shop import order

pytestmark = pytest.mark.anyio
MENDED = {"properties": {"Placed Order": {"add": {"Mended": "yes"}}}}


async def _set_state(shop: Installed, id_: str | None, **values: Any) -> None:
    def work(connection: Connection) -> None:
        connection.execute(update(deliveries).where(deliveries.c.id == id_).values(values))

    await shop.wiring.database.write(work)


async def _stands(shop: Installed) -> list[tuple[str, bool]]:
    """Of each delivery its state, and whether its body is the mended one."""
    columns = (deliveries.c.state, deliveries.c.subject_json)
    rows = await shop.wiring.database.read(
        lambda connection: connection.execute(select(*columns).order_by(deliveries.c.id)).all()
    )
    return [(row.state, "Mended" in json.loads(row.subject_json)["properties"]) for row in rows]


async def _look(shop: Installed) -> Remapping:
    return await shop.sources.replaying.look(Wanted(store_id=STORE, kind="shop", states=(State.MAPPED,)))


async def _again(shop: Installed) -> None:
    await shop.sources.replaying.again(Wanted(store_id=STORE, kind="shop", states=(State.MAPPED,)), COMMAND_LINE)
    await shop.map()


class TestAnEventThatKlaviyoRefused:
    async def test_is_replaced_and_sent_again_and_no_other_is(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1), order(2), order(3))
        await shop.map()
        dead, delivered, _ = [made.id for message in await shop.messages() for made in message.made]
        refused = {"finished_at": shop.clock.now(), "reason_code": "invalid", "reason_detail": "Klaviyo says no."}
        await _set_state(shop, dead, state="dead", **refused)
        await _set_state(shop, delivered, state="delivered", finished_at=shop.clock.now())
        await shop.set_up(MENDED)
        look = await _look(shop)
        assert (look.count, look.dead, look.sent) == (3, 1, 1)
        changed = [event for each in look.differences for event in each.changed]
        assert [(event.state, event.sent) for event in changed] == [("dead", True), ("delivered", False), ("waiting", False)]
        assert [msgspec.structs.astuple(field) for field in changed[1].fields] == [("/properties/Mended", None, '"yes"')]
        assert "ignores a unique_id" in changed[1].fate
        await _again(shop)
        assert await _stands(shop) == [("waiting", True), ("delivered", False), ("waiting", False)]
        page = await shop.wiring.events.explorer.page(STORE, EventFilter(), None, 10)
        assert ["Mended" in (row.event.attributes or "") for row in reversed(page.rows)] == [True, False, False]
        assert len(await shop.events()) == 3

    async def test_is_shown_with_what_changes_and_what_would_be_sent_before(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1, total="10.00"), order(2))
        await shop.map()
        assert not (await _look(shop)).differences
        await shop.set_up({"metrics": {"Placed Order": "Bought"}, "properties": {"*": {"drop": ["OrderId"]}}})
        [first, second] = (await _look(shop)).differences
        assert (first.added, first.gone, second.added, second.gone) == ((), (), (), ())
        [event] = first.changed
        fields = {field.pointer: (field.before, field.after) for field in event.fields}
        name = "/metric/data/attributes/name"
        assert fields == {name: ('"Placed Order"', '"Bought"'), "/properties/OrderId": ('"o1"', None)}

    async def test_that_is_forgotten_here_would_be_sent_once_more(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1))
        await shop.map()
        await shop.wiring.database.write(lambda connection: connection.execute(delete(deliveries)))
        look = await _look(shop)
        [event] = look.differences[0].changed
        assert (event.state, event.sent, look.sent) == ("forgotten", True, 1)

    async def test_is_not_replaced_by_the_same_fact_told_in_another_message(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1))
        await shop.map()
        [made] = [made for message in await shop.messages() for made in message.made]
        await _set_state(shop, made.id, state="dead", finished_at=shop.clock.now(), reason_code="invalid")
        await shop.set_up(MENDED)
        await shop.take(order(1) | {"message": "told once more"})
        await shop.map()
        assert await _stands(shop) == [("dead", False)]

    async def test_stays_dead_where_something_newer_took_its_place(self, shop: Installed) -> None:
        await shop.set_up()
        await shop.take(order(1))
        await shop.map()
        [made] = [made for message in await shop.messages() for made in message.made]
        await _set_state(shop, made.id, state="dead", finished_at=shop.clock.now(), superseded_by=made.id)
        await shop.set_up(MENDED)
        await _again(shop)
        assert await _stands(shop) == [("dead", False)]
