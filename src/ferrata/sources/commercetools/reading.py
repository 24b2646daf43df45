"""Reads commercetools' own forms: texts in many languages, amounts, instants, references."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ferrata.commerce.money import Money

Json = Mapping[str, Any]
LARGEST_AMOUNT: Final = 10**15
"""In the smallest units: more is no price and no order, but a mistake."""
LARGEST_QUANTITY: Final = 10**9
MOST_DECIMALS: Final = 20


def text_in(localized: Any, locales: Sequence[str]) -> str:
    """The text in the first locale that it has: exactly, else in that language, else the first text there is; or empty."""
    if isinstance(localized, str):
        return localized
    if not isinstance(localized, Mapping) or not localized:
        return ""
    texts = {str(locale): str(text) for locale, text in localized.items()}
    for locale in locales:
        language = locale.partition("-")[0]
        for name in (locale, language, *texts):
            if name in texts and name.partition("-")[0] == language:
                return texts[name]
    return next(iter(texts.values()))


def amount(found: Any) -> Money | None:
    """Money of either kind: in minor units, or with more decimals than the currency has; None if it is none."""
    if not isinstance(found, Mapping) or not isinstance(found.get("currencyCode"), str):
        return None
    units, decimals = found.get("preciseAmount"), found.get("fractionDigits")
    if units is None:
        units = found.get("centAmount")
        decimals = decimals if found.get("type") != "highPrecision" else None
    if not isinstance(units, int) or not _is_count(units, LARGEST_AMOUNT):
        return None
    if not (decimals is None or _is_count(decimals, MOST_DECIMALS)):
        return None
    try:
        return Money.of_minor(units, found["currencyCode"], decimals)
    except ValueError:
        return None


def pieces(found: Any) -> int:
    """How many; one where nobody says, or says nonsense."""
    return found if _is_count(found, LARGEST_QUANTITY) else 1


def word(found: Any) -> str:
    """A text as it is; empty for everything else."""
    return found if isinstance(found, str) else ""


def _is_count(found: Any, largest: int) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and abs(found) <= largest


def number(value: Decimal) -> int | float:
    """As JSON writes it: 5 and not 5.0."""
    return int(value) if value == value.to_integral_value() else float(value)


def instant(found: Any) -> datetime | None:
    """An instant of ISO 8601, with or without ``T``; one without an offset is UTC."""
    if not isinstance(found, str):
        return None
    try:
        parsed = datetime.fromisoformat(found.strip())
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def first_instant(*found: Any) -> datetime | None:
    return next((at for at in map(instant, found) if at), None)


def selected(fields: Any, include: Iterable[str], exclude: Iterable[str], renamed: Mapping[str, str]) -> dict[str, Any]:
    """The fields that are to be sent, under their names there. What is null or an empty text is left out; 0 and false stay."""
    if not isinstance(fields, Mapping):
        return {}
    only, never = set(include), set(exclude)
    return {
        renamed.get(name, name): value
        for name, value in fields.items()
        if (not only or name in only) and name not in never and value is not None and value != ""
    }


def listed(found: Any) -> list[Json]:
    """The objects of a list; nothing if it is no list."""
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list | tuple) else []


def within(found: Any, *path: str) -> Any:
    """What stands under these names, one inside the other; None where one is missing."""
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def id_of(reference: Any) -> str:
    """The id that a reference points to, expanded or not; empty if there is none."""
    found = within(reference, "id")
    return found if isinstance(found, str) else ""
