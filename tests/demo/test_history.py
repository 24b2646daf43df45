"""The example shop's past: plausible, and the same each time."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from ferrata.demo.history import DAYS, Happening, history

NOW = datetime(2026, 11, 20, 9, 30, 15, tzinfo=UTC)
PAST = history(7, NOW)


def count(metric: str) -> int:
    return sum(happening.moment.metric == metric for happening in PAST)


class TestHistory:
    def test_is_the_same_for_the_same_seed_and_end(self) -> None:
        assert history(7, NOW) == PAST
        assert history(8, NOW) != PAST

    def test_keeps_the_ids_of_what_has_happened_when_the_end_is_later(self) -> None:
        later = {happening.event_id: happening for happening in history(7, NOW + timedelta(hours=3))}
        assert all(later[happening.event_id] == happening for happening in PAST)

    def test_has_a_few_thousand_events_of_the_last_ninety_days_each_with_its_own_id(self) -> None:
        assert 3000 < len(PAST) < 6000
        assert len({happening.event_id for happening in PAST}) == len(PAST)
        times = [happening.at for happening in PAST if happening.at]
        assert times == sorted(times) and times[-1] < NOW
        assert NOW - timedelta(days=DAYS + 1) < times[0] < NOW - timedelta(days=DAYS - 3)

    def test_narrows_from_looking_to_buying_as_shops_know_it(self) -> None:
        steps = [
            count(name) for name in ("Viewed Product", "Added to Cart", "Started Checkout", "Placed Order", "Refunded Order")
        ]
        assert steps == sorted(steps, reverse=True) and steps[-1] > 0
        assert 0.02 < count("Placed Order") / count("Viewed Product") < 0.15
        assert 0 < count("Cancelled Order") < 0.1 * count("Placed Order")

    def test_has_customers_who_return(self) -> None:
        orders = Counter(happening.person.email for happening in PAST if happening.moment.metric == "Placed Order")
        assert max(orders.values()) >= 5
        assert sum(number == 1 for number in orders.values()) > len(orders) / 2

    def test_has_weekends_busier_than_the_days_before(self) -> None:
        def visits(*weekdays: int) -> float:
            days = [h.at.date() for h in PAST if h.at and h.at.weekday() in weekdays]
            return len(days) / len(weekdays)

        assert visits(6) > visits(0, 1, 2)

    def test_writes_to_nobody_who_could_exist(self) -> None:
        assert all(happening.person.email.endswith(".example.org") for happening in PAST)

    def test_never_cancels_an_order_before_it_is_placed(self) -> None:
        placed: dict[str, datetime | None] = {}
        for happening in PAST:
            order = happening.moment.attributes.get("OrderId")
            if happening.moment.metric == "Placed Order":
                placed[order] = happening.at
            elif order:
                assert order in placed and _later(happening, placed[order])

    def test_gives_every_order_a_number_of_its_own(self) -> None:
        numbers = [h.moment.attributes["OrderId"] for h in PAST if h.moment.metric == "Placed Order"]
        assert len(set(numbers)) == len(numbers)


def _later(happening: Happening, than: datetime | None) -> bool:
    return happening.at is not None and than is not None and happening.at > than
