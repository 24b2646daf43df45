"""Ninety days of the example shop, the same for the same seed and end. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import cos, pi
from random import Random

from ferrata.demo.catalogue import Person, people
from ferrata.demo.visits import Moment, visit

DAYS = 90
VISITS_PER_DAY = 12.0
_WEEKDAYS = (0.9, 0.85, 0.9, 1.0, 1.05, 1.15, 1.35)  # Monday to Sunday: people shop when they have time
_SALE_BEGINS_DAYS_AGO, _SALE_DAYS, _SALE_FACTOR = 24, 4, 1.9
_BUSIEST_HOUR = 20


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of the shop. ``at`` None: now."""

    event_id: str
    person: Person
    moment: Moment
    at: datetime | None = None


def history(seed: int, ends_at: datetime) -> list[Happening]:
    """What has happened, oldest first, all before ``ends_at`` and to the second; the ids are stable."""
    random = Random(seed)
    customers = people(random)
    begins_at = (ends_at - timedelta(days=DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    dated: list[tuple[datetime, Happening]] = []
    for day in range(DAYS + 1):  # the last one is today, as far as it has come
        starts_at = begins_at + timedelta(days=day)
        for number in range(_visits_on(random, day, starts_at)):
            person = _visitor(random, customers, day / DAYS)
            at = starts_at + _time_of_day(random)
            for moment in visit(random, f"{day:02d}{number:03d}"):
                at = (at + moment.after).replace(microsecond=0)
                dated.append((at, Happening(f"history-{len(dated):05d}", person, moment, at)))
    dated.sort(key=lambda pair: pair[0])
    return [happening for at, happening in dated if at < ends_at]


def _visits_on(random: Random, day: int, date: datetime) -> int:
    """More towards the end, since the shop grows; more at weekends; far more in the sale."""
    days_ago = DAYS - day
    sale = _SALE_FACTOR if 0 <= _SALE_BEGINS_DAYS_AGO - days_ago < _SALE_DAYS else 1.0
    expected = VISITS_PER_DAY * (0.8 + 0.4 * day / DAYS) * _WEEKDAYS[date.weekday()] * sale
    return max(0, round(random.gauss(expected, expected**0.5)))


def _visitor(random: Random, customers: list[Person], progress: float) -> Person:
    """One who had joined by then; the faithful ones come again and again."""
    there = [person for person in customers if person.joined <= progress]
    return random.choices(there, [person.faithfulness for person in there])[0]


def _time_of_day(random: Random) -> timedelta:
    """Most in the evening, hardly anybody at night."""
    while True:
        hour = random.uniform(0, 24)
        if random.random() < 0.55 + 0.45 * cos((hour - _BUSIEST_HOUR) / 12 * pi):
            return timedelta(hours=hour)
