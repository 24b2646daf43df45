"""What delivery must know of an endpoint family. Everything here is pure: the same parts always give the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from ferrata.klaviyo.outcome import Outcome, Problem


class Part(msgspec.Struct, frozen=True):
    """One delivery's frozen JSON texts. ``form``: which of the requests that its family knows for it; empty: the first."""

    subject_json: str
    profile_json: str
    form: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: ``path`` fills the places of ``operation``, such as ``PATCH /api/catalog-items/{id}``."""

    operation: str
    body: bytes | None
    path: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """What helps after a refusal: the same thing in another form, or, with None, nothing, because all is as it should be."""

    form: str | None
    why: str


class EndpointFamily(Protocol):
    noun: str
    """What people call one of them."""
    single_operation: str
    """The one that most single sends use."""
    other_operations: Sequence[str]
    """Further ones that single sends use."""
    bulk_operation: str | None
    job_operation: str | None
    """With which a bulk job is asked how it stands; None where Klaviyo gives no job."""
    errors_operation: str | None
    """With which a job is asked for the items that failed."""
    most_items: int
    most_bytes: int
    names_resources: bool
    """Whether its requests name things at Klaviyo, so that a 404 may speak of the thing and not of the endpoint."""

    def single(self, part: Part, /) -> Call: ...

    def bulk_body(self, parts: Sequence[Part], /) -> bytes: ...

    def bulk_bytes(self, size: int, /) -> int:
        """How many bytes a part of ``size`` bytes adds to a bulk body, its separator included."""

    def position_of(self, pointer: str, /) -> int | None:
        """Which item of a bulk body an error's pointer speaks of; None if of none."""

    def in_single_body(self, pointer: str, /) -> str:
        """The same place as a pointer into a single body, so that equal reasons look equal."""

    def title(self, subject_json: str, /) -> str:
        """What people call the thing: a few words for a row of a list."""

    def says_repeated(self, problem: Problem, /) -> bool:
        """Whether Klaviyo refuses because it has (or sees twice) this ``unique_id``."""

    def remedy(self, part: Part, outcome: Outcome, /) -> Remedy | None:
        """What helps after a single send was refused; None if nothing does, and it dies."""
