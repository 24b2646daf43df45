"""Retry-After and RateLimit-Limit, in every form, never raise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferrata.klaviyo.rate_headers import parse_limits
from ferrata.klaviyo.retry_after import LONGEST_SECONDS, parse_retry_after

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0),
            ("1", 1),
            (" 60 ", 60),
            ("67608", 67608),
            ("1.5", 1.5),
            ("9" * 300, LONGEST_SECONDS),
            ("Fri, 20 Nov 2026 07:00:30 GMT", 30),
            ("Friday, 20-Nov-26 07:00:30 GMT", 30),
            ("Fri Nov 20 07:00:30 2026", 30),
            ("Fri, 20 Nov 2026 06:00:00 GMT", 0),
            ("Fri, 20 Nov 9999 06:00:00 GMT", LONGEST_SECONDS),
            (None, None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("soon", None),
            ("1e3", None),
            ("0x10", None),
            ("nan", None),
            ("inf", None),
            ("٣", None),
            ("1\r\nx: y", None),
            ("Fri, 99 Nov 2026 07:00:30 GMT", None),
            ("2026-11-20T07:00:30Z", None),
        ],
    )
    def test_becomes_seconds_or_nothing(self, value: str | None, seconds: float | None) -> None:
        assert parse_retry_after(value, NOW) == seconds

    @given(st.text(max_size=200))
    @example("Fri, 20 Nov 0000 07:00:00 GMT")
    @example("Mon, 1 Jan 1 00:00:00 +9999")
    def test_never_raises_and_stays_in_bounds(self, value: str) -> None:
        seconds = parse_retry_after(value, NOW)
        assert seconds is None or 0 <= seconds <= LONGEST_SECONDS

    @given(st.integers(min_value=0, max_value=30 * 86400))
    def test_reads_every_date_as_it_was_written(self, seconds: int) -> None:
        value = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
        assert parse_retry_after(value, NOW) == seconds

    @pytest.mark.parametrize("hours", [-26, -1, 0, 1, 26])
    def test_counts_a_date_from_the_answers_own_whatever_our_clock_says(self, hours: int) -> None:
        ours = NOW + timedelta(hours=hours)
        date = format_datetime(NOW, usegmt=True)
        assert parse_retry_after("Fri, 20 Nov 2026 07:00:30 GMT", ours, date) == 30
        assert parse_retry_after("Fri, 20 Nov 2026 07:00:30 GMT", NOW, "yesterday") == 30


class TestRateLimit:
    @pytest.mark.parametrize(
        ("value", "windows"),
        [
            ("75, 75;w=1, 750;w=60", {1: 75, 60: 750}),
            ("1, 1;w=1, 2;w=60, 225;w=86400", {1: 1, 60: 2, 86400: 225}),
            ("10,10 ; w = 1,150;w=60", {1: 10, 60: 150}),
            ("75", {}),
            (None, {}),
            ("", {}),
            ("0;w=60", {}),
            ("5;w=0", {}),
            ("5;w=99999999", {}),
            ("-5;w=60, x;w=1, 7;w=60;q=1, 9;w=1", {1: 9}),
            ("10;w=1\r\nset-cookie: a=b", {}),
            (", ".join(["1;w=1"] * 10_000), {}),
        ],
    )
    def test_becomes_windows(self, value: str | None, windows: dict[float, int]) -> None:
        assert parse_limits(value) == windows

    @given(st.text(max_size=2000) | st.from_regex(r"([0-9]*;w=[0-9]*,? ?){1,50}"))
    def test_never_raises_and_gives_sane_windows(self, value: str) -> None:
        windows = parse_limits(value)
        assert len(windows) <= 7
        assert all(allowed > 0 and period > 0 for period, allowed in windows.items())
