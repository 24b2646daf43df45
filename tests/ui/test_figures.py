"""Numbers as people read them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ferrata.ui import figures


class TestNumbers:
    @pytest.mark.parametrize(("value", "text"), [(None, "–"), (0, "0"), (1204, "1,204"), (-1204, "-1,204"), (48210.6, "48,211")])
    def test_are_grouped(self, value: float | None, text: str) -> None:
        assert figures.number(value) == text

    @pytest.mark.parametrize(
        ("value", "text"),
        [(None, "–"), (0, "0"), (999, "999"), (1000, "1k"), (48_210, "48.2k"), (999_960, "1M"), (-2_500_000, "-2.5M")],
    )
    def test_are_shortened(self, value: float | None, text: str) -> None:
        assert figures.short_number(value) == text

    def test_agree_with_their_noun(self) -> None:
        assert figures.count_of(1, "event") == "1 event"
        assert figures.count_of(0, "event") == "0 events"
        assert figures.count_of(1204, "entry", "entries") == "1,204 entries"


class TestShares:
    @pytest.mark.parametrize(
        ("part", "whole", "text"),
        [(1, 2, "50 %"), (1, 3, "33.3 %"), (0, 9, "0 %"), (9, 9, "100 %"), (9999, 10_000, "> 99.9 %"), (1, 10_000, "< 0.1 %")],
    )
    def test_never_claim_a_whole_or_a_nothing_that_is_not_there(self, part: int, whole: int, text: str) -> None:
        assert figures.share(part, whole) == text

    def test_of_nothing_are_a_dash(self) -> None:
        assert figures.share(3, 0) == "–"


class TestBytes:
    @pytest.mark.parametrize(
        ("count", "text"),
        [(None, "–"), (0, "0 B"), (999, "999 B"), (1000, "1 KB"), (4_980_000, "5 MB"), (999_960, "1 MB"), (10**16, "10000 TB")],
    )
    def test_are_decimal(self, count: int | None, text: str) -> None:
        assert figures.byte_size(count) == text


class TestMoney:
    @pytest.mark.parametrize(
        ("amount", "currency", "text"),
        [
            (None, "EUR", "–"),
            (Decimal("19.9"), "EUR", "€19.90"),
            (1204.5, "USD", "$1,204.50"),
            (0.1 + 0.2, "GBP", "£0.30"),
            (Decimal("-5"), "EUR", "−€5.00"),
            (1200, "JPY", "¥1,200"),
            (3, "PLN", "PLN 3.00"),
            (3, None, "3.00"),
        ],
    )
    def test_carries_its_currency(self, amount: figures.Number | None, currency: str | None, text: str) -> None:
        assert figures.money(amount, currency) == text


class TestDurations:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, "–"),
            (0, "0 ms"),
            (0.184, "184 ms"),
            (0.9996, "1.0 s"),
            (2.44, "2.4 s"),
            (9.96, "10 s"),
            (59.6, "1 min"),
            (192, "3 min 12 s"),
            (timedelta(hours=4, minutes=10, seconds=59), "4 h 10 min"),
            (timedelta(days=2, minutes=5), "2 d"),
            (-3, "−3.0 s"),
        ],
    )
    def test_have_at_most_two_units(self, value: timedelta | float | None, text: str) -> None:
        assert figures.duration(value) == text
