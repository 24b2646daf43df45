"""Numbers as people read them: counts, bytes, money, durations, shares.

Plain text in British-neutral notation (1,204 · 3.4 s · €19.90). Rounding never claims a whole that was not reached:
99.97 % is not shown as 100 %, and something above nothing is not shown as 0 %.
"""

from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

Number = int | float | Decimal

NOTHING = "–"
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "CHF": "CHF ", "AUD": "A$", "CAD": "CA$", "NZD": "NZ$"}
# ISO 4217: currencies whose minor unit is the unit itself.
_WHOLE_CURRENCIES = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"})
_BYTE_UNITS = ("B", "KB", "MB", "GB", "TB")
_SHORT_UNITS = ("", "k", "M", "B")


def number(value: Number | None, decimals: int = 0) -> str:
    """``1204`` becomes ``1,204``; None becomes a dash."""
    return NOTHING if value is None else f"{value:,.{decimals}f}"


def short_number(value: Number | None) -> str:
    """``48210`` becomes ``48.2k``: for axes and badges, where the exact number stands elsewhere."""
    if value is None:
        return NOTHING
    size, unit = float(value), 0
    while abs(size) >= 999.95 and unit < len(_SHORT_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    digits = f"{size:.1f}".removesuffix(".0") if unit else f"{size:,.6g}"
    return digits + _SHORT_UNITS[unit]


def count_of(value: int, singular: str, plural: str | None = None) -> str:
    """``count_of(1, "event")`` is ``1 event``; ``count_of(1204, "event")`` is ``1,204 events``."""
    return f"{number(value)} {singular if value == 1 else plural or singular + 's'}"


def share(part: Number, whole: Number) -> str:
    """A part of a whole in per cent; a dash where there is no whole."""
    if not whole:
        return NOTHING
    per_cent = 100 * float(part) / float(whole)
    if 0 < per_cent < 0.1:
        return "< 0.1 %"
    if 99.9 < per_cent < 100:
        return "> 99.9 %"
    return f"{per_cent:.1f}".removesuffix(".0") + " %"


def byte_size(count: int | None) -> str:
    """Bytes in decimal units, as Klaviyo counts its limits (5 MB is 5,000,000 bytes)."""
    if count is None:
        return NOTHING
    size, unit = float(count), 0
    while size >= 999.95 and unit < len(_BYTE_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f}".removesuffix(".0") + " " + _BYTE_UNITS[unit]


def money(amount: Number | None, currency: str | None = None) -> str:
    """``19.9, "EUR"`` becomes ``€19.90``; an amount without a currency stays a bare number."""
    if amount is None:
        return NOTHING
    step = Decimal(1) if currency in _WHOLE_CURRENCIES else Decimal("0.01")
    rounded = Decimal(str(amount)).quantize(step, ROUND_HALF_EVEN)
    sign = "−" if rounded < 0 else ""
    symbol = _SYMBOLS.get(currency, f"{currency} ") if currency else ""
    return f"{sign}{symbol}{abs(rounded):,}"


def duration(value: timedelta | Number | None) -> str:
    """A span of time in at most two units: ``180 ms``, ``2.4 s``, ``3 min 12 s``, ``2 d 3 h``. Numbers are seconds."""
    if value is None:
        return NOTHING
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 0:
        return f"−{duration(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return _two_units(round(seconds))


def _two_units(seconds: int) -> str:
    sizes = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for position, (unit, size) in enumerate(sizes):
        if seconds < size:
            continue
        first, rest = divmod(seconds, size)
        text = f"{first} {unit}"
        if position + 1 < len(sizes):
            smaller, smaller_size = sizes[position + 1]
            second = rest // smaller_size
            text += f" {second} {smaller}" if second else ""
        return text
    return "0 s"
