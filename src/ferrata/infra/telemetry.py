"""What this process measures of itself, for Prometheus, and, where a collector is configured, traces.

Labels come from closed sets: methods, routes, classes of status, Klaviyo's operations and kinds of outcome. So no input makes
another series.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram

from ferrata.kit.clock import Clock

if TYPE_CHECKING:  # OpenTelemetry is loaded only where a collector is configured
    from ferrata.infra.tracing import Traces

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_HTTP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_WORKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_KLAVIYO_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Telemetry:
    """``traces`` None: nothing is traced, and the calls for it cost nothing."""

    def __init__(self, clock: Clock, traces: "Traces | None" = None) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._traces = traces
        self._answered: dict[tuple[str, str, int], Histogram] = {}  # the labels' own look-up costs as much as counting
        self._http = Histogram(
            "ferrata_http_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ("method", "route", "status"),
            buckets=_HTTP_SECONDS,
            registry=self.registry,
        )
        self._commits = Histogram(
            "ferrata_database_commit_seconds",
            "Time of a write transaction, its synced commit included.",
            buckets=_COMMIT_SECONDS,
            registry=self.registry,
        )
        self._groups = Histogram(
            "ferrata_database_commit_works",
            "Pieces of work that shared one commit.",
            buckets=_WORKS,
            registry=self.registry,
        )
        self._attempts = Counter(
            "ferrata_delivery_attempts",
            "Requests to Klaviyo that delivery has made, by what came of them.",
            ("operation", "outcome"),
            registry=self.registry,
        )
        self._attempt_seconds = Histogram(
            "ferrata_delivery_attempt_seconds",
            "Time of a request to Klaviyo.",
            ("operation",),
            buckets=_KLAVIYO_SECONDS,
            registry=self.registry,
        )

    @property
    def is_tracing(self) -> bool:
        return self._traces is not None

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One HTTP request; ``route`` is the path's template, ``status`` 0 where none was sent."""
        kind = (method if method in METHODS else "other", route, status // 100)
        series = self._answered.get(kind)
        if series is None:
            series = self._answered[kind] = self._http.labels(*kind[:2], f"{kind[2]}xx" if status else "none")
        series.observe(seconds)

    @contextmanager
    def committing(self, works: int) -> Iterator[None]:
        """Around one write transaction that ``works`` pieces of work share."""
        began = self._clock.monotonic()
        try:
            yield
        finally:
            self._commits.observe(self._clock.monotonic() - began)
            self._groups.observe(works)

    def accepted(self, store_id: str, event_ids: Sequence[str], began: datetime, handed_in: datetime) -> None:
        """Events whose commit has just returned. ``handed_in`` is when they were given to the database."""
        if self._traces:
            self._traces.accepted(store_id, event_ids, began, handed_in, self._clock.now())

    def attempted(
        self, operation: str, outcome: str, status: int | None, event_ids: Sequence[str], *, began: datetime, seconds: float
    ) -> None:
        """One request of delivery to Klaviyo, answered or not."""
        self._attempts.labels(operation, outcome).inc()
        self._attempt_seconds.labels(operation).observe(seconds)
        if self._traces:
            self._traces.attempted(operation, outcome, status, event_ids, began=began, seconds=seconds)

    def close(self) -> None:
        """Send what has been traced and not sent yet."""
        if self._traces:
            self._traces.close()


def open_telemetry(clock: Clock, endpoint: str | None, process: str) -> Telemetry:
    """With traces where ``endpoint`` names an OTLP/HTTP collector. ``process`` is this process's name in them."""
    if endpoint is None:
        return Telemetry(clock)
    from ferrata.infra.tracing import open_traces

    return Telemetry(clock, open_traces(endpoint, process))
