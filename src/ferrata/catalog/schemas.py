"""What goes into the catalogue room and what comes out of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

Kind = Literal["item", "variant", "category"]
Action = Literal["put", "patch", "delete"]
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
KINDS: tuple[Kind, ...] = ("item", "variant", "category")


class Relationships(msgspec.Struct, frozen=True):
    """What a thing refers to, by external ids of the shop. None leaves as it is what is known."""

    item: str | None = None  # of a variant: its item
    categories: tuple[str, ...] | None = None  # of an item: all of its categories
    variants: tuple[str, ...] | None = None  # of an item: all of its variants; those known besides are deleted


class CatalogChange(msgspec.Struct, frozen=True):
    """What became of one thing of the shop's catalogue at ``changed_at``.

    ``put`` tells everything about it, ``patch`` only what changed, ``delete`` takes it away. ``attributes`` have Klaviyo's names
    (``title``, ``price``, ``inventory_quantity``; None clears), without ``external_id``. ``version`` is the shop's own count: of
    two changes of one thing the one with the higher version counts, in whatever order they arrive; between equal versions, and
    where one of them has none, the later ``changed_at`` does.
    """

    kind: Kind
    action: Action
    external_id: str
    changed_at: datetime
    attributes: Mapping[str, Any] = {}
    relationships: Relationships = Relationships()
    version: int | None = None


class Recorded(msgspec.Struct, frozen=True):
    """What came of some changes: how many are to be delivered, say nothing new, or are older than what is known."""

    accepted: int = 0
    unchanged: int = 0
    outdated: int = 0


class Presence(StrEnum):
    """Whether the shop has the thing."""

    PRESENT = "present"
    DELETED = "deleted"
    UNHEARD = "unheard"  # something refers to it, and nothing was told about it yet


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of the catalogue as Ferrata knows it. ``attributes`` are JSON texts, ``stamps`` when each was last told."""

    id: str
    store_id: str
    kind: Kind
    external_id: str
    presence: Presence
    title: str
    attributes: dict[str, msgspec.Raw]
    stamps: dict[str, datetime]
    item: str | None
    categories: tuple[str, ...] | None
    version: int | None
    changed_at: datetime
    content_hash: str | None
    delivery_id: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_present(self) -> bool:
        return self.presence is Presence.PRESENT

    def told_at(self, name: str) -> datetime:
        """When an attribute was last told; long ago if never."""
        return self.stamps.get(name, LONG_AGO)


class ThingFilter(msgspec.Struct, frozen=True):
    """Which things: all given conditions hold. ``text`` is looked for in titles and external ids."""

    store_id: str
    kind: Kind | None = None
    presence: Presence | None = None
    item: str | None = None
    text: str | None = None


class Counts(msgspec.Struct, frozen=True):
    """How many things of each kind the shop has."""

    item: int = 0
    variant: int = 0
    category: int = 0
