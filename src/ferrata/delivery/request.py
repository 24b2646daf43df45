"""One request to Klaviyo as delivery sees it: the bytes, and whose events they carry."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate, islice

import msgspec

from ferrata.delivery.families import EndpointFamily, Part


class Item(msgspec.Struct, frozen=True):
    """A claimed delivery with its frozen texts."""

    id: str
    person: str
    live: bool
    accepted_at: datetime
    part: Part
    turns: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """Under which Klaviyo carries out a batch that it has taken. ``cursor``: it is over, and is asked which items failed."""

    id: str
    asked: int = 0
    total_failed: int = 0
    cursor: str | None = None
    failed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A single send (``batch_id`` is None, one item) or a frozen batch. ``uncertain``: it may have been executed already."""

    operation: str
    items: tuple[Item, ...]
    body: bytes | None = field(repr=False)
    batch_id: str | None = None
    uncertain: bool = False
    failures: int = 0
    refusals: int = 0
    path: Mapping[str, str] | None = None
    query: Mapping[str, str] | None = None
    job: Job | None = None  # then this request asks how the job stands

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
    call = family.single(item.part)
    return Request(call.operation, (item,), call.body, failures=failures, uncertain=uncertain, path=call.path)


def reshaped(family: EndpointFamily, request: Request, form: str) -> Request:
    """The same single send in another form."""
    item = request.items[0]
    part = msgspec.structs.replace(item.part, form=form)
    return single(family, msgspec.structs.replace(item, part=part, turns=item.turns + 1))


def asking(family: EndpointFamily, request: Request, job: Job) -> Request:
    """What asks about the job of a batch that Klaviyo has taken."""
    if job.cursor is None:
        return replace(request, operation=str(family.job_operation), body=None, path={"job_id": job.id}, query=None, job=job)
    query = {"page[size]": "100"} | ({"page[cursor]": job.cursor} if job.cursor else {})
    return replace(request, operation=str(family.errors_operation), body=None, path={"id": job.id}, query=query, job=job)


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
    return Request(str(family.bulk_operation), items, body, batch_id, uncertain, failures, refusals)


def fingerprint(body: bytes | None) -> str:
    """By which a frozen batch proves that it is resent byte-identical."""
    return hashlib.sha256(body or b"").hexdigest()
