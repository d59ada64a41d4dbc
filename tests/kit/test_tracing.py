"""Without a collector nothing is recorded and ids stay; a missing exporter is named."""

import sys

import pytest

from shared.kit.telemetry import SpanKind, current_trace, in_span, in_trace, is_recording
from shared.kit.tracing import start_tracing, stop_tracing

TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
OTHER = f"00-{'ef' * 16}-{'12' * 8}-01"


def test_without_a_collector_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    start_tracing("selling")
    assert not is_recording()


def test_a_step_that_is_not_recorded_has_no_id_of_its_own() -> None:
    with in_trace(TRACE) as around:
        with in_span("step", kind=SpanKind.CLIENT) as span:
            assert span.trace == around.trace == current_trace()
        with in_span("step", kind=SpanKind.CLIENT, traceparent=OTHER) as span:
            assert span.trace.header() == OTHER


def test_a_missing_exporter_is_named_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    module = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit, match=r"install `tandem\[otlp\]`"):
        start_tracing("selling")
    stop_tracing()
