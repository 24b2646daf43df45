"""Forgetting a person: everything that is kept of them goes, and nothing of anybody else."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select, update

from ferrata.audit.models import audit_records
from ferrata.audit.schemas import SYSTEM
from ferrata.carts.models import carts
from ferrata.commerce.tracked import PersonRef, ProfileChange
from ferrata.delivery.models import deliveries
from ferrata.events.models import events
from ferrata.infra.errors import Rejected
from ferrata.profiles.models import profiles
from ferrata.sources.commercetools.mapping import mapped
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import Erased, Mapped, Message, Source
from ferrata.sources.memory_models import source_memory
from ferrata.sources.models import source_messages
from ferrata.sources.schemas import Erasure
from ferrata.sources.stripe.mapping import map_event
from ferrata.sources.stripe.settings import StripeSettings
from tests.sources.conftest import STORE, Installed
from tests.sources.shop import FIRST, order

pytestmark = pytest.mark.anyio
ADA, BOB = "ada@shop.example", "bob@shop.example"


async def kept(shop: Installed) -> dict[str, int]:
    tables = {
        "events": events, "deliveries": deliveries, "profiles": profiles, "messages": source_messages, "memory": source_memory,
        "carts": carts,
    }  # fmt: skip

    def work(connection: Any) -> dict[str, int]:
        return {name: connection.execute(select(func.count()).select_from(table)).scalar_one() for name, table in tables.items()}

    return await shop.wiring.database.read(work)


async def two_people(shop: Installed) -> None:
    """Ada and Bob with an order each, a change told of each, and something remembered of Ada."""
    await shop.set_up()
    teach = {"message": "t", "type": "teach", "id": "t", "at": FIRST.isoformat(), "teaches": {"customer:c-ada-1": ADA}}
    await shop.take(order(1, email=ADA, customer="c-ada-1"), order(2, email=BOB, customer="c-bob-1"), teach)
    await shop.map()
    told = [ProfileChange(PersonRef(each), {"first_name": "A"}, FIRST, f"change:{each}") for each in (ADA, BOB)]
    work = shop.wiring.profiles.change
    await shop.wiring.database.write(lambda connection: work(connection, STORE, told, history=False))


async def erase(shop: Installed, dry_run: bool = False, **named: Any) -> Erasure:
    return await shop.sources.erasing.erase(STORE, PersonRef(**named), SYSTEM, dry_run=dry_run)


class TestAPerson:
    async def test_is_forgotten_wholly_and_nobody_else_is(self, shop: Installed) -> None:
        await two_people(shop)
        before = await kept(shop)
        would = await erase(shop, dry_run=True, email=ADA.upper())
        assert await kept(shop) == before
        done = await erase(shop, email=ADA.upper())
        assert (done.events, done.profiles, done.tellings, done.messages, done.memories) == (1, 1, 1, 2, 1)
        assert (would.events, would.messages, would.dry_run, done.dry_run) == (1, 2, True, False)
        assert await kept(shop) == {"events": 1, "deliveries": 2, "profiles": 1, "messages": 1, "memory": 0, "carts": 0}
        [message] = await shop.messages()
        assert BOB in message.message.body.decode()
        assert (await erase(shop, email=ADA)).events == 0

    async def test_is_found_by_the_shops_id_of_them(self, shop: Installed) -> None:
        await two_people(shop)
        assert (await erase(shop, external_id="c-ada-1")).profiles == 1
        assert (await kept(shop))["messages"] == 1

    async def test_stays_while_something_of_theirs_is_being_sent(self, shop: Installed) -> None:
        await two_people(shop)
        sending = update(deliveries).where(deliveries.c.person == f"email:{ADA}", deliveries.c.family == "events")
        await shop.wiring.database.write(lambda connection: connection.execute(sending.values(state="sending")))
        done = await erase(shop, email=ADA)
        assert done.under_way == 1
        assert (await kept(shop))["profiles"] == 2

    async def test_is_not_named_by_the_audit(self, shop: Installed) -> None:
        await two_people(shop)
        await erase(shop, email=ADA)
        rows = await shop.wiring.database.read(lambda connection: connection.execute(select(audit_records)).all())
        [erased] = [row for row in rows if row.action == "sources.person_erased"]
        assert ADA not in str(rows)
        assert erased.target.startswith("person/")

    async def test_must_be_named(self, shop: Installed) -> None:
        with pytest.raises(Rejected):
            await erase(shop)
        with pytest.raises(Rejected):
            await erase(shop, email="nobody")

    async def test_goes_when_a_message_says_so_and_the_message_with_them(
        self, shop: Installed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await two_people(shop)
        source: Source = shop.sources.configurations.source("shop")
        gone = Mapped(erased=(Erased(PersonRef(ADA), "deleted"),))
        real = source.map
        monkeypatch.setattr(source, "map", lambda m, known, settings: gone if b"gone" in m.body else real(m, known, settings))
        await shop.take({"message": "g", "type": "gone", "id": "g", "email": ADA}, order(3, email=ADA))
        await shop.map()
        assert await kept(shop) == {"events": 1, "deliveries": 2, "profiles": 1, "messages": 1, "memory": 0, "carts": 0}


def _message(document: dict[str, Any]) -> Message:
    body = json.dumps(document).encode()
    return Message(store_id=STORE, kind="x", message_id="1", business_key="1", received_at=FIRST, body=body)


class TestADeletedCustomer:
    @pytest.mark.parametrize(
        ("setting", "told", "is_erased"),
        [
            ("dataErasure", {"dataErasure": True}, True),
            ("dataErasure", {}, False),
            ("always", {}, True),
            ("never", {"dataErasure": True}, False),
        ],
    )
    async def test_of_commercetools_is_forgotten_as_the_settings_say(
        self, setting: str, told: dict[str, Any], is_erased: bool
    ) -> None:
        document = {"notificationType": "ResourceDeleted", "resource": {"typeId": "customer", "id": "c-1"}, "version": 3, **told}
        settings = CommercetoolsSettings.model_validate({"projectKey": "shop", "customer": {"erase": setting}})
        found = mapped(_message(document), {}, settings)
        assert [each.person.external_id for each in found.erased] == (["c-1"] if is_erased else [])
        assert found.skipped

    @pytest.mark.parametrize("setting", ["keep", "erase"])
    async def test_of_stripe_is_forgotten_if_the_settings_say_so(self, setting: str) -> None:
        customer = {"id": "cus_1", "object": "customer", "email": ADA}
        document = {"id": "evt_1", "object": "event", "type": "customer.deleted", "created": 1, "livemode": True}
        message = _message({**document, "data": {"object": customer}})
        found = map_event(message, {}, StripeSettings.model_validate({"customer_deleted": setting}))
        assert [each.person for each in found.erased] == ([PersonRef(ADA, None, "cus_1")] if setting == "erase" else [])
