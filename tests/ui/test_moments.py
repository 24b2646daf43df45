"""Instants as people read them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ferrata.ui.moments import Viewpoint, ago, time_tag

NOW = datetime(2026, 11, 20, 9, 3, 12, 418_000, tzinfo=UTC)
BERLIN = Viewpoint(NOW, ZoneInfo("Europe/Berlin"))


class TestHowLongAgo:
    @pytest.mark.parametrize(
        ("before", "text"),
        [
            (timedelta(0), "just now"),
            (timedelta(seconds=4.9), "4 s ago"),
            (timedelta(seconds=60), "1 min ago"),
            (timedelta(hours=23, minutes=59), "23 h ago"),
            (timedelta(days=29), "29 d ago"),
            (timedelta(days=30), "21 Oct 2026"),
            (timedelta(seconds=-12), "in 12 s"),
        ],
    )
    def test_is_one_number_and_one_unit(self, before: timedelta, text: str) -> None:
        assert ago(NOW - before, NOW) == text


class TestTimeTag:
    def test_shows_the_exact_instant_in_the_stores_zone_on_hover(self) -> None:
        assert time_tag(NOW - timedelta(minutes=3), BERLIN) == (
            '<time datetime="2026-11-20T09:00:12.418Z" title="Fri 20 Nov 2026, 10:00:12 CET" data-ago>3 min ago</time>'
        )

    def test_of_an_instant_in_another_zone_names_the_same_moment(self) -> None:
        elsewhere = NOW.astimezone(ZoneInfo("America/New_York"))
        assert time_tag(elsewhere, BERLIN, "clock") == time_tag(NOW, BERLIN, "clock")
        assert ">10:03:12.418<" in time_tag(elsewhere, BERLIN, "clock")

    def test_of_nothing_is_a_dash(self) -> None:
        assert ">–<" in time_tag(None, BERLIN)

    def test_refuses_an_instant_without_an_offset(self) -> None:
        with pytest.raises(ValueError, match="no offset"):
            time_tag(datetime(2026, 11, 20), BERLIN)  # noqa: DTZ001  (the point of the test)
