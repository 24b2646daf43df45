"""What a source makes of a message: events that happened to people, and changes of what is known about them.

Names of attributes are Klaviyo's: ``first_name``, ``location``, ``properties``.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec


class PersonRef(msgspec.Struct, frozen=True):
    """Who it is about, as the source names them; not yet checked and not yet normalised."""

    email: str | None = None
    phone: str | None = None
    external_id: str | None = None

    @property
    def known(self) -> bool:
        """Whether they are named at all."""
        return bool(self.email or self.phone or self.external_id)


class TrackedEvent(msgspec.Struct, frozen=True):
    """One event for Klaviyo. The same ``metric`` and ``unique_id`` always mean the same thing that happened.

    ``value`` is in major units of ``currency`` (ISO 4217). ``profile`` holds attributes that this event tells about the person.
    ``backfill`` marks history: Klaviyo keeps it and starts no flow with it.
    """

    metric: str
    unique_id: str
    occurred_at: datetime
    person: PersonRef
    properties: Mapping[str, Any]
    value: Decimal | None = None
    currency: str | None = None
    profile: Mapping[str, Any] = {}
    backfill: bool = False

    @property
    def key(self) -> str:
        """What names it among all events of a store, at most 255 characters: Klaviyo compares ``unique_id`` within a metric only,
        and a Cancelled Order has that of its Placed Order.
        """
        whole = f"{self.metric}:{self.unique_id}"
        return whole if len(whole) <= 255 else sha256(whole.encode()).hexdigest()


class ProfileChange(msgspec.Struct, frozen=True):
    """What became known about a person at ``changed_at``. In ``attributes`` None clears; a name that is absent stays as it is.

    Of two changes of one attribute the one with the later ``changed_at`` counts, in whatever order they arrive.
    """

    person: PersonRef
    attributes: Mapping[str, Any]
    changed_at: datetime
    unique_id: str


_encoder = msgspec.json.Encoder(decimal_format="number")


def json_of(attributes: Mapping[str, Any]) -> bytes:
    """Attributes as JSON: decimals are numbers, digit by digit as they were computed."""
    return _encoder.encode(attributes)
