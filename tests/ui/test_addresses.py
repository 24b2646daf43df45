"""What stands in a page's address."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ferrata.infra.errors import Rejected
from ferrata.ui.addresses import address, day_begins, day_ends

BERLIN = ZoneInfo("Europe/Berlin")


def test_an_address_leaves_out_what_is_empty_and_writes_lists_out() -> None:
    assert address("/ui/events", {"q": "a b&c", "state": "", "since": None}) == "/ui/events?q=a+b%26c"
    assert address("/ui/events", {"q": "", "ids": ()}) == "/ui/events"
    assert address("/x", {"ids": ("1", "2")}, cursor="n") == "/x?ids=1&ids=2&cursor=n"


def test_a_day_begins_and_ends_at_the_stores_midnights() -> None:
    assert day_begins("since", "2026-11-20", BERLIN) == datetime(2026, 11, 19, 23, tzinfo=UTC)
    assert day_ends("until", "2026-11-20", BERLIN) == datetime(2026, 11, 20, 23, tzinfo=UTC)
    # The day on which summer time ends has 25 hours.
    assert day_ends("until", "2026-10-25", BERLIN) == datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert day_begins("since", "2026-10-25", BERLIN) == datetime(2026, 10, 24, 22, tzinfo=UTC)


def test_a_time_is_taken_as_it_is() -> None:
    assert day_begins("since", "2026-11-20T14:05", BERLIN) == datetime(2026, 11, 20, 13, 5, tzinfo=UTC)
    assert day_ends("until", "2026-11-20T14:05:00+00:00", BERLIN) == datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
    assert day_begins("since", "", BERLIN) is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "20/11/2026"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        day_begins("since", text, BERLIN)
    assert refused.value.problems[0].path == "since"
