"""Sends spans to a collector by OTLP where the environment names one, and else does nothing.

The variables are OpenTelemetry's own, `OTEL_EXPORTER_OTLP_ENDPOINT` first of all. The exporter is
in the extra `otlp`. Only what the code notes goes out: no bodies, no headers, no words of errors.
"""

import os
import threading

from opentelemetry import trace as otel
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared.kit.release import release
from shared.kit.telemetry import Span, SpanKind, Trace, record_spans

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_KINDS = {
    SpanKind.SERVER: otel.SpanKind.SERVER,
    SpanKind.CLIENT: otel.SpanKind.CLIENT,
    SpanKind.PRODUCER: otel.SpanKind.PRODUCER,
    SpanKind.CONSUMER: otel.SpanKind.CONSUMER,
}
LAST_WORDS_SECONDS = 2.0
_provider: TracerProvider | None = None


class _Recorded:
    """One of our spans on one of OpenTelemetry's, with the same ids."""

    def __init__(self, span: otel.Span) -> None:
        context = span.get_span_context()
        self._span = span
        self.trace = Trace(
            otel.format_trace_id(context.trace_id), otel.format_span_id(context.span_id)
        )

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def end(self, error: BaseException | None) -> None:
        if error is not None:
            # Its words may hold what nobody else should read.
            self._span.set_attribute("error.type", type(error).__qualname__)
            self._span.set_status(otel.StatusCode.ERROR)
        self._span.end()


class _OpenTelemetry:
    """Makes our spans with OpenTelemetry."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("tandem", release())

    def begin(self, name: str, *, kind: SpanKind, parent: Trace | None) -> Span:
        context = otel.set_span_in_context(otel.INVALID_SPAN)
        if parent is not None:
            known = otel.SpanContext(
                trace_id=int(parent.trace_id, 16),
                span_id=int(parent.span_id, 16),
                is_remote=True,
                trace_flags=otel.TraceFlags(otel.TraceFlags.SAMPLED),
            )
            context = otel.set_span_in_context(otel.NonRecordingSpan(known))
        return _Recorded(self._tracer.start_span(name, context, kind=_KINDS[kind]))


def start_tracing(service: str) -> None:
    """What a process calls at its start. SystemExit where the exporter isn't installed."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
            OTLPSpanExporter,
        )
    except ImportError:
        raise SystemExit(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the exporter isn't installed: install "
            "`tandem[otlp]`, or unset the variable"
        ) from None
    send_spans(service, BatchSpanProcessor(OTLPSpanExporter()))


def send_spans(service: str, processor: SpanProcessor) -> None:
    """Let the spans of this process go to `processor`, as `tandem-<service>`."""
    global _provider  # noqa: PLW0603 - one per process
    named = os.environ.get("OTEL_SERVICE_NAME") or f"tandem-{service}"
    resource = Resource.create({"service.name": named, "service.version": release()})
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(processor)
    record_spans(_OpenTelemetry(_provider))


def stop_tracing() -> None:
    """Send what is left, for two seconds at most: a collector that is away must not hold us."""
    global _provider  # noqa: PLW0603 - one per process
    record_spans(None)
    if _provider is None:
        return
    ending = threading.Thread(target=_provider.shutdown, name="last-spans", daemon=True)
    ending.start()
    ending.join(LAST_WORDS_SECONDS)
    _provider = None
