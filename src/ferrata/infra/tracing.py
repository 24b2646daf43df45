"""Traces by OpenTelemetry: an event's acceptance, its commit and every attempt are one trace, in whatever process they happen.

The trace's id is the event's id, and the id of its first span follows from it: so a worker that finds the event in the database a
day later can go on with the trace, and nothing has to be kept for that.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, set_span_in_context

MOST_EVENTS_TRACED = 100
"""Of events that are accepted together, so many get a trace of their own; otherwise an import would trace itself to death."""

MOST_LINKS = 1_000
EXPORT_SECONDS = 3.0
GOOD = frozenset({"accepted"})


def first_span_of(event_id: str) -> SpanContext:
    """The span of an event's acceptance, known from the event's id alone."""
    number = UUID(event_id).int
    span = int.from_bytes(hashlib.blake2b(event_id.encode(), digest_size=8).digest()) or 1
    return SpanContext(number, span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class _ChosenIds(RandomIdGenerator):
    """Gives the next root span the ids that were chosen for it; all others are random."""

    def __init__(self) -> None:
        self.chosen: SpanContext | None = None

    def generate_trace_id(self) -> int:
        return self.chosen.trace_id if self.chosen else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.chosen.span_id if self.chosen else super().generate_span_id()


class Traces:
    def __init__(self, processor: SpanProcessor, process: str) -> None:
        self._ids = _ChosenIds()
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "ferrata", "service.instance.id": process}),
            id_generator=self._ids,
            span_limits=SpanLimits(max_links=MOST_LINKS),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("ferrata")

    def accepted(self, store_id: str, event_ids: Sequence[str], began: datetime, handed_in: datetime, ended: datetime) -> None:
        """Trace the acceptance of events, and in each trace the commit that they shared."""
        for event_id in event_ids[:MOST_EVENTS_TRACED]:
            first = first_span_of(event_id)
            attributes: dict[str, str | int] = {
                "ferrata.event.id": event_id,
                "ferrata.store.id": store_id,
                "ferrata.accepted.together": len(event_ids),
            }
            self._ids.chosen = first
            span = self._tracer.start_span("events.accept", Context(), SpanKind.SERVER, attributes, start_time=_ns(began))
            self._ids.chosen = None
            inside = set_span_in_context(span, Context())
            commit = self._tracer.start_span("database.commit", inside, start_time=_ns(handed_in))
            commit.end(_ns(ended))
            span.end(_ns(ended))

    def attempted(
        self, operation: str, outcome: str, status: int | None, event_ids: Sequence[str], *, began: datetime, seconds: float
    ) -> None:
        """Trace one request: within the event's own trace or, for many events, as a trace that is linked to each of theirs."""
        attributes: dict[str, str | int] = {
            "ferrata.operation": operation,
            "ferrata.outcome": outcome,
            "ferrata.events": len(event_ids),
        }
        if status is not None:
            attributes["http.response.status_code"] = status
        contexts = [first_span_of(event_id) for event_id in event_ids[:MOST_LINKS]]
        alone = len(contexts) == 1
        span = self._tracer.start_span(
            "klaviyo.attempt",
            set_span_in_context(NonRecordingSpan(contexts[0]), Context()) if alone else Context(),
            SpanKind.CLIENT,
            attributes | ({"ferrata.event.id": event_ids[0]} if alone else {}),
            links=() if alone else [Link(context) for context in contexts],
            start_time=_ns(began),
        )
        if outcome not in GOOD:
            span.set_status(Status(StatusCode.ERROR, outcome))
        span.end(_ns(began + timedelta(seconds=seconds)))

    def close(self) -> None:
        """Send what is gathered, and end."""
        self._provider.shutdown()


def open_traces(endpoint: str, process: str) -> Traces:
    """Traces that go to an OTLP/HTTP collector at ``endpoint``, in batches and beside the work; what it misses is dropped."""
    return Traces(BatchSpanProcessor(otlp_exporter(endpoint)), process)


def otlp_exporter(endpoint: str) -> SpanExporter:
    address = endpoint.rstrip("/")
    return OTLPSpanExporter(
        endpoint=address if address.endswith("/v1/traces") else f"{address}/v1/traces", timeout=EXPORT_SECONDS
    )


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
