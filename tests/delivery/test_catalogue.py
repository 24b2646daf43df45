"""The catalogue on its way to Klaviyo: each thing ends as its newest version says, whatever happens in between."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from ferrata.catalog.schemas import CatalogChange, Relationships
from ferrata.delivery.schemas import Family, State
from klaviyo_sandbox.faults import Conditions, Rule
from tests.delivery.conftest import STORE

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_retries")]

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NEEDED = {"title": "Shoe", "description": "Runs", "url": "https://shop.test/shoe"}
OF_VARIANT = {**NEEDED, "sku": "S-1", "inventory_quantity": 3, "price": 20}


def item(sku="shoe", version=None, action="put", categories=None, at=0, **attributes):
    given = attributes if action != "put" else {**NEEDED, **attributes}
    related = Relationships(categories=categories)
    return CatalogChange("item", action, sku, NOON + timedelta(seconds=at), given, related, version)


def variant(sku="shoe-42", of="shoe", version=None, action="put", at=0, **attributes):
    given = attributes if action != "put" else {**OF_VARIANT, **attributes}
    related = Relationships(item=of)
    return CatalogChange("variant", action, sku, NOON + timedelta(seconds=at), given, related, version)


def category(name="shoes", version=None, action="put", **attributes):
    given = {"name": name, **attributes} if action == "put" else {}
    return CatalogChange("category", action, name, NOON, given, version=version)


def at_klaviyo(desk, kind):
    rows = desk.sandbox.state.all("SELECT external_id, title FROM catalog_things WHERE kind = ? ORDER BY external_id", (kind,))
    return {row["external_id"]: row["title"] for row in rows}


class TestAThing:
    async def test_is_created_then_changed_then_deleted(self, open_desk):
        async with open_desk() as desk:
            for change in (item(version=1), item(version=2, title="Boot"), item(version=3, action="delete")):
                await desk.tell(change)
                await desk.quiet()
            assert desk.told("catalog_item") == ["created shoe", "updated shoe", "deleted shoe"]
            assert desk.requests("catalog-items") == ["POST 201", "PATCH 200", "DELETE 204"]

    async def test_that_klaviyo_has_already_is_changed(self, open_desk):
        async with open_desk(work=False) as desk:
            await desk.tell(item())
        async with open_desk() as desk:
            await desk.quiet()
            await desk.db.write(lambda connection: connection.exec_driver_sql("DELETE FROM catalog_things"))
            await desk.tell(item(title="Boot"))
            await desk.quiet()
            assert desk.requests("catalog-items") == ["POST 201", "POST 409", "PATCH 200"]
            thing = await desk.catalog.get(STORE, "item", "shoe")
            story = await desk.catalog.story(thing)
            assert [attempt.decision for attempt in story.attempts] == [
                "Klaviyo has it already: sent as an update.",
                "Klaviyo took it.",
            ]

    async def test_that_klaviyo_has_lost_is_created_again(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(item(version=1))
            await desk.quiet()
            desk.sandbox.state.execute("DELETE FROM catalog_things")
            await desk.tell(item(version=2, action="patch", title="Boot"))
            await desk.quiet()
            assert desk.requests("catalog-items") == ["POST 201", "PATCH 404", "POST 201"]
            assert at_klaviyo(desk, "item") == {"shoe": "Boot"}

    async def test_of_which_too_little_is_known_dies_and_is_replaced_when_more_is_told(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(item(version=1, action="patch", price=5))
            (state,) = (await desk.quiet()).values()
            assert state is State.DEAD
            await desk.tell(item(version=2))
            assert sorted((await desk.quiet()).values()) == [State.DELIVERED, State.SUPERSEDED]
            assert await desk.dead() == []
            assert at_klaviyo(desk, "item") == {"shoe": "Shoe"}

    async def test_that_is_gone_already_counts_as_deleted(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(item(action="delete"))
            assert list((await desk.quiet()).values()) == [State.DELIVERED]
            assert desk.requests("catalog-items") == ["DELETE 404"]

    async def test_with_a_strange_id_arrives(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(item("A/1 ü%20?#"))
            await desk.tell(item("A/1 ü%20?#", title="Boot"))
            await desk.quiet()
            assert at_klaviyo(desk, "item") == {"A/1 ü%20?#": "Boot"}


class TestTheNewestVersion:
    async def test_wins_over_what_waits_and_what_comes_late(self, open_desk):
        async with open_desk(work=False) as desk:
            for version in (1, 3, 2):
                await desk.tell(item(version=version, title=f"Version {version}"))
        async with open_desk() as desk:
            assert sorted((await desk.quiet()).values()) == [State.DELIVERED, State.SUPERSEDED]
            assert at_klaviyo(desk, "item") == {"shoe": "Version 3"}
            assert desk.told("catalog_item") == ["created shoe"]

    async def test_is_not_sent_again_when_nothing_has_changed(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(item(version=1))
            await desk.tell(item(version=2))
            assert len(await desk.quiet()) == 1

    async def test_of_a_deletion_outlasts_an_older_put(self, open_desk):
        async with open_desk() as desk:
            for change in (item(version=1), item(version=3, action="delete"), item(version=2)):
                await desk.tell(change)
            await desk.quiet()
            assert at_klaviyo(desk, "item") == {}
            await desk.tell(item(version=4, title="Back"))
            await desk.quiet()
            assert at_klaviyo(desk, "item") == {"shoe": "Back"}

    async def test_of_the_stock_is_kept_apart_from_the_product(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(item(), variant(version=7, at=10))
            await desk.tell(variant(action="patch", at=5, inventory_quantity=9))
            await desk.tell(variant(action="patch", at=20, inventory_quantity=8))
            await desk.tell(variant(action="patch", at=15, inventory_quantity=1))
            await desk.tell(variant(version=8, at=12, action="patch", title="Shoe 42"))
            await desk.quiet()
            (row,) = desk.sandbox.state.all("SELECT attributes FROM catalog_things WHERE kind = 'variant'")
            assert '"inventory_quantity":8' in row["attributes"]
            assert '"Shoe 42"' in row["attributes"]

    @pytest.mark.parametrize("effect", ["exec_500", "throttled", "exec_reset"])
    async def test_arrives_through_doubtful_answers(self, open_desk, effect):
        async with open_desk() as desk:
            desk.sandbox.faults.add(Rule(effect, match=Conditions(path="/api/catalog-*"), probability=0.4, seed=5, times=12))
            for version in range(1, 6):
                await desk.tell(*(item(f"i{number}", version=version, title=f"Version {version}") for number in range(8)))
            states = await desk.quiet(40)
            assert set(states.values()) <= {State.DELIVERED, State.SUPERSEDED}
            assert set(at_klaviyo(desk, "item").values()) == {"Version 5"}
            assert len(at_klaviyo(desk, "item")) == 8


class TestWhatBelongsTogether:
    async def test_goes_in_the_order_in_which_klaviyo_can_take_it(self, open_desk):
        async with open_desk(work=False) as desk:
            await desk.tell(variant(), item(categories=("shoes", "sale")), category("sale"), category("shoes"))
        async with open_desk() as desk:
            assert set((await desk.quiet()).values()) == {State.DELIVERED}
            told = desk.told("catalog")
            assert set(told[:2]) == {"created shoes", "created sale"}
            assert told[2:] == ["created shoe", "created shoe-42"]

    async def test_waits_for_what_keeps_failing(self, open_desk):
        async with open_desk() as desk:
            desk.sandbox.faults.add(Rule("server_error", match=Conditions(operation="create_catalog_category"), times=3))
            await desk.tell(category(), item(categories=("shoes",)), variant())
            assert set((await desk.quiet()).values()) == {State.DELIVERED}
            assert desk.requests("catalog-items") == ["POST 201"]

    async def test_follows_when_it_was_told_too_early(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(variant())
            assert await desk.quiet() == {}
            await desk.tell(item(categories=("shoes",)))
            await desk.quiet()
            assert desk.told("catalog") == ["created shoe", "created shoe-42"]
            await desk.tell(category())
            assert set((await desk.quiet()).values()) == {State.DELIVERED}
            assert desk.sandbox.state.one("SELECT count(*) AS n FROM catalog_members")["n"] == 1

    async def test_is_told_although_both_come_in_the_same_moment(self, open_desk):
        async with open_desk(work=False) as desk:
            names = [f"n{number}" for number in range(12)]
            changes = [
                change for name in names for change in (item(name, categories=(name,)), category(name), variant(name, of=name))
            ]
            await asyncio.gather(*(desk.tell(change) for change in changes))
        async with open_desk() as desk:
            assert set((await desk.quiet(40)).values()) <= {State.DELIVERED, State.SUPERSEDED}
            assert desk.sandbox.state.one("SELECT count(*) AS n FROM catalog_members")["n"] == 12
            assert len(at_klaviyo(desk, "variant")) == 12

    async def test_brings_history_forward(self, open_desk):
        async with open_desk(work=False) as desk:
            await desk.tell(category(), history=True)
            await desk.tell(item(categories=("shoes",)))
            (lane,) = [lane for lane in await desk.service.lanes(STORE) if lane.family is Family.CATALOG]
            assert (lane.waiting, lane.waiting_live) == (2, 2)
        async with open_desk() as desk:
            assert set((await desk.quiet()).values()) == {State.DELIVERED}

    async def test_goes_with_its_item(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(item(version=1), variant(version=1))
            await desk.quiet()
            await desk.tell(item(version=2, action="delete"), variant(version=2, action="delete"))
            await desk.tell(variant(version=3, action="delete"))
            assert set((await desk.quiet()).values()) == {State.DELIVERED}
            assert at_klaviyo(desk, "variant") == {}


class TestManyThings:
    async def test_one_that_klaviyo_refuses_holds_up_nobody(self, open_desk):
        async with open_desk() as desk:
            changes = [item(f"i{number:02}", price="free" if number == 30 else number) for number in range(60)]
            await desk.tell(*changes, history=True)
            states = list((await desk.quiet(30)).values())
            assert (states.count(State.DELIVERED), states.count(State.DEAD)) == (59, 1)
            (letter,) = await desk.dead()
            assert (letter.title, letter.reason_pointer) == ("Item: Shoe", "/data/attributes/price")

    async def test_are_taken_over_from_one_that_stopped_in_the_middle(self, open_desk):
        things = [category(), *(item(f"i{number:02}", categories=("shoes",)) for number in range(40))]
        async with open_desk() as desk:
            desk.sandbox.faults.add(Rule("exec_500", match=Conditions(path="/api/catalog-*"), probability=0.5, seed=3))
            await desk.tell(*things)
            await desk.until(lambda: len(desk.told("catalog")) > 10)
        desk.sandbox.faults.clear()
        async with open_desk(name="next") as desk:
            assert set((await desk.quiet(40)).values()) == {State.DELIVERED}
            created = [each for each in desk.told("catalog_item") if each.startswith("created")]
            assert len(created) == len(set(created)) == 40


class TestAVariant:
    async def test_that_its_item_does_not_name_any_more_is_deleted(self, open_desk):
        async with open_desk() as desk:
            both = Relationships(variants=("shoe-42", "shoe-43"))
            await desk.tell(
                replace(item(version=1), relationships=both), variant(), variant("shoe-43"), variant("hat-1", of="hat")
            )
            await desk.tell(item("hat"))
            await desk.quiet()
            await desk.tell(replace(item(version=2), relationships=Relationships(variants=("shoe-43",))), variant("shoe-43"))
            await desk.quiet()
            assert sorted(at_klaviyo(desk, "variant")) == ["hat-1", "shoe-43"]
            await desk.tell(replace(item(version=1), relationships=both))
            assert sorted(at_klaviyo(desk, "variant")) == ["hat-1", "shoe-43"], (
                "what is older deletes nothing and brings nothing back"
            )

    async def test_of_which_only_the_stock_is_known_is_changed_where_klaviyo_has_it_and_left_where_not(self, open_desk):
        async with open_desk() as desk:
            for at, pieces in enumerate((5, 6)):
                await desk.tell(variant("elsewhere", of=None, action="patch", at=at, inventory_quantity=pieces))
                await desk.quiet()
            assert desk.requests("catalog-variants") == ["PATCH 404", "PATCH 404"]
            assert await desk.dead() == []
            await desk.tell(item(), variant("elsewhere", at=2))
            await desk.quiet()
            assert at_klaviyo(desk, "variant") == {"elsewhere": "Shoe"}
