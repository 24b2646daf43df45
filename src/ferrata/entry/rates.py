"""Opens the source of exchange rates that the settings name: a file, read again when it changes, or one's own Python."""

from collections.abc import Callable
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path

import structlog

from ferrata.commerce.rates import NoRates, Rate, Rates, UnreadableRates, read_ecb, read_table
from ferrata.infra.errors import Rejected

ENTRY_POINTS = "ferrata.rates"
_READERS: dict[str, Callable[[str], Rates]] = {"table": read_table, "ecb": read_ecb}
log = structlog.get_logger(__name__)


def open_rates(spec: str) -> Rates:
    """``none``, ``table:PATH``, ``ecb:PATH`` or ``python:NAME``, the name of an entry point in the group ``ferrata.rates``.

    Raises:
        Rejected: nothing is there, or it cannot be read; the message says what to do.
    """
    kind, _, rest = spec.strip().partition(":")
    if kind in ("", "none") and not rest:
        return NoRates()
    if kind in _READERS and rest:
        return RatesInFile(Path(rest), _READERS[kind])
    if kind == "python" and rest:
        return _own(rest)
    raise Rejected(f"FERRATA_COMMERCE_RATES must be none, table:PATH, ecb:PATH or python:NAME, not {spec!r}")


class RatesInFile:
    """The rates of a file. When it changes it is read again; if that fails, the last good rates go on and the log says so."""

    def __init__(self, path: Path, reader: Callable[[str], Rates]) -> None:
        self._path = path
        self._reader = reader
        try:
            self._stamp = self._changed()
            self._rates = self._read()
        except OSError as error:
            raise Rejected(f"the file of exchange rates {path} cannot be read: {error.strerror}") from error
        except UnreadableRates as error:
            raise Rejected(f"the file of exchange rates {path} is not understood: {error}") from error

    def find(self, from_: str, to: str, day: date) -> Rate | None:
        try:
            stamp = self._changed()
            if stamp != self._stamp:
                self._stamp = stamp
                self._rates = self._read()
        except (OSError, UnreadableRates) as error:
            log.warning("commerce.rates_unreadable", path=str(self._path), error=str(error))
        return self._rates.find(from_, to, day)

    def _changed(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size

    def _read(self) -> Rates:
        return self._reader(self._path.read_text(encoding="utf-8"))


def _own(name: str) -> Rates:
    found = [point for point in entry_points(group=ENTRY_POINTS) if point.name == name]
    if not found:
        raise Rejected(f"no installed package has an entry point {name!r} in the group {ENTRY_POINTS}")
    rates = found[0].load()()
    if not isinstance(rates, Rates):
        raise Rejected(f"the entry point {name!r} of {ENTRY_POINTS} makes no rates: it has no find(from_, to, day)")
    return rates
