"""Traces: one for each event, from its acceptance to Klaviyo's answer, in whatever process; nothing where it is not wanted."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ferrata.access.schemas import Right
from ferrata.infra.tracing import MOST_EVENTS_TRACED, Traces, first_span_of
from ferrata.kit.ids import new_id
from tests.health.conftest import OpenHouse

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
LATER = NOW + timedelta(milliseconds=4)


@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def traces(kept: InMemorySpanExporter) -> Traces:
    return Traces(SimpleSpanProcessor(kept), "test")


def named(kept: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in kept.get_finished_spans() if span.name == name]


class TestAnEvent:
    def test_is_one_trace_over_two_processes(self, kept: InMemorySpanExporter) -> None:
        event_id = new_id(NOW)
        traces(kept).accepted("default", [event_id], NOW, LATER, LATER + timedelta(milliseconds=2))
        worker = traces(kept)
        worker.attempted("POST /api/events", "upstream", 503, [event_id], began=LATER, seconds=0.2)
        worker.attempted("POST /api/events", "accepted", 202, [event_id], began=LATER, seconds=0.1)
        [accept], [commit], attempts = (named(kept, name) for name in ("events.accept", "database.commit", "klaviyo.attempt"))
        assert {span.context.trace_id for span in (accept, commit, *attempts)} == {UUID(event_id).int}
        assert accept.parent is None
        assert {span.parent.span_id for span in (commit, *attempts) if span.parent} == {accept.context.span_id}
        assert len({span.context.span_id for span in (accept, commit, *attempts)}) == 4
        assert accept.start_time == int(NOW.timestamp()) * 10**9
        assert (commit.end_time or 0) - (commit.start_time or 0) == 2_000_000
        assert [span.status.is_ok for span in attempts] == [False, True]
        assert attempts[0].attributes and attempts[0].attributes["http.response.status_code"] == 503

    def test_among_many_is_linked_from_the_batch(self, kept: InMemorySpanExporter) -> None:
        ids = [new_id(NOW) for _ in range(250)]
        tracing = traces(kept)
        tracing.accepted("default", ids, NOW, NOW, LATER)
        tracing.attempted("POST /api/event-bulk-create-jobs", "accepted", 202, ids, began=LATER, seconds=0.1)
        assert len(named(kept, "events.accept")) == MOST_EVENTS_TRACED
        [attempt] = named(kept, "klaviyo.attempt")
        assert attempt.parent is None
        assert [link.context.trace_id for link in attempt.links] == [first_span_of(id_).trace_id for id_ in ids]


class _Collector(BaseHTTPRequestHandler):
    """Takes what an OTLP/HTTP exporter sends."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, ExportTraceServiceRequest.FromString(body)))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    server.received = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class TestACollector:
    @pytest.mark.anyio
    async def test_gets_the_whole_way_of_an_event(self, open_house: OpenHouse, collector: ThreadingHTTPServer) -> None:
        async with open_house(otel_endpoint=f"http://127.0.0.1:{collector.server_port}") as house:
            await house.connect()
            token = await house.doors.token(Right.EVENTS_WRITE)
            async with house.working():
                body = {"eventName": "Purchase", "email": "jane@shop.com"}
                receipt = (await house.doors.client.post("/events", json=body, headers=token)).json()
        assert receipt["sentToKlaviyo"] is True
        received = collector.received  # type: ignore[attr-defined]
        assert {path for path, _ in received} == {"/v1/traces"}
        resources = [resource for _, request in received for resource in request.resource_spans]
        spans = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]
        trace_id = UUID(receipt["id"]).bytes
        assert sorted(span.name for span in spans if span.trace_id == trace_id) == [
            "database.commit",
            "events.accept",
            "klaviyo.attempt",
        ]
        names = {item.key: item.value.string_value for resource in resources for item in resource.resource.attributes}
        assert names["service.name"] == "ferrata"
        assert b"jane" not in b"".join(request.SerializeToString() for _, request in received)

    @pytest.mark.anyio
    async def test_that_is_not_there_hinders_nothing(self, open_house: OpenHouse) -> None:
        async with open_house(otel_endpoint="http://127.0.0.1:9") as house:
            token = await house.doors.token(Right.EVENTS_WRITE)
            answer = await house.doors.client.post(
                "/events", json={"eventName": "Purchase", "email": "jane@shop.com"}, headers=token
            )
            assert answer.status_code == 201


class TestWithoutACollector:
    def test_nothing_that_could_trace_is_even_loaded(self) -> None:
        loaded = "any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules)"
        program = f"import sys, ferrata.entry.wiring; sys.exit({loaded})"
        subprocess.run([sys.executable, "-c", program], check=True)
