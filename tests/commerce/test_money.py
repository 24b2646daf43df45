"""Exact amounts: smallest units by ISO 4217, sums within one currency only."""

from decimal import Decimal

import pytest

from ferrata.commerce.money import CurrencyMismatch, Money, exponent


class TestMinorUnits:
    @pytest.mark.parametrize(
        ("units", "currency", "written"),
        [
            (1990, "EUR", "19.90 EUR"),
            (1990, "eur", "19.90 EUR"),
            (1990, "JPY", "1990 JPY"),
            (1990, "KWD", "1.990 KWD"),
            (1990, "TND", "1.990 TND"),
            (1990, "KRW", "1990 KRW"),
            (1990, "CLF", "0.1990 CLF"),
            (1, "USD", "0.01 USD"),
            (0, "USD", "0.00 USD"),
            (-250, "USD", "-2.50 USD"),
            (10**17 + 1, "USD", "1000000000000000.01 USD"),
        ],
    )
    def test_become_major_ones_exactly(self, units: int, currency: str, written: str) -> None:
        assert str(Money.of_minor(units, currency)) == written

    def test_follow_the_sender_where_it_says_how_many_decimals(self) -> None:
        assert Money.of_minor(1990, "JPY", decimals=2).amount == Decimal("19.90")

    @pytest.mark.parametrize(("currency", "decimals"), [("EUR", 2), ("VND", 0), ("BHD", 3), ("HUF", 2), ("UGX", 0), ("IQD", 3)])
    def test_have_the_decimals_of_iso_4217(self, currency: str, decimals: int) -> None:
        assert exponent(currency) == decimals


class TestMoney:
    def test_of_two_currencies_is_never_added(self) -> None:
        with pytest.raises(CurrencyMismatch):
            Money(Decimal(1), "EUR") + Money(Decimal(1), "USD")

    def test_adds_without_the_errors_of_floats(self) -> None:
        assert sum([Money(Decimal("0.10"), "EUR")] * 3, Money.zero("EUR")) == Money(Decimal("0.30"), "EUR")

    @pytest.mark.parametrize("wrong", ["eur", "EURO", "", "E1R", "€€€"])
    def test_has_a_currency_of_three_capital_letters(self, wrong: str) -> None:
        with pytest.raises(ValueError, match="ISO 4217"):
            Money(Decimal(1), wrong)

    @pytest.mark.parametrize("wrong", ["NaN", "Infinity", "-Infinity"])
    def test_is_a_finite_number(self, wrong: str) -> None:
        with pytest.raises(ValueError, match="finite"):
            Money(Decimal(wrong), "EUR")

    @pytest.mark.parametrize(
        ("amount", "currency", "rounded"), [("2.345", "EUR", "2.34"), ("2.355", "EUR", "2.36"), ("2.5", "JPY", "2")]
    )
    def test_rounds_to_the_decimals_of_its_currency_halves_to_even(self, amount: str, currency: str, rounded: str) -> None:
        assert str(Money(Decimal(amount), currency).rounded().amount) == rounded
