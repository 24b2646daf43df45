"""Products, prices, categories and stock in Klaviyo's catalogue."""

from typing import Any

import pytest

from ferrata.sources.contract import CatalogChange
from tests.sources.commercetools import shop
from tests.sources.commercetools.driving import history, mapped, settings
from tests.sources.commercetools.mock_api import CommercetoolsMock

PUBLISHED = shop.message("ProductPublished", "product", "shirt")


@pytest.fixture
def mock() -> CommercetoolsMock:
    made = CommercetoolsMock()
    made.put("categories", shop.CATEGORIES)
    made.put("products", [shop.product(variants=2)])
    return made


async def _changes(mock: CommercetoolsMock, told: dict[str, Any], **values: Any) -> tuple[CatalogChange, ...]:
    return (await mapped(mock, settings(**values), told)).catalog


async def _sold(mock: CommercetoolsMock, told: dict[str, Any], **values: Any) -> list[CatalogChange]:
    """The item, then its variants."""
    return [each for each in await _changes(mock, told, **values) if each.kind != "category"]


def _priced(mock: CommercetoolsMock, *prices: dict[str, Any]) -> None:
    mock.resources["products"]["shirt"]["masterData"]["current"]["masterVariant"]["prices"] = list(prices)


class TestAProduct:
    async def test_that_is_published_is_an_item_with_all_its_variants(self, mock: CommercetoolsMock) -> None:
        women, pants, item, *variants = await _changes(mock, PUBLISHED)
        assert [(each.kind, each.attributes["name"]) for each in (women, pants)] == [
            ("category", "Women"),
            ("category", "Women > Pants"),
        ]
        assert (item.external_id, item.action, item.version) == ("shirt", "put", 9)
        assert item.relationships.categories == ("pants", "women")
        assert item.relationships.variants == ("SKU-shirt", "SKU-shirt-2")
        assert item.attributes["url"] == "https://example-store.com/products/shirt"
        assert [(each.external_id, each.relationships.item) for each in variants] == [
            ("SKU-shirt", "shirt"),
            ("SKU-shirt-2", "shirt"),
        ]
        assert variants[1].attributes["image_full_url"] == "https://img.example.com/shirt-2.jpg"

    @pytest.mark.parametrize(
        "told",
        [
            shop.message("ProductUnpublished", "product", "shirt"),
            shop.message("ProductDeleted", "product", "shirt"),
            shop.change("ResourceDeleted", "product", "shirt"),
        ],
    )
    async def test_that_is_gone_is_deleted(self, mock: CommercetoolsMock, told: dict[str, Any]) -> None:
        (gone,) = await _changes(mock, told)
        assert (gone.kind, gone.action, gone.external_id) == ("item", "delete", "shirt")

    async def test_is_told_anew_by_a_change_that_shows_at_once_only(self, mock: CommercetoolsMock) -> None:
        assert await _changes(mock, shop.message("ProductPriceChanged", "product", "shirt", staged=False))
        assert not await _changes(mock, shop.message("ProductPriceChanged", "product", "shirt", staged=True))

    async def test_that_has_lost_a_variant_says_which(self, mock: CommercetoolsMock) -> None:
        lost = shop.message("ProductVariantDeleted", "product", "shirt", staged=False, variant={"id": 3, "sku": "SKU-shirt-3"})
        gone = (await _changes(mock, lost))[-1]
        assert (gone.kind, gone.action, gone.external_id) == ("variant", "delete", "SKU-shirt-3")
        still = shop.message("ProductVariantDeleted", "product", "shirt", staged=False, variant={"id": 2, "sku": "SKU-shirt-2"})
        assert "delete" not in [each.action for each in await _changes(mock, still)]

    async def test_that_was_unpublished_since_is_not_brought_back(self, mock: CommercetoolsMock) -> None:
        mock.put("products", [shop.product(published=False)])
        assert not await _changes(mock, PUBLISHED)

    async def test_without_a_sku_says_that_its_variant_cannot_be_named(self, mock: CommercetoolsMock) -> None:
        del mock.resources["products"]["shirt"]["masterData"]["current"]["masterVariant"]["sku"]
        found = await mapped(mock, settings(), PUBLISHED)
        assert [each.kind for each in found.catalog] == ["category", "category", "item", "variant"]
        assert "no SKU" in found.skipped[0].why


class TestAPrice:
    async def test_of_a_group_or_a_channel_is_not_everybodys(self, mock: CommercetoolsMock) -> None:
        group, channel = {"typeId": "customer-group", "id": "vip"}, {"typeId": "channel", "id": "outlet"}
        cheap = {"value": shop.money(1)}
        _priced(mock, cheap | {"customerGroup": group}, cheap | {"channel": channel}, {"value": shop.money(1200)})
        assert (await _sold(mock, PUBLISHED))[0].attributes["price"] == 12
        outlet = {"prices": {"channel": "outlet"}}
        assert (await _sold(mock, PUBLISHED, product=outlet))[0].attributes["price"] == 0.01

    async def test_that_is_discounted_is_what_is_paid(self, mock: CommercetoolsMock) -> None:
        _priced(mock, {"value": shop.money(1200), "discounted": {"value": shop.money(999)}})
        assert (await _sold(mock, PUBLISHED))[0].attributes["price"] == 9.99

    async def test_of_the_merchants_country_is_preferred(self, mock: CommercetoolsMock) -> None:
        _priced(mock, {"value": shop.money(1200)}, {"value": shop.money(1300), "country": "AT"})
        assert (await _sold(mock, PUBLISHED, product={"prices": {"country": "AT"}}))[0].attributes["price"] == 13
        assert (await _sold(mock, PUBLISHED))[0].attributes["price"] == 12

    async def test_that_stands_alone_is_found_by_sku(self, mock: CommercetoolsMock) -> None:
        mock.put("products", [shop.product(priceMode="Standalone", variants=2)])
        mock.put("standalone-prices", [{"id": "s", "sku": "SKU-shirt", "value": shop.money(4200), "active": True}])
        item, first, second = await _sold(mock, PUBLISHED)
        assert (item.attributes["price"], first.attributes["price"], second.attributes["price"]) == (42, 42, 0)
        told = shop.message("StandalonePriceValueChanged", "standalone-price", "s", sku="SKU-shirt", value=shop.money(4200))
        assert [each.external_id for each in await _sold(mock, told)] == ["shirt", "SKU-shirt", "SKU-shirt-2"]


class TestACategory:
    async def test_that_is_renamed_renames_those_below(self, mock: CommercetoolsMock) -> None:
        mock.resources["categories"]["women"]["name"] = {"en": "Ladies"}
        changes = await _changes(mock, shop.change("ResourceUpdated", "category", "women"))
        assert {each.external_id: each.attributes["name"] for each in changes} == {"women": "Ladies", "pants": "Ladies > Pants"}

    async def test_is_told_even_where_those_below_cannot_be_asked_for(self, mock: CommercetoolsMock) -> None:
        told = shop.change("ResourceUpdated", "category", "women")
        original = mock.answer
        mock.answer = lambda method, path, params, *rest: (  # type: ignore[method-assign] # a stub that knows no predicates
            (400, {"message": "no"}, {}) if dict(params).get("where") else original(method, path, params, *rest)
        )
        assert [each.external_id for each in await _changes(mock, told)] == ["women"]


class TestStock:
    @staticmethod
    def _entry(id_: str, pieces: int, channel: str | None = None) -> dict[str, Any]:
        supply = {"supplyChannel": {"typeId": "channel", "id": channel}} if channel else {}
        return {"id": id_, "version": 1, "sku": "SKU-shirt", "availableQuantity": pieces, **supply}

    async def test_of_nothing_in_the_chosen_channel_is_told(self, mock: CommercetoolsMock) -> None:
        mock.put("inventory", [self._entry("c", 0, shop.CHANNEL), self._entry("general", 100)])
        chosen = {"inventory": {"useChannelInventory": shop.CHANNEL}}
        for id_ in ("c", "general"):
            (change,) = await _changes(mock, shop.change("ResourceUpdated", "inventory-entry", id_), product=chosen)
            assert change.attributes["inventory_quantity"] == 0
        assert (await _sold(mock, PUBLISHED, product=chosen))[1].attributes["inventory_quantity"] == 0

    async def test_of_several_channels_is_added_up(self, mock: CommercetoolsMock) -> None:
        mock.put("inventory", [self._entry("a", 3, "a"), self._entry("b", 4, "b"), self._entry("x", 9, "x")])
        chosen = {"inventory": {"channels": ["a", "b"]}}
        (change,) = await _changes(mock, shop.change("ResourceUpdated", "inventory-entry", "a"), product=chosen)
        assert change.attributes["inventory_quantity"] == 7

    async def test_of_a_new_entry_and_of_a_deleted_one_is_told(self, mock: CommercetoolsMock) -> None:
        mock.put("inventory", [self._entry("general", 5)])
        (change,) = await _changes(mock, shop.message("InventoryEntryCreated", "inventory-entry", "general"))
        assert (change.action, change.attributes["inventory_quantity"]) == ("patch", 5)
        mock.resources["inventory"].clear()
        (change,) = await _changes(mock, shop.message("InventoryEntryDeleted", "inventory-entry", "general", sku="SKU-shirt"))
        assert change.attributes["inventory_quantity"] == 0


class TestTheHistoryOfTheCatalogue:
    async def test_tells_published_products_and_all_categories(self, mock: CommercetoolsMock) -> None:
        mock.put("products", [shop.product("hat"), shop.product("draft", published=False)])
        items = [
            each.external_id for one in await history(mock, settings(), "products") for each in one.catalog if each.kind == "item"
        ]
        assert sorted(items) == ["hat", "shirt"]
        names = [one.catalog[0].attributes["name"] for one in await history(mock, settings(), "categories")]
        assert sorted(names) == ["Women", "Women > Pants"]
