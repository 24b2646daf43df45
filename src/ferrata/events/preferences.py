"""What a sender prefers, by the header ``Prefer`` (RFC 7240), and which of it was done."""

from collections.abc import Sequence
from functools import lru_cache

import msgspec


class Preferences(msgspec.Struct, frozen=True):
    """``asynchronous``: answer right after the commit. ``lenient``: keep the good ones of many. ``brief``: answer briefly."""

    asynchronous: bool = False
    lenient: bool = False
    brief: bool = False

    def headers(self) -> dict[str, str]:
        named = {
            "respond-async": self.asynchronous,
            "handling=lenient": self.lenient,
            "return=minimal": self.brief,
        }
        applied = ", ".join(name for name, chosen in named.items() if chosen)
        return {"Preference-Applied": applied} if applied else {}


NONE = Preferences()


def read_preferences(values: Sequence[str]) -> Preferences:
    """Preferences that are not known here are ignored, as the standard wants."""
    return _read(", ".join(values)) if values else NONE


@lru_cache(256)
def _read(values: str) -> Preferences:
    told = {preference.partition(";")[0].strip().lower().replace(" ", "").replace('"', "") for preference in values.split(",")}
    return Preferences("respond-async" in told, "handling=lenient" in told, "return=minimal" in told)
