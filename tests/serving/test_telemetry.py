"""OpenTelemetry: off unless asked for; then traces and metrics reach a collector, without a word of a client."""

from __future__ import annotations

import gzip
import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from opentelemetry import trace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode
from team_server import HEADERS, INITIALIZE, call, headers_of, in_memory, running, terminate

from kaiming_mcp.serving.settings import SettingError
from kaiming_mcp.serving.telemetry import clean, start_telemetry

MARK = "s3cr3tmark"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """What a collector of OTLP over HTTP would have received."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resources: list[dict[str, str]] = []

    def take(self, path: str, payload: bytes) -> None:
        self.payloads.append(payload)
        if path == "/v1/traces":
            for part in ExportTraceServiceRequest.FromString(payload).resource_spans:
                self.resources.append({a.key: a.value.string_value for a in part.resource.attributes})
                self.spans += [span for scope in part.scope_spans for span in scope.spans]
        else:
            for part in ExportMetricsServiceRequest.FromString(payload).resource_metrics:
                self.metrics |= {metric.name: metric for scope in part.scope_metrics for metric in scope.metrics}


@contextmanager
def _collecting() -> Iterator[tuple[Collector, str]]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers["content-length"]))
            collector.take(self.path, gzip.decompress(payload) if payload[:2] == b"\x1f\x8b" else payload)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield collector, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _attributes(thing: Any) -> dict[str, Any]:
    return {a.key: a.value.string_value or a.value.int_value for a in thing.attributes}


async def test_traces_and_metrics_reach_a_collector_and_carry_no_word_of_a_client() -> None:
    good = call("read_principle", {"id": "residual-learning"})
    good["params"]["_meta"] = {**good["params"]["_meta"], "traceparent": TRACE, "tracestate": f"vendor={MARK}"}
    messages = [
        good,
        call("critique_architecture", {"architecture": f"conv {MARK}"}, MARK),
        call("critique_architecture", {MARK: 1}, MARK),
        call(MARK, {}),
        {**call(MARK, {}, MARK), "method": MARK},
        {**call(MARK, {}, MARK), "method": "prompts/get"},
    ]
    with _collecting() as (collector, endpoint):
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "OTEL_SERVICE_NAME": "kaiming-of-the-team",
        }
        # The grace is for a busy machine: what is still held is sent on the way out.
        limits = ["--rate-limit", "1", "--rate-burst", str(2 * len(messages)), "--grace-seconds", "20"]
        with running("--telemetry", *limits, **variables) as server:
            async with httpx2.AsyncClient() as client:
                for message in messages:
                    for era in ("modern", "legacy"):
                        await client.post(server.url, json=message, headers=headers_of(message, era))
                assert (await client.post(server.url, json=good, headers=HEADERS)).status_code == 429
            # What is still held is sent at the end.
            terminate(server)
            assert server.process.wait(30) == 0
    names = {span.name for span in collector.spans}
    assert names >= {
        "tools/call read_principle",
        "tools/call critique_architecture",
        "tools/call other",
        "other",
        "prompts/get",
    }
    traced = [span for span in collector.spans if span.trace_id.hex() == TRACE.split("-")[1]]
    assert [span.name for span in traced] == ["tools/call read_principle"] * 2
    assert [resource["service.name"] for resource in collector.resources] == ["kaiming-of-the-team"] * len(
        collector.resources
    )
    assert collector.resources[0]["deployment.environment.name"] == "test"

    requests = collector.metrics["http.server.request.duration"].histogram.data_points
    assert sum(point.count for point in requests) == 2 * len(messages) + 1
    (refused,) = collector.metrics["kaiming.refusals"].sum.data_points
    assert (_attributes(refused), refused.as_int) == ({"reason": "rate"}, 1)
    errors = collector.metrics["kaiming.tool.errors"].sum.data_points
    assert {_attributes(point)["gen_ai.tool.name"]: point.as_int for point in errors} == {"critique_architecture": 4}
    assert sum(point.as_int for point in collector.metrics["http.server.active_requests"].sum.data_points) == 0
    operations = collector.metrics["mcp.server.operation.duration"].histogram.data_points
    assert {"mcp.method.name": "tools/call", "gen_ai.tool.name": "read_principle"} in map(_attributes, operations)
    assert not any(MARK.encode() in payload for payload in collector.payloads)


async def test_nothing_is_sent_unless_asked_for() -> None:
    with _collecting() as (collector, endpoint), running(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as server:
        async with httpx2.AsyncClient() as client:
            await client.post(server.url, json=INITIALIZE, headers=HEADERS)
        terminate(server)
        assert server.process.wait(20) == 0
    assert collector.payloads == []


async def test_a_collector_that_does_not_answer_delays_nothing() -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running("--telemetry", **variables) as server:
        async with httpx2.AsyncClient() as client:
            assert (await client.post(server.url, json=INITIALIZE, headers=HEADERS)).status_code == 200
        terminate(server)
        assert server.process.wait(5) == 0


def test_a_span_keeps_what_this_server_wrote_alone() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(clean(exporter)))
    state = trace.TraceState([("vendor", MARK)])
    parent = trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1), trace_state=state)
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    attributes = {
        "mcp.method.name": MARK,
        "gen_ai.prompt.name": MARK,
        "jsonrpc.request.id": MARK,
        "mcp.protocol.version": MARK,
    }
    link = trace.Link(parent, {"x": MARK})
    with provider.get_tracer("x").start_as_current_span(MARK, context, attributes=attributes, links=[link]) as span:
        span.record_exception(MCPError(1, MARK))
        span.add_event(MARK, {MARK: MARK})
        span.set_status(Status(StatusCode.ERROR, MARK))
        span.set_attribute("error.type", "MCPError")
    (told,) = exporter.get_finished_spans()
    assert MARK not in told.to_json()
    assert told.attributes == {"mcp.method.name": "other", "error.type": "MCPError"}
    assert told.status.status_code is StatusCode.ERROR
    assert told.parent is not None
    assert (told.parent.span_id, told.parent.trace_state) == (2, trace.TraceState())
    assert (told.start_time, told.end_time) == (span.start_time, span.end_time)  # type: ignore[attr-defined] - a span of the SDK


async def test_without_telemetry_what_is_measured_goes_nowhere() -> None:
    async with in_memory() as client:
        assert (await client.post("/mcp", json=INITIALIZE, headers=HEADERS)).status_code == 200


def test_a_missing_sdk_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    importlib.invalidate_caches()
    with pytest.raises(SettingError, match=r"pip install 'kaiming-mcp\[telemetry\]'"):
        start_telemetry()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("OTEL_TRACES_EXPORTER", "console", "otlp or none"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc", "http/protobuf"),
    ],
)
def test_an_exporter_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingError, match=f"{variable} '{value}': expected {expected}"):
        start_telemetry()
