"""What delivery must know of an endpoint family. Everything here is pure: the same parts always give the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ferrata.klaviyo.outcome import Problem


@dataclass(frozen=True, slots=True)
class Part:
    """One delivery's frozen JSON texts."""

    subject_json: str
    profile_json: str


class EndpointFamily(Protocol):
    single_operation: str
    bulk_operation: str
    most_items: int
    most_bytes: int

    def single_body(self, part: Part) -> bytes: ...

    def bulk_body(self, parts: Sequence[Part]) -> bytes: ...

    def bulk_bytes(self, size: int) -> int:
        """How many bytes a part of ``size`` bytes adds to a bulk body, its separator included."""

    def position_of(self, pointer: str) -> int | None:
        """Which item of a bulk body an error's pointer speaks of; None if of none."""

    def in_single_body(self, pointer: str) -> str:
        """The same place as a pointer into a single body, so that equal reasons look equal."""

    def title(self, subject_json: str) -> str:
        """What people call the thing: a few words for a row of a list."""

    def says_repeated(self, problem: Problem) -> bool:
        """Whether Klaviyo refuses because it has (or sees twice) this ``unique_id``."""
