"""What messages about products, prices, categories and stock mean for Klaviyo's catalogue.

All of them make us read the thing anew: so whatever arrives late, twice or in a wrong order tells of the newest state.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from ferrata.sources.commercetools import products, stock, taxonomy
from ferrata.sources.commercetools.found import Found
from ferrata.sources.commercetools.notification import Notification
from ferrata.sources.commercetools.order_rules import nothing
from ferrata.sources.commercetools.reading import Json, listed, within, word
from ferrata.sources.contract import CatalogChange, Lookup, Mapped


def product_lookups(seen: Notification, found: Found) -> Sequence[Lookup]:
    return _with_prices(Lookup("product", seen.resource_id), found)


def product(seen: Notification, found: Found) -> Mapped:
    """The item and its variants, as published."""
    known, read_at = found.one("product", seen.resource_id), found.read_at("product", seen.resource_id)
    told = _product(known, found, read_at)
    return msgspec.structs.replace(told, catalog=(*told.catalog, *_variant_gone(seen, known, read_at)))


def _variant_gone(seen: Notification, known: Json | None, read_at: datetime) -> Sequence[CatalogChange]:
    """The variant that the message says is deleted, also where somebody else has told Klaviyo of it."""
    sku = word(within(seen.body, "variant", "sku"))
    if seen.type != "ProductVariantDeleted" or not sku or sku in products.skus_of(known or {}):
        return ()
    return (CatalogChange(kind="variant", action="delete", external_id=sku, changed_at=read_at),)


def product_gone(seen: Notification, found: Found) -> Mapped:
    at = seen.at or found.at
    gone = CatalogChange(kind="item", action="delete", external_id=seen.resource_id, changed_at=at, version=seen.version)
    return Mapped(catalog=(gone,))


def price_lookups(seen: Notification, found: Found) -> Sequence[Lookup]:
    sku = _sku(seen)
    return _with_prices(Lookup("product_of_sku", sku), found) if sku else ()


def price(seen: Notification, found: Found) -> Mapped:
    """The product of the variant whose standalone price has changed."""
    sku = _sku(seen)
    if not sku:
        return nothing("price", "the message does not say of which SKU")
    return _product(found.one("product_of_sku", sku), found, found.read_at("product_of_sku", sku))


def category_lookups(seen: Notification, found: Found) -> Sequence[Lookup]:
    return (Lookup("category", seen.resource_id), *_below(seen))


def category(seen: Notification, found: Found) -> Mapped:
    """The category; and those below it, whose names hold its name."""
    known, read_at = found.one("category", seen.resource_id), found.read_at("category", seen.resource_id)
    if known is None:
        return nothing("category", "commercetools has no such category any more")
    below = [each for look in _below(seen) for each in found.many(look.what, look.key) if _is_below(each, seen.resource_id)]
    return Mapped(catalog=tuple(category_change(each, found, read_at) for each in (known, *below)))


def category_gone(seen: Notification, found: Found) -> Mapped:
    at = seen.at or found.at
    gone = CatalogChange(kind="category", action="delete", external_id=seen.resource_id, changed_at=at, version=seen.version)
    return Mapped(catalog=(gone,))


def category_change(known: Json, found: Found, read_at: datetime) -> CatalogChange:
    """A category under its whole path, of which each name may change without a new version of this category."""
    name = taxonomy.SEPARATOR.join(taxonomy.path(known, found.settings.locales)) or str(known.get("key") or known.get("id"))
    id_, version = str(known.get("id")), known.get("version")
    attributes = {"name": name}
    return CatalogChange(
        kind="category", action="put", external_id=id_, changed_at=read_at, attributes=attributes, version=version
    )


def product_changes(known: Json, found: Found, read_at: datetime) -> Mapped:
    """Of a published product. Prices: embedded, or standalone ones by SKU."""
    standalone = known.get("priceMode") == "Standalone"

    def prices_of(variant: Json) -> Sequence[Json] | None:
        if standalone:
            return found.many("standalone_prices", str(variant.get("sku")))
        return listed(variant["prices"]) if isinstance(variant.get("prices"), list) else None

    catalog, skipped = products.changes(known, found.settings, prices_of, read_at, found.at)
    return Mapped(catalog=(*_categories_of(known, found, read_at), *catalog), skipped=skipped)


def _categories_of(known: Json, found: Found, read_at: datetime) -> list[CatalogChange]:
    """The categories that came along: Klaviyo takes no item in a category that it does not have."""
    by_id: dict[str, CatalogChange] = {}
    for chain in taxonomy.chains(known):
        for each, above in chain:
            change = category_change({**each, "ancestors": above}, found, read_at)
            by_id.setdefault(change.external_id, change)
    return list(by_id.values())


def inventory_lookups(seen: Notification, found: Found) -> Sequence[Lookup]:
    if seen.type in _ENTRY_GONE:
        sku = _sku(seen)
        return [Lookup("inventory_of_sku", sku)] if sku else ()
    wanted = Lookup("inventory", seen.resource_id)
    entry = found.one(wanted.what, wanted.key)
    if entry is not None and found.settings.product.inventory.chosen and entry.get("sku"):
        return [wanted, Lookup("inventory_of_sku", str(entry["sku"]))]
    return [wanted]


def inventory(seen: Notification, found: Found) -> Mapped:
    """How many pieces of the variant there are now."""
    entry = found.one("inventory", seen.resource_id)
    if entry is None:
        return nothing("stock", "commercetools has no such inventory entry any more")
    channels, sku = found.settings.product.inventory.chosen, str(entry.get("sku") or "")
    if not sku:
        return nothing("stock", "the entry names no SKU")
    if not stock.concerns(entry, channels):
        return nothing("stock", "it is that of a supply channel that the settings do not name")
    others = [
        each for each in found.many("inventory_of_sku", sku) if each.get("sku") == sku and each.get("id") != entry.get("id")
    ]
    return _stock(sku, stock.of_entries([entry, *others], channels) or 0, found.read_at("inventory", seen.resource_id))


def inventory_gone(seen: Notification, found: Found) -> Mapped:
    """What is left of the variant in other entries; nothing if there are none."""
    channels, sku = found.settings.product.inventory.chosen, _sku(seen)
    if not sku:
        return nothing("stock", "the message does not say of which SKU")
    if not stock.concerns(seen.body, channels):
        return nothing("stock", "it was that of a supply channel that the settings do not name")
    left = [each for each in found.many("inventory_of_sku", sku) if each.get("sku") == sku]
    return _stock(sku, stock.of_entries(left, channels) or 0, found.at)


_ENTRY_GONE = ("InventoryEntryDeleted", "ResourceDeleted")


def _stock(sku: str, pieces: int, at: datetime) -> Mapped:
    attributes = {"inventory_policy": 1, "inventory_quantity": pieces, "published": True}
    return Mapped(catalog=(CatalogChange(kind="variant", action="patch", external_id=sku, changed_at=at, attributes=attributes),))


def _product(known: Json | None, found: Found, read_at: datetime) -> Mapped:
    if known is None:
        return nothing("product", "commercetools has no such product any more")
    if not products.is_published(known):
        return nothing("product", "it is not published")
    return product_changes(known, found, read_at)


def _with_prices(wanted: Lookup, found: Found) -> Sequence[Lookup]:
    """The product; and, once it is known to have them, its standalone prices."""
    return [wanted, *standalone_lookups(found.one(wanted.what, wanted.key))]


def standalone_lookups(known: Json | None) -> list[Lookup]:
    if known is None or within(known, "priceMode") != "Standalone":
        return []
    return [Lookup("standalone_prices", sku) for sku in products.skus_of(known)]


def _below(seen: Notification) -> Sequence[Lookup]:
    """A new category has nothing below it yet."""
    return () if seen.is_change is False and not seen.payload_missing else (Lookup("categories_below", seen.resource_id),)


def _is_below(known: Json, id_: str) -> bool:
    return any(ancestor.get("id") == id_ for ancestor in listed(known.get("ancestors")))


def _sku(seen: Notification) -> str:
    told = within(seen.body, "resourceUserProvidedIdentifiers", "sku") or seen.body.get("sku")
    told = told or within(seen.body, "standalonePrice", "sku") or within(seen.body, "inventoryEntry", "sku")
    return str(told or "")
