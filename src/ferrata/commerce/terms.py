"""How a store wants its events: under which names, in which currency, as history or as it happens."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec

from ferrata.commerce.exchange import Exchange
from ferrata.commerce.money import Money
from ferrata.commerce.tracked import PersonRef, TrackedEvent

UNIQUE_ID_CHARACTERS = 255


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """``names`` maps default names to the store's own. ``backfill``: what is told happened in the past and starts no flows."""

    names: Mapping[str, str] = {}
    exchange: Exchange = Exchange()
    backfill: bool = False

    def event(
        self,
        metric: StrEnum,
        unique_id: str,
        at: datetime,
        person: PersonRef,
        properties: Mapping[str, Any],
        *,
        money: Money | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> TrackedEvent:
        """One event under the store's name for it. Properties without a value are left out; what money says is added."""
        valued = self.exchange.value_of(money, at)
        return TrackedEvent(
            metric=self.names.get(metric.value, metric.value),
            unique_id=_bounded(unique_id),
            occurred_at=at,
            person=person,
            properties=present({**properties, **valued.properties}),
            value=valued.value,
            currency=valued.currency,
            profile=profile or {},
            backfill=self.backfill,
        )


def _bounded(unique_id: str) -> str:
    """Klaviyo takes 255 characters: what is longer keeps its beginning and is told apart by a hash of all of it."""
    if len(unique_id) <= UNIQUE_ID_CHARACTERS:
        return unique_id
    return f"{unique_id[:190]}:{sha256(unique_id.encode()).hexdigest()}"


def present(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Without what nobody knows: None, empty texts and empty collections. 0 and false are known."""
    return {name: value for name, value in properties.items() if not (value is None or value in ("", [], {}, ()))}
