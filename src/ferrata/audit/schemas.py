"""Who did what to what, who was refused what, and what the chain says about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Outcome = Literal["done", "refused"]
Risk = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change: a person, a program's token, a command on the server, or Ferrata itself; unknown only if refused."""

    kind: Literal["person", "token", "command", "system", "unknown"]
    id: str
    name: str


SYSTEM = Actor("system", "ferrata", "Ferrata")
COMMAND_LINE = Actor("command", "cli", "the command line")
SOMEBODY = Actor("unknown", "", "somebody unknown")


@dataclass(frozen=True, slots=True)
class Record:
    """``seq`` and ``hash`` are its place in the chain; None for the seconds until it is sealed."""

    id: str
    at: datetime
    actor: Actor
    action: str
    target: str
    store_id: str | None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    outcome: Outcome = "done"
    count: int = 1
    address: str | None = None
    via: str | None = None
    seq: int | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records: all given conditions hold. ``since`` is inclusive, ``until`` exclusive.

    ``actor`` is an id or the exact name; ``action`` ending in a dot or without one names a room, such as ``connections``.
    ``target`` is the whole target, or its beginning up to a slash.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    store_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    refused: bool | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """One attempt that was refused."""

    actor: Actor
    code: str
    target: str
    at: datetime
    action: str = "access.refused"
    store_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    address: str | None = None
    via: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: noted elsewhere, it shows later that nothing up to there was rewritten."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Behind:
    """What should have been sealed by now: how many records wait, the oldest since then."""

    records: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Anchor:
    """What retention left behind of the records up to ``seq``."""

    seq: int
    hash: str
    last_at: datetime
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong with the chain. ``seq`` None: it is not about one place of it."""

    seq: int | None
    record_id: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """``checked`` records were found as they were sealed, the last of them at ``head``."""

    checked: int
    head: Head
    unsealed: int
    anchor: Anchor | None
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Count:
    """A line of the compliance report."""

    action: str
    outcome: Outcome
    risk: Risk
    records: int
    attempts: int
