"""Keeps the spans of this process in memory, for tests that look at them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.kit.telemetry import Trace
from shared.kit.tracing import send_spans, stop_tracing


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A span that has ended. `whole` is everything that is told of it."""

    name: str
    trace: Trace
    parent_id: str
    attributes: dict[str, object]
    whole: str


class Spans:
    """What was recorded."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def seen(self, name: str = "") -> list[Seen]:
        """The spans of this name, or all, in the order of their ends."""
        return [
            Seen(
                name=span.name,
                trace=Trace(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"),
                parent_id="" if span.parent is None else f"{span.parent.span_id:016x}",
                attributes=dict(span.attributes or {}),
                whole=span.to_json(),
            )
            for span in self.exporter.get_finished_spans()
            if span.context is not None and name in {"", span.name}
        ]


@contextmanager
def recording() -> Iterator[Spans]:
    """Record what the block does."""
    spans = Spans()
    send_spans("tests", SimpleSpanProcessor(spans.exporter))
    try:
        yield spans
    finally:
        stop_tracing()
