"""Exchange rates and where they come from: a table in a file, the European Central Bank's files, or one's own Python.

A rate that is not there is None. Nothing is fetched and nothing is guessed; a day without a rate (weekends, holidays) takes the
last one before it, at most a week old.
"""

import csv
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Protocol, runtime_checkable

import msgspec

OLDEST = timedelta(days=7)
_BASE = "EUR"
_CODE = re.compile(r"[A-Z]{3}")
_CUBE = re.compile(
    r"""<Cube\s+time=["'](?P<day>\d{4}-\d{2}-\d{2})["']\s*>|<Cube\s+currency=["'](?P<code>[A-Z]{3})["']\s+rate=["'](?P<rate>[0-9.]+)["']\s*/>""",
    re.ASCII,
)


class Rate(msgspec.Struct, frozen=True):
    """One unit of the first currency is ``factor`` units of the second, as of ``day``."""

    factor: Decimal
    day: date


@runtime_checkable
class Rates(Protocol):
    """What converts must be able to say; one's own implementation is named by a Python entry point."""

    def find(self, from_: str, to: str, day: date) -> Rate | None:
        """The rate that holds on this day of UTC, or None if there is none to answer for."""


class NoRates:
    """No rates at all: every amount stays as it is."""

    def find(self, from_: str, to: str, day: date) -> Rate | None:
        return None


class UnreadableRates(ValueError):
    """The file of rates is not what it should be; the message names the line."""


class FixedRates:
    """A table of pairs with one rate each, for contracts and budgets: no date, the rate holds always."""

    def __init__(self, factors: Mapping[tuple[str, str], Decimal]) -> None:
        self._factors = dict(factors)

    def find(self, from_: str, to: str, day: date) -> Rate | None:
        factor = self._factors.get((from_, to))
        if factor is None and (to, from_) in self._factors:
            factor = 1 / self._factors[to, from_]
        return None if factor is None else Rate(factor, day)


class DailyRates:
    """Rates against one base currency for each day, as central banks publish them; others are crossed over the base."""

    def __init__(self, by_day: Mapping[date, Mapping[str, Decimal]], base: str = _BASE) -> None:
        self._days = sorted(by_day)
        self._by_day = by_day
        self._base = base

    def find(self, from_: str, to: str, day: date) -> Rate | None:
        place = bisect_right(self._days, day)
        if not place or day - self._days[place - 1] > OLDEST:
            return None
        found = self._days[place - 1]
        rates = {self._base: Decimal(1), **self._by_day[found]}
        if from_ not in rates or to not in rates:
            return None
        return Rate(rates[to] / rates[from_], found)


def read_table(text: str) -> FixedRates:
    """``EUR,USD,1.0850`` on each line: one unit of the first is so many of the second. Blank lines and # are left out.

    Raises:
        UnreadableRates: a line is no such line, or a pair occurs twice.
    """
    factors: dict[tuple[str, str], Decimal] = {}
    for number, line in enumerate(text.splitlines(), 1):
        written = line.partition("#")[0].strip()
        if not written:
            continue
        parts = [part for part in re.split(r"[,;\s]+", written) if part]
        if len(parts) != 3 or not all(_CODE.fullmatch(code) for code in parts[:2]):
            raise UnreadableRates(f"line {number}: expected two currency codes and a rate, such as EUR,USD,1.0850")
        pair = (parts[0], parts[1])
        if pair in factors:
            raise UnreadableRates(f"line {number}: {pair[0]} to {pair[1]} stands there twice")
        factors[pair] = _factor(parts[2], number)
    return FixedRates(factors)


def read_ecb(text: str) -> DailyRates:
    """The European Central Bank's reference rates: its CSV (one day or the history since 1999) or its XML.

    Raises:
        UnreadableRates: it is neither.
    """
    if text.lstrip("\ufeff \n").startswith("<"):
        return DailyRates(_xml_days(text))
    try:
        return DailyRates(dict(_csv_days(text.lstrip("\ufeff").splitlines())))
    except csv.Error as error:
        raise UnreadableRates(f"this is no CSV: {error}") from None


def _xml_days(text: str) -> dict[date, dict[str, Decimal]]:
    """Each day's element is followed by those of its rates."""
    days: dict[date, dict[str, Decimal]] = {}
    rates: dict[str, Decimal] | None = None
    for found in _CUBE.finditer(text):
        if found["day"]:
            rates = days.setdefault(_day(found["day"], 0), {})
        elif rates is not None:
            rates[found["code"]] = _factor(found["rate"], 0)
    if not days:
        raise UnreadableRates("no day with rates was found in the XML")
    return days


def _csv_days(lines: Iterable[str]) -> Iterable[tuple[date, dict[str, Decimal]]]:
    rows = csv.reader(lines, skipinitialspace=True)
    head = [name.strip() for name in next(rows, [])]
    if head[:1] != ["Date"]:
        raise UnreadableRates("line 1: expected a head that begins with Date, as in the European Central Bank's files")
    for number, row in enumerate(rows, 2):
        if not any(cell.strip() for cell in row):
            continue
        cells = zip(head[1:], (cell.strip() for cell in row[1:]), strict=False)
        yield (
            _day(row[0].strip(), number),
            {code: _factor(cell, number) for code, cell in cells if code and cell not in ("", "N/A")},
        )


def _day(text: str, number: int) -> date:
    for form in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day, no instant
        except ValueError:
            continue
    raise UnreadableRates(f"line {number}: {text!r} is no day")


def _factor(text: str, number: int) -> Decimal:
    try:
        factor = Decimal(text)
    except InvalidOperation:
        raise UnreadableRates(f"line {number}: {text!r} is no number") from None
    if not factor.is_finite() or factor <= 0:
        raise UnreadableRates(f"line {number}: a rate must be greater than 0, not {text}")
    return factor
