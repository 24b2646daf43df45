"""A published product as a catalogue item and its variants."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ferrata.catalog.schemas import Relationships
from ferrata.sources.commercetools import prices, stock, taxonomy
from ferrata.sources.commercetools.links import product_url
from ferrata.sources.commercetools.reading import Json, listed, number, text_in
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import CatalogChange, Skipped

LONGEST_SKU = 255
PricesOf = Callable[[Json], Sequence[Json] | None]
"""The prices of a variant; None where it says nothing of prices."""


def is_published(product: Json) -> bool:
    data = product.get("masterData")
    return bool((data if isinstance(data, dict) else product).get("published"))


def variants_of(product: Json) -> list[Json]:
    data = taxonomy.data_of(product)
    return listed([data.get("masterVariant"), *listed(data.get("variants"))])


def skus_of(product: Json) -> list[str]:
    return [sku for sku in map(sku_of, variants_of(product)) if sku]


def sku_of(variant: Json) -> str:
    """By which Klaviyo knows the variant; empty where there is none that Klaviyo takes."""
    sku = str(variant.get("sku") or "")
    return sku if sku.strip() and len(sku) <= LONGEST_SKU else ""


def changes(
    product: Json, settings: CommercetoolsSettings, prices_of: PricesOf, read_at: datetime, at: datetime
) -> tuple[tuple[CatalogChange, ...], tuple[Skipped, ...]]:
    """The item, then its variants; variants without a SKU have no name in Klaviyo and are told as skipped.

    Prices are those of ``at``. A variant has no version: its stock changes without the product.
    """
    id_, variants = str(product.get("id")), variants_of(product)
    about = _Product(product, settings, prices_of, at)
    relationships = Relationships(categories=taxonomy.ids_of_product(product), variants=tuple(dict.fromkeys(skus_of(product))))
    item = CatalogChange(
        kind="item",
        action="put",
        external_id=id_,
        changed_at=read_at,
        attributes=about.item(variants[0] if variants else {}),
        relationships=relationships,
        version=product.get("version"),
    )
    sold = [
        CatalogChange(
            kind="variant",
            action="put",
            external_id=sku_of(variant),
            changed_at=read_at,
            attributes=about.variant(variant),
            relationships=Relationships(item=id_),
        )
        for variant in variants
        if sku_of(variant)
    ]
    unnamed = len(variants) - len(sold)
    skipped = [Skipped(f"{unnamed} of {len(variants)} variants", "they have no SKU that Klaviyo takes")] if unnamed else []
    if not variants:
        skipped.append(Skipped("variants", "the product has none of its own: the Modular catalogue model is not followed"))
    return (item, *sold), tuple(skipped)


class _Product:
    """What the item and its variants have in common."""

    def __init__(self, product: Json, settings: CommercetoolsSettings, prices_of: PricesOf, at: datetime) -> None:
        self._data, self._settings, self._prices_of, self._at = taxonomy.data_of(product), settings, prices_of, at
        self._id, self._key = str(product.get("id")), str(product.get("key") or "")

    def item(self, master: Json) -> dict[str, Any]:
        price = self._price(master)
        return {**self._shared(master), "price": price}

    def variant(self, variant: Json) -> dict[str, Any]:
        channels = self._settings.product.inventory.chosen
        sold = {
            "sku": sku_of(variant),
            "price": self._price(variant) or 0,  # Klaviyo takes no variant without a price
            "inventory_policy": 1,
            "inventory_quantity": stock.of_variant(variant, channels),
        }
        return {**self._shared(variant), **sold}

    def _shared(self, variant: Json) -> dict[str, Any]:
        images = listed(variant.get("images"))
        return {
            "published": True,
            "title": self._text("name") or self._key or self._id,
            "description": self._text("description"),
            "url": self._url(variant),
            "image_full_url": images[0].get("url") if images else None,
            "custom_metadata": self._metadata(variant),
        }

    def _price(self, variant: Json) -> int | float | None:
        settings = self._settings
        found = prices.shown(self._prices_of(variant) or (), settings.preferred_currency, settings.product.prices, self._at)
        money = prices.value(found)
        return number(money.amount) if money else None

    def _metadata(self, variant: Json) -> dict[str, str]:
        told = {f"{name}_json": _by_locale(name, self._data.get(field)) for name, field in (("title", "name"), ("slug", "slug"))}
        known = self._prices_of(variant)
        return told if known is None else told | prices.metadata(known, self._settings.product.prices, self._at)

    def _url(self, variant: Json) -> str:
        values = {
            "productSlug": self._text("slug"),
            "productId": self._id,
            "productKey": self._key,
            "productName": self._text("name"),
            "sku": str(variant.get("sku") or ""),
            "locale": self._settings.preferred_locale,
        }
        return product_url(self._settings.product_url_template, values)

    def _text(self, name: str) -> str:
        return text_in(self._data.get(name), self._settings.locales)


def _by_locale(name: str, texts: Any) -> str:
    known: Mapping[str, Any] = texts if isinstance(texts, dict) else {}
    return prices.written({f"{name}_{locale}": text for locale, text in known.items()})
