"""What is kept for how long, how much of it is due, and what cleanup runs have done."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ferrata.infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Policy:
    """For how many days each kind of data is kept. Undelivered events are kept whatever their age."""

    event_days: int
    attempt_days: int
    counter_days: int

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        return cls(settings.data_retention_days, settings.attempt_retention_days, settings.counter_retention_days)


class Trigger(StrEnum):
    SCHEDULE = "schedule"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run has deleted, and how many events it kept because they are not delivered yet."""

    events: int = 0
    profiles: int = 0
    attempts: int = 0
    batches: int = 0
    kept_undelivered: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.events + other.events,
            self.profiles + other.profiles,
            self.attempts + other.attempts,
            self.batches + other.batches,
            self.kept_undelivered + other.kept_undelivered,
        )


@dataclass(frozen=True, slots=True)
class Statistics:
    """``orphaned_profiles`` are those of whom nothing is kept now; deleting the due events may leave more."""

    total_events: int
    events_to_delete: int
    total_profiles: int
    orphaned_profiles: int
    kept_undelivered: int
    retention_days: int
    cutoff_day: date


class RunState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class CleanupRun:
    id: str
    store_id: str | None
    trigger: Trigger
    actor: str
    retention_days: int
    cutoff_day: date
    started_at: datetime
    finished_at: datetime | None
    state: RunState
    error: str | None
    counts: Counts
