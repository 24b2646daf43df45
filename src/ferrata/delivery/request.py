"""One request to Klaviyo as delivery sees it: the bytes, and whose events they carry."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate, islice

from ferrata.delivery.families import EndpointFamily, Part


@dataclass(frozen=True, slots=True)
class Item:
    """A claimed delivery with its frozen texts."""

    id: str
    person: str
    live: bool
    accepted_at: datetime
    part: Part


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A single send (``batch_id`` is None, one item) or a frozen batch. ``uncertain``: it may have been executed already."""

    operation: str
    items: tuple[Item, ...]
    body: bytes = field(repr=False)
    batch_id: str | None = None
    uncertain: bool = False
    failures: int = 0
    refusals: int = 0

    @property
    def is_bulk(self) -> bool:
        return self.batch_id is not None

    @property
    def is_live(self) -> bool:
        return any(item.live for item in self.items)

    @property
    def persons(self) -> frozenset[str]:
        return frozenset(item.person for item in self.items)

    @property
    def oldest(self) -> datetime:
        return min(item.accepted_at for item in self.items)

    def halves(self) -> list[list[Item]]:
        """The items in two portions, cut between persons: both may go at once, and nobody's events overtake each other.

        Of one person alone there is one portion.
        """
        counts = Counter(item.person for item in self.items)  # in the order in which they first appear
        total = list(accumulate(counts.values()))
        first = min(range(1, len(total)), key=lambda cut: abs(2 * total[cut - 1] - total[-1]), default=1)
        early = set(islice(counts, first))
        portions = (
            [item for item in self.items if item.person in early],
            [item for item in self.items if item.person not in early],
        )
        return [portion for portion in portions if portion]


def single(family: EndpointFamily, item: Item, *, failures: int = 0, uncertain: bool = False) -> Request:
    body = family.single_body(item.part)
    return Request(family.single_operation, (item,), body, failures=failures, uncertain=uncertain)


def bulk(
    family: EndpointFamily,
    items: tuple[Item, ...],
    batch_id: str,
    *,
    uncertain: bool = False,
    failures: int = 0,
    refusals: int = 0,
) -> Request:
    body = family.bulk_body([item.part for item in items])
    return Request(family.bulk_operation, items, body, batch_id, uncertain, failures, refusals)


def fingerprint(body: bytes) -> str:
    """By which a frozen batch proves that it is resent byte-identical."""
    return hashlib.sha256(body).hexdigest()
