"""Values in one currency: at a rate that somebody answers for, or not at all; the original always stays."""

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ferrata.commerce.exchange import Exchange
from ferrata.commerce.money import Money
from ferrata.commerce.orders import placed_order
from ferrata.commerce.rates import Rate, UnreadableRates, read_ecb, read_table
from ferrata.commerce.terms import Terms
from ferrata.entry.rates import open_rates
from ferrata.infra.errors import Rejected
from tests.commerce.samples import AT, ORDER

FRIDAY, SUNDAY = date(2026, 11, 20), date(2026, 11, 22)
ECB_CSV = "Date,USD,JPY,CYP,\n2026-11-20,1.0850,162.50,N/A,\n2026-11-19,1.0800,161.00,N/A,\n"
ECB_DAY = "Date, USD, JPY, \n20 November 2026, 1.0850, 162.50, \n"
ECB_XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<Cube>
  <Cube time='2026-11-20'><Cube currency='USD' rate='1.0850'/><Cube currency='JPY' rate='162.50'/></Cube>
  <Cube time='2026-11-19'><Cube currency='USD' rate='1.0800'/></Cube>
</Cube></gesmes:Envelope>"""


class TestTheCentralBanksFile:
    @pytest.mark.parametrize("text", [ECB_CSV, ECB_DAY, ECB_XML, "\ufeff" + ECB_CSV], ids=["history", "day", "xml", "bom"])
    def test_gives_the_rate_of_the_day_in_each_of_its_shapes(self, text: str) -> None:
        assert read_ecb(text).find("EUR", "USD", FRIDAY) == Rate(Decimal("1.0850"), FRIDAY)

    def test_gives_every_day_its_own(self) -> None:
        for text in (ECB_CSV, ECB_XML):
            assert read_ecb(text).find("EUR", "USD", date(2026, 11, 19)) == Rate(Decimal("1.0800"), date(2026, 11, 19))

    def test_takes_the_last_day_before_a_weekend_and_no_older_than_a_week(self) -> None:
        rates = read_ecb(ECB_CSV)
        assert rates.find("EUR", "USD", SUNDAY) == Rate(Decimal("1.0850"), FRIDAY)
        assert rates.find("EUR", "USD", date(2026, 11, 27)) is not None
        assert rates.find("EUR", "USD", date(2026, 11, 28)) is None
        assert rates.find("EUR", "USD", date(2026, 11, 18)) is None

    def test_crosses_over_the_euro(self) -> None:
        rate = read_ecb(ECB_CSV).find("USD", "JPY", FRIDAY)
        assert rate is not None
        assert rate.factor.quantize(Decimal("0.0001")) == Decimal("149.7696")

    def test_has_no_rate_for_what_it_does_not_list(self) -> None:
        assert read_ecb(ECB_CSV).find("EUR", "CYP", FRIDAY) is None
        assert read_ecb(ECB_CSV).find("EUR", "TRY", FRIDAY) is None

    @pytest.mark.parametrize("text", ["", "nonsense", "<html></html>", "Date,USD\nyesterday,1\n", "Date,USD\n2026-11-20,-1\n"])
    def test_that_is_something_else_is_refused(self, text: str) -> None:
        with pytest.raises(UnreadableRates):
            read_ecb(text)


class TestATable:
    def test_gives_both_ways(self) -> None:
        table = read_table("# budget 2026\nEUR,USD,1.25\n\nGBP EUR 1.2  # agreed\n")
        assert table.find("EUR", "USD", FRIDAY) == Rate(Decimal("1.25"), FRIDAY)
        assert table.find("USD", "EUR", FRIDAY) == Rate(Decimal("0.8"), FRIDAY)
        assert table.find("GBP", "USD", FRIDAY) is None

    @pytest.mark.parametrize("text", ["EUR,USD", "EUR,USD,much", "EUR,USD,0", "EUR,USD,NaN", "EUR,USD,1\nEUR,USD,2", "eur,usd,1"])
    def test_that_is_wrong_names_the_line(self, text: str) -> None:
        with pytest.raises(UnreadableRates, match=r"line \d"):
            read_table(text)


class TestAValue:
    def test_is_converted_and_keeps_the_original(self) -> None:
        terms = Terms(exchange=Exchange(into="USD", rates=read_ecb(ECB_CSV)))
        event = placed_order(ORDER, terms)
        assert (event.value, event.currency) == (Decimal("36.67"), "USD")
        assert event.properties["OriginalValue"] == Decimal("33.80")
        assert event.properties["OriginalCurrency"] == "EUR"
        assert event.properties["ExchangeRate"] == Decimal("1.085")
        assert event.properties["ExchangeRateDate"] == "2026-11-20"
        assert (event.properties["Total"], event.properties["Currency"]) == (Decimal("33.80"), "EUR")

    def test_without_a_rate_stays_and_says_so(self) -> None:
        event = placed_order(ORDER, Terms(exchange=Exchange(into="TRY", rates=read_ecb(ECB_CSV))))
        assert (event.value, event.currency) == (Decimal("33.80"), "EUR")
        assert event.properties["ConversionNote"] == "not converted: no rate from EUR to TRY on 2026-11-20"
        assert "OriginalValue" not in event.properties

    def test_in_the_right_currency_already_is_left_alone(self) -> None:
        valued = Exchange(into="EUR").value_of(Money(Decimal("1.00"), "EUR"), AT)
        assert (valued.value, valued.currency, valued.properties) == (Decimal("1.00"), "EUR", {})

    def test_is_rounded_to_the_decimals_of_the_new_currency(self) -> None:
        exchange = Exchange(into="JPY", rates=read_ecb(ECB_CSV))
        assert exchange.value_of(Money(Decimal("0.99"), "EUR"), AT).value == Decimal("161")


class TestTheSetting:
    def test_reads_a_file_again_when_it_has_changed_and_keeps_the_last_good_one(self, tmp_path: Path) -> None:
        file = tmp_path / "rates.csv"
        file.write_text("EUR,USD,1.10\n")
        rates = open_rates(f"table:{file}")
        for moment, text, factor in [(1, "EUR,USD,1.20\n", "1.20"), (2, "broken", "1.20"), (3, "EUR,USD,1.30\n", "1.30")]:
            file.write_text(text)
            os.utime(file, (moment, moment))
            assert rates.find("EUR", "USD", FRIDAY) == Rate(Decimal(factor), FRIDAY)

    @pytest.mark.parametrize("spec", ["table:", "table:/nowhere/rates.csv", "python:nobody", "fixer", "ecb"])
    def test_that_leads_nowhere_is_refused_at_start(self, spec: str) -> None:
        with pytest.raises(Rejected):
            open_rates(spec)

    def test_none_converts_nothing(self) -> None:
        assert open_rates("none").find("EUR", "USD", FRIDAY) is None

    def test_takes_ones_own_python(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "own_rates.py").write_text(
            "from datetime import date\nfrom decimal import Decimal\nfrom ferrata.commerce.rates import Rate\n"
            "class Own:\n    def find(self, from_, to, day):\n        return Rate(Decimal(2), day)\n"
        )
        info = tmp_path / "own_rates-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-rates\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[ferrata.rates]\ndouble = own_rates:Own\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        assert open_rates("python:double").find("EUR", "USD", FRIDAY) == Rate(Decimal(2), FRIDAY)
