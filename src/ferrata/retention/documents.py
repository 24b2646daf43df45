"""Retention as programs see it over HTTP. The first five members of the statistics and the first two of a run are the seed's."""

from datetime import date
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from ferrata.retention.schemas import CleanupRun, Counts, RunState, Statistics, Trigger


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class RunDocument(_Document):
    """One run of the cleanup. ``storeId`` null: over all stores."""

    id: str
    store_id: str | None
    trigger: Trigger
    actor: str
    state: RunState
    retention_days: int
    cutoff_day: date
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    error: str | None
    deleted_events: int
    deleted_profiles: int
    deleted_attempts: int
    deleted_batches: int
    kept_undelivered: int

    @classmethod
    def of(cls, run: CleanupRun) -> "RunDocument":
        return cls(**_told(run.counts), **{name: getattr(run, name) for name in cls.model_fields if hasattr(run, name)})


class RunsDocument(_Document):
    runs: list[RunDocument]
    next_cursor: str | None


class StatisticsDocument(_Document):
    """``keptUndelivered`` events are older than the cutoff and stay until they are delivered or discarded."""

    total_events: int
    events_to_delete: int
    total_profiles: int
    orphaned_profiles: int
    retention_days: int
    cutoff_day: date
    kept_undelivered: int
    attempt_retention_days: int
    counter_retention_days: int
    last_run: RunDocument | None


class CleanupDocument(_Document):
    """What was deleted or, as a dry run, would be. ``runId`` names the run in the history; null for a dry run."""

    deleted_events: int
    deleted_profiles: int
    kept_undelivered: int
    dry_run: bool
    run_id: str | None
    retention_days: int
    cutoff_day: date

    @classmethod
    def of(cls, run: CleanupRun) -> "CleanupDocument":
        told = _only(cls, _told(run.counts))
        return cls(**told, dry_run=False, run_id=run.id, retention_days=run.retention_days, cutoff_day=run.cutoff_day)

    @classmethod
    def preview(cls, counts: Counts, statistics: Statistics) -> "CleanupDocument":
        told = _only(cls, _told(counts))
        days, day = statistics.retention_days, statistics.cutoff_day
        return cls(**told, dry_run=True, run_id=None, retention_days=days, cutoff_day=day)


def _told(counts: Counts) -> dict[str, Any]:
    return {
        "deleted_events": counts.events,
        "deleted_profiles": counts.profiles,
        "deleted_attempts": counts.attempts,
        "deleted_batches": counts.batches,
        "kept_undelivered": counts.kept_undelivered,
    }


def _only(document: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in document.model_fields}
