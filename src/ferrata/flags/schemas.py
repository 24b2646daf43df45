"""What a flag says, and where that comes from."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

EVERY_METRIC = "*"
"""Stands for every metric of a store that has no flag of its own."""


class Mode(StrEnum):
    ON = "on"
    OFF = "off"
    PERCENTAGE = "percentage"
    DRY_RUN = "dry_run"


class Origin(StrEnum):
    """Where a rule comes from; the first that there is counts."""

    FLAG = "flag"  # set for this metric
    STORE = "store"  # set for every metric of the store
    ENVIRONMENT = "environment"
    BUILT_IN = "built_in"  # everything is on


@dataclass(frozen=True, slots=True)
class Rule:
    """``percentage`` is of the profiles, where the mode is that. ``source`` names the variable, or who has set it."""

    mode: Mode
    percentage: int = 100
    origin: Origin = Origin.FLAG
    source: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """What holds for one metric of a store."""

    metric: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some profiles a percentage would take."""

    profiles: int
    included: int
    percentage: int
