"""What a rule works with: the settings, what was looked up, and the terms in which events are told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ferrata.commerce.terms import Terms
from ferrata.sources.commercetools.reading import Json, first_instant, listed
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import Lookup

READ_AT = "ferrataReadAt"
"""Under this name the reader notes when it read a resource: of two reads the later one is newer."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    settings: CommercetoolsSettings
    looked_up: Mapping[Lookup, Any]
    terms: Terms
    at: datetime

    def has(self, what: str, key: str) -> bool:
        """Whether this was looked up, whatever came of it."""
        return Lookup(what, key) in self.looked_up

    def one(self, what: str, key: str) -> Json | None:
        """The resource, without our note; None if there is none."""
        found = self.looked_up.get(Lookup(what, key))
        return {name: value for name, value in found.items() if name != READ_AT} if isinstance(found, dict) else None

    def many(self, what: str, key: str) -> list[Json]:
        return listed(self.looked_up.get(Lookup(what, key)))

    def read_at(self, what: str, key: str) -> datetime:
        """When it was read; when the message came, where nobody noted it."""
        found = self.looked_up.get(Lookup(what, key))
        return (first_instant(found.get(READ_AT)) if isinstance(found, dict) else None) or self.at
