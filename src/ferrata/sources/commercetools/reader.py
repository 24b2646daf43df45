"""Answers what mapping must know first, with as few requests as can be: things of one kind are asked for together."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from ferrata.kit.clock import Clock
from ferrata.sources.commercetools import history, scopes
from ferrata.sources.commercetools.api import Api, Params
from ferrata.sources.commercetools.errors import AccessRefused, QueryRefused
from ferrata.sources.commercetools.found import READ_AT
from ferrata.sources.commercetools.reading import listed, within
from ferrata.sources.commercetools.tokens import Tokens
from ferrata.sources.contract import BackfillPage, LookedUp, Lookup, Span

TOGETHER: Final = 50
PRODUCT: Final[Params] = (("expand", "masterData.current.categories[*].ancestors[*]"),)
_CATEGORY: Final[Params] = (("expand", "ancestors[*]"),)
_ONE: Final[Mapping[str, tuple[str, Params]]] = {
    "customer": ("customers", ()),
    "order": ("orders", ()),
    "payment": ("payments", ()),
    "product": ("products", PRODUCT),
    "category": ("categories", _CATEGORY),
    "inventory": ("inventory", ()),
}


class CommercetoolsReader:
    def __init__(self, api: Api, tokens: Tokens, project: str, clock: Clock) -> None:
        self.api, self._tokens, self._project, self._clock = api, tokens, project, clock
        self._several: Mapping[str, Callable[[str], Awaitable[Any]]] = {
            "orders_of_payment": self._orders_of_payment,
            "categories_below": self._categories_below,
            "inventory_of_sku": self._inventory_of_sku,
            "product_of_sku": self._product_of_sku,
        }

    async def look_up(self, lookups: Sequence[Lookup]) -> LookedUp:
        found: dict[Lookup, Any] = {}
        for chunk in _chunks([look.key for look in lookups if look.what == "product"]):
            products = await self._products(chunk)
            found |= {Lookup("product", id_): products.get(id_) for id_ in chunk}
        for chunk in _chunks([look.key for look in lookups if look.what == "standalone_prices"]):
            prices = await self._standalone_prices(chunk)
            found |= {Lookup("standalone_prices", sku): [each for each in prices if each.get("sku") == sku] for sku in chunk}
        for look in lookups:
            if look not in found:
                found[look] = await self._look(look)
        return found

    async def page(self, backfill: str, cursor: str | None, span: Span) -> BackfillPage:
        return await history.page(self.api, self.look_up, backfill, cursor, span)

    async def check(self) -> str:
        """Raises AccessRefused, Unavailable."""
        if missing := scopes.missing(await self._tokens.scopes(), self._project):
            told = ", ".join(f"{scope} (for {use})" for scope, use in missing.items())
            raise AccessRefused(f"The API client of {self._project} is known, but lacks scopes: {told}.")
        name = within(await self.api.get(""), "name") or self._project
        return f"The project {name} answers, and the API client may read all that is needed."

    async def close(self) -> None:
        await self.api.close()
        await self._tokens.close()

    async def _look(self, look: Lookup) -> Any:
        if look.what in self._several:
            return await self._several[look.what](look.key)
        path, params = _ONE[look.what]
        return self._noted(await self.api.get(f"{path}/{quote(look.key, safe='')}", params))

    async def _products(self, ids: Sequence[str]) -> dict[str, Any]:
        if len(ids) == 1:
            return {ids[0]: self._noted(await self.api.get(f"products/{quote(ids[0], safe='')}", PRODUCT))}
        found = await self._query("products", f"id in ({', '.join(map(quoted, ids))})", (*PRODUCT, ("sort", "id asc")), len(ids))
        return {str(each.get("id")): self._noted(each) for each in found}

    async def _standalone_prices(self, skus: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        where, last = f"sku in ({', '.join(map(quoted, skus))})", ""
        while True:
            after = f" and id > {quoted(last)}" if last else ""
            page = await self._query("standalone-prices", where + after, (("sort", "id asc"),), 500)
            found += page
            if len(page) < 500:
                return found
            last = str(page[-1].get("id"))

    async def _orders_of_payment(self, id_: str) -> list[Any]:
        expanded = (("expand", "paymentInfo.payments[*]"),)
        return await self._query("orders", f"paymentInfo(payments(id = {quoted(id_)}))", expanded, 1)

    async def _product_of_sku(self, sku: str) -> Any:
        one = f"sku = {quoted(sku)}"
        found = await self._query("products", f"masterData(current(masterVariant({one}) or variants({one})))", PRODUCT, 1)
        return self._noted(found[0]) if found else None

    async def _categories_below(self, id_: str) -> list[Any]:
        try:
            return await self._query("categories", f"ancestors(id = {quoted(id_)})", _CATEGORY, 500)
        except QueryRefused:
            return []  # what stands below is an addition: without it the category itself is still told

    async def _inventory_of_sku(self, sku: str) -> list[Any]:
        try:
            return await self._query("inventory", f"sku = {quoted(sku)}", (), 500)
        except QueryRefused:
            return []  # as above

    async def _query(self, path: str, where: str, params: Params, limit: int) -> list[Any]:
        asked = (("limit", str(limit)), ("withTotal", "false"), *params, ("where", where))
        return listed(within(await self.api.get(path, asked), "results"))

    def _noted(self, found: Any) -> Any:
        return {**found, READ_AT: self._clock.now().isoformat()} if isinstance(found, dict) else None


def quoted(text: str) -> str:
    """As a text within a predicate."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _chunks(keys: Sequence[str]) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(keys))
    for start in range(0, len(distinct), TOGETHER):
        yield distinct[start : start + TOGETHER]
