"""What the sources room gives out: messages and what became of them, settings, runs through history, figures."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from ferrata.sources.contract import Mapped, Message, Skipped, Source
from ferrata.sources.rules import MappingRules


class State(StrEnum):
    WAITING = "waiting"
    MAPPED = "mapped"
    SKIPPED = "skipped"
    REFUSED = "refused"


class LineKey(msgspec.Struct, frozen=True, order=True):
    """Names a line: the messages of one source for one store."""

    store_id: str
    kind: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages: all given conditions hold. ``since`` is inclusive, ``until`` exclusive; both are times of arrival."""

    store_id: str
    kind: str | None = None
    states: tuple[State, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[str, ...] = ()


class Made(msgspec.Struct, frozen=True):
    """One thing that a message made. ``id`` is that of the event and its delivery; ``repeated``: it was there already."""

    what: str  # event, profile, catalog
    title: str
    unique_id: str = ""
    id: str | None = None
    repeated: bool = False


class KeptMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it is kept. ``envelope``: its body is a whole delivery that could not be opened or believed."""

    id: str
    message: Message
    title: str
    state: State
    envelope: bool = False
    attempts: int = 0
    next_at: datetime | None = None
    reason_code: str | None = None
    reason: str | None = None
    version: int | None = None
    mapped_at: datetime | None = None
    made: tuple[Made, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class Receipt(msgspec.Struct, frozen=True):
    """What became of one delivery. It is on disk; ``refused`` ones are kept apart."""

    kept: int = 0
    repeated: int = 0
    refused: int = 0


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it is set up for a store, in one version. Secrets are in ``settings`` as ``SecretStr``, never in texts."""

    store_id: str
    source: Source
    version: int
    enabled: bool
    settings: Any
    rules: MappingRules
    salt: bytes
    created_at: datetime
    created_by: str


class Outcome(msgspec.Struct, frozen=True):
    """What an attempt to map a message has come to. ``mapped`` only for MAPPED and SKIPPED; ``seconds`` until a next try."""

    state: State
    mapped: Mapped = Mapped()
    code: str | None = None
    reason: str | None = None
    seconds: float | None = None


class Counts(msgspec.Struct, frozen=True):
    kept: int = 0
    repeated: int = 0
    mapped: int = 0
    skipped: int = 0
    refused: int = 0
    retried: int = 0


class LineFigures(msgspec.Struct, frozen=True):
    """How one line stands, for those who measure it."""

    counts: Counts = Counts()
    waiting: int = 0
    oldest_at: datetime | None = None


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of somebody and was, or would be, deleted. ``under_way``: so many deliveries are being sent; say it again."""

    events: int = 0
    tellings: int = 0
    profiles: int = 0
    carts: int = 0
    messages: int = 0
    memories: int = 0
    under_way: int = 0
    dry_run: bool = False


class Backlog(msgspec.Struct, frozen=True):
    """What waits in a line, ``expecting`` of it for what another message tells; and since when the oldest of the rest does."""

    waiting: int = 0
    expecting: int = 0
    oldest_at: datetime | None = None
    reason: str | None = None


class Stuck(msgspec.Struct, frozen=True):
    """So many live messages of a line should have been mapped long ago."""

    line: LineKey
    count: int
    oldest_at: datetime


class Health(StrEnum):
    """How a source fares: ``quiet`` has nothing to do, ``late`` has messages waiting too long, ``off`` was switched off."""

    OFF = "off"
    QUIET = "quiet"
    MOVING = "moving"
    LATE = "late"
    REFUSING = "refusing"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A source of a store as lists show it. ``lag_seconds`` is the age of the oldest message that is to be mapped now.

    ``expecting`` of those that wait do so for what another message tells, such as an e-mail: nobody is late.
    """

    kind: str
    title: str
    version: int | None
    enabled: bool
    health: Health
    waiting: int
    expecting: int
    refused: int
    lag_seconds: float
    last_at: datetime | None
    last_day: Counts
    reason: str | None = None


class RunState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    DONE = "done"
    CANCELLED = "cancelled"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run through history. ``failures`` in a row; ``note`` says why it waits or has failed."""

    id: str
    store_id: str
    kind: str
    backfill: str
    since: datetime | None
    until: datetime
    state: RunState
    cursor: str | None
    pages: int
    messages: int
    made: int
    repeated: int
    skipped: int
    refused: int
    total: int | None
    failures: int
    next_at: datetime | None
    note: str | None
    started_by: str
    started_at: datetime
    seen_at: datetime
    worked_ms: int
    finished_at: datetime | None

    @property
    def per_second(self) -> float:
        """Messages per second of work, pauses left out."""
        return self.messages * 1000 / self.worked_ms if self.worked_ms else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None while nobody can tell."""
        if self.total is None or not self.per_second or self.finished_at:
            return None
        return max(0, self.total - self.messages) / self.per_second
