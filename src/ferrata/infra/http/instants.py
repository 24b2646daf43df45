"""Instants that are asked about in addresses and bodies: written with an offset, and within what ids and databases can hold."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
UNFIT = "must lie between the years 1970 and 9998"


def is_askable(instant: datetime) -> bool:
    return EARLIEST <= instant < LATEST


def _written(text: object) -> object:
    """Pydantic would take a bare number for seconds, or for milliseconds if it is large."""
    if not isinstance(text, str) or text.lstrip("+-").replace(".", "").isdigit():
        raise ValueError("must be ISO 8601 text with an offset, such as 2026-01-31T12:00:00Z")
    return text


def _within(instant: datetime) -> datetime:
    if not is_askable(instant):
        raise ValueError(UNFIT)
    return instant


AskedInstant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_within)]
