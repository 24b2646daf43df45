"""How many pieces of a variant can be sold, by the merchant's choice of channels."""

from collections.abc import Iterable
from typing import Any

from ferrata.sources.commercetools.reading import Json, id_of, within


def of_variant(variant: Json, channels: frozenset[str]) -> int:
    """From the availability that commercetools gives with a product. Nothing known means 0."""
    by_channel = within(variant, "availability", "channels")
    present = [by_channel[channel] for channel in channels if channel in by_channel] if isinstance(by_channel, dict) else []
    if present:
        return sum(_pieces(within(each, "availableQuantity")) for each in present)
    return _pieces(within(variant, "availability", "availableQuantity"))


def of_entries(entries: Iterable[Json], channels: frozenset[str]) -> int | None:
    """From all inventory entries of a SKU: those of the chosen channels, else the one without; None if there is none."""
    known = list(entries)
    counted = [entry for entry in known if id_of(entry.get("supplyChannel")) in channels]
    counted = counted or [entry for entry in known if not id_of(entry.get("supplyChannel"))]
    return sum(_pieces(entry.get("availableQuantity")) for entry in counted) if counted else None


def concerns(entry: Json, channels: frozenset[str]) -> bool:
    """Whether this entry can change what is shown."""
    channel = id_of(entry.get("supplyChannel"))
    return not channel or channel in channels


def _pieces(found: Any) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
