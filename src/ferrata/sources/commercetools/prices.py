"""Which of a variant's prices is shown, and what templates learn of the others.

As commercetools itself chooses: the customer group's before the channel's before the country's, a price with a time before one
without. Prices of groups and channels that the merchant has not named are never shown to everybody.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ferrata.commerce.money import Money
from ferrata.sources.commercetools.countries import COUNTRIES
from ferrata.sources.commercetools.reading import Json, amount, id_of, instant, number, within
from ferrata.sources.commercetools.settings import Prices

_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def shown(prices: Sequence[Json], currency: str, chosen: Prices, at: datetime) -> Json | None:
    """The price for everybody in this currency (empty: in any) at this time; None if there is none."""
    fit = [price for price in prices if _fits(price, currency, chosen, at)]
    of_country = [price for price in fit if price.get("country") in (None, chosen.country)]
    return min(of_country or fit, key=lambda price: _rank(price, chosen, at), default=None)


def value(price: Json | None) -> Money | None:
    """What is paid: the discounted price where there is one."""
    return amount(within(price, "discounted", "value")) or amount(within(price, "value"))


def compare_at(price: Json | None) -> Money | None:
    return amount(within(price, "value")) if within(price, "discounted", "value") else None


def metadata(prices: Sequence[Json], chosen: Prices, at: datetime) -> dict[str, str]:
    """``price_json`` and ``currency_json``: what a template asks for by currency and by country."""
    by_name: dict[str, int | float] = {}
    currencies: dict[str, str] = {}
    for currency in dict.fromkeys(str(within(price, "value", "currencyCode")) for price in prices):
        price = shown(prices, currency, chosen, at)
        money = value(price)
        if price is None or money is None:
            continue
        paid = number(money.amount)
        countries = (price["country"],) if price.get("country") else COUNTRIES.get(currency, ())
        by_name |= {f"price_{name}": paid for name in (currency, *countries)}
        currencies |= {f"currency_{country}": currency for country in countries}
    return {"price_json": written(by_name), "currency_json": written(currencies)}


def written(fields: Any) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _fits(price: Json, currency: str, chosen: Prices, at: datetime) -> bool:
    money, groups = within(price, "value", "currencyCode"), id_of(price.get("customerGroup"))
    if (currency and money != currency) or price.get("active") is False:
        return False
    if groups not in ("", chosen.customer_group) or id_of(price.get("channel")) not in ("", chosen.channel):
        return False
    return (instant(price.get("validFrom")) or _FIRST) <= at < (instant(price.get("validUntil")) or _LAST)


def _rank(price: Json, chosen: Prices, at: datetime) -> tuple[Any, ...]:
    timed = bool(price.get("validFrom") or price.get("validUntil"))
    starts, ends = instant(price.get("validFrom")) or at, instant(price.get("validUntil")) or _LAST
    specific = (
        not id_of(price.get("customerGroup")),
        not id_of(price.get("channel")),
        price.get("country") != (chosen.country or None),
    )
    return (*specific, not timed, starts if timed else _FIRST, ends)
