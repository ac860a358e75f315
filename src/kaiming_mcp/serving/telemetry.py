"""OpenTelemetry, where it is asked for: providers and exporters for the SDK's spans and our measurements."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kaiming_mcp import __version__
from kaiming_mcp.serving.observed import known_method, known_tool
from kaiming_mcp.serving.settings import SettingError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_KEPT = ("gen_ai.operation.name", "error.type", "rpc.response.status_code")
_SIGNALS = ("TRACES", "METRICS")


def start_telemetry() -> Callable[[], None]:
    """Set up traces and metrics as the standard OTEL_ variables say; by default to a collector on this machine.

    What is returned sends what is still held, and ends it.

    Raises:
        SettingError: the SDK is not installed, or a variable asks for an exporter that is not there.
    """
    try:
        from opentelemetry import metrics, trace
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingError(
            "--telemetry (KAIMING_TELEMETRY) needs the SDK of OpenTelemetry: pip install 'kaiming-mcp[telemetry]'"
        ) from None
    traces, measured = (_is_exported(signal) for signal in _SIGNALS)
    own = Resource.create({"service.name": "kaiming-mcp", "service.version": __version__})
    resource = own.merge(OTELResourceDetector().detect())
    ends: list[Callable[[], None]] = []
    if traces:
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(clean(OTLPSpanExporter())))
        trace.set_tracer_provider(provider)
        ends.append(provider.shutdown)
    if measured:
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        meters = MeterProvider([reader], resource=resource)
        metrics.set_meter_provider(meters)
        ends.append(meters.shutdown)

    def stop() -> None:
        for end in ends:
            end()

    return stop


def _is_exported(signal: str) -> bool:
    exporter = os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip() or "otlp"
    if exporter not in ("otlp", "none"):
        raise SettingError(f"OTEL_{signal}_EXPORTER {exporter!r}: expected otlp or none")
    for variable in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = os.environ.get(variable, "").strip() or "http/protobuf"
        if protocol != "http/protobuf":
            raise SettingError(f"{variable} {protocol!r}: expected http/protobuf (port 4318 of a collector)")
    return exporter == "otlp"


def clean(exporter: SpanExporter) -> SpanExporter:
    """An exporter that lets no word of a client through.

    The SDK's spans carry names and ids that clients choose, and the words of errors, which may quote an argument.
    What is left: known methods and tools, types of errors, and times.
    """
    from opentelemetry.sdk.trace.export import SpanExporter

    class Clean(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return exporter.export([cleaned(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Clean()


def cleaned(span: ReadableSpan) -> ReadableSpan:
    """A span without what a client wrote."""
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import SpanContext, Status

    told = dict(span.attributes or {})
    attributes: dict[str, Any] = {key: told[key] for key in _KEPT if key in told}
    attributes["mcp.method.name"] = method = known_method(told.get("mcp.method.name"))
    version = str(told.get("mcp.protocol.version"))
    if re.fullmatch(r"\d{4}-\d\d-\d\d", version):
        attributes["mcp.protocol.version"] = version
    if "gen_ai.tool.name" in told:
        attributes["gen_ai.tool.name"] = known_tool(told["gen_ai.tool.name"])

    def untold(context: SpanContext | None) -> SpanContext | None:
        # The trace state is a text of the client's.
        if context is None:
            return None
        return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)

    def bare(event: Event) -> Event:
        kind = (event.attributes or {}).get("exception.type")
        return Event("exception", {"exception.type": kind} if kind else {}, event.timestamp)

    return ReadableSpan(
        name=" ".join(filter(None, [method, attributes.get("gen_ai.tool.name")])),
        context=untold(span.context),
        parent=untold(span.parent),
        resource=span.resource,
        attributes=attributes,
        events=[bare(event) for event in span.events],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
