"""How well a thing is, said of single checks, of services and of the whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Level(StrEnum):
    """healthy: nothing to do. degraded: works, but somebody should look. down: Ferrata cannot do its duty."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"

    @classmethod
    def worst(cls, levels: Iterable["Level"]) -> "Level":
        return max(levels, key=list(cls).index, default=cls.HEALTHY)


@dataclass(frozen=True, slots=True)
class Check:
    """One named check. Only ``name``, ``level`` and ``latency_ms`` are for everybody.

    ``summary`` says what was found in a sentence without secrets or personal data; ``stores`` says it of single stores.
    """

    name: str
    level: Level
    summary: str
    latency_ms: float | None = None
    stores: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KlaviyoService:
    """Klaviyo as the last probes saw it, over all connected stores: the worst of them."""

    level: Level
    latency_ms: float | None
    checked_at: datetime | None
    accounts: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    level: Level
    at: datetime
    checks: tuple[Check, ...]
    klaviyo: KlaviyoService

    def check(self, name: str) -> Check | None:
        return next((check for check in self.checks if check.name == name), None)


@dataclass(frozen=True, slots=True)
class Readiness:
    """``reasons`` says what is not ready yet."""

    reasons: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        return not self.reasons
