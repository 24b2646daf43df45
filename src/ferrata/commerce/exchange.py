"""Amounts of many currencies in one, at a rate that somebody answers for. Where there is no rate, the original stands alone."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from ferrata.commerce.money import Money
from ferrata.commerce.rates import NoRates, Rates
from ferrata.commerce.tracked import TrackedEvent


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """``into`` is the currency in which values are reported; None leaves every amount as it is."""

    into: str | None = None
    rates: Rates = NoRates()

    def value_of(self, money: Money | None, at: datetime) -> "Valued":
        """What an event says about its value: the reported amount, and the properties that keep the original."""
        if money is None:
            return Valued()
        if self.into is None or money.currency == self.into:
            return Valued(money.amount, money.currency)
        rate = self.rates.find(money.currency, self.into, at.astimezone(UTC).date())
        if rate is None:
            note = f"not converted: no rate from {money.currency} to {self.into} on {at.astimezone(UTC):%Y-%m-%d}"
            return Valued(money.amount, money.currency, {"ConversionNote": note})
        converted = Money(money.amount * rate.factor, self.into).rounded()
        kept = {
            "OriginalValue": money.amount,
            "OriginalCurrency": money.currency,
            "ExchangeRate": rate.factor.normalize(),
            "ExchangeRateDate": rate.day.isoformat(),
        }
        return Valued(converted.amount, converted.currency, kept)

    def applied_to(self, event: TrackedEvent) -> TrackedEvent:
        """The event with its value reported in ``into``; what it says of its own stays, and it is never converted twice."""
        if event.value is None or event.currency is None or "OriginalCurrency" in event.properties:
            return event
        valued = self.value_of(Money(event.value, event.currency), event.occurred_at)
        properties = {**event.properties, **valued.properties}
        return msgspec.structs.replace(event, value=valued.value, currency=valued.currency, properties=properties)


class Valued(msgspec.Struct, frozen=True):
    value: Decimal | None = None
    currency: str | None = None
    properties: Mapping[str, Any] = {}
