"""Follows one request through log lines, commands, operations, events and spans.

Whether spans are recorded, and where they go, is the affair of `shared.kit.tracing`. Request ids
are UUIDs made at our edge. Only `traceparent` travels; `tracestate` and baggage don't.
"""

import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import structlog
from structlog.types import EventDict, Processor

from shared.kit.ids import new_ref

_TRACEPARENT = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")


@dataclass(frozen=True, slots=True)
class Trace:
    """W3C trace context: ids as hex."""

    trace_id: str
    span_id: str

    def header(self) -> str:
        """The value of `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    def child(self) -> "Trace":
        """The next step of the same trace."""
        return Trace(self.trace_id, secrets.token_hex(8))


_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
_request_id: ContextVar[UUID | None] = ContextVar("request_id", default=None)


def parse_traceparent(value: str | None) -> Trace | None:
    """The trace of a header; None where there is none or it can't be read."""
    found = _TRACEPARENT.fullmatch(value or "")
    if found is None or set(found[1]) == {"0"} or set(found[2]) == {"0"}:
        return None
    return Trace(found[1], found[2])


def current_trace() -> Trace:
    """The trace we are in; begins one where there is none."""
    trace = _trace.get()
    if trace is None:
        trace = Trace(secrets.token_hex(16), secrets.token_hex(8))
        _trace.set(trace)
    return trace


def current_request_id() -> UUID | None:
    """The id of the request that is being handled."""
    return _request_id.get()


class SpanKind(StrEnum):
    """What a span is to others, in OpenTelemetry's words."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Span(Protocol):
    """A step that is under way. Names and values must tell nothing of secrets or clients."""

    trace: Trace

    def rename(self, name: str) -> None:
        """Call it otherwise, now that more is known."""

    def note(self, name: str, value: str | int) -> None:
        """Add an attribute."""

    def end(self, error: BaseException | None) -> None:
        """It is over."""


class Recorder(Protocol):
    """Makes spans."""

    def begin(self, name: str, *, kind: SpanKind, parent: Trace | None) -> Span:
        """Begin one, as a child of `parent` or as the first of a new trace."""


class _Unrecorded:
    """A step that nobody records."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def rename(self, name: str) -> None:
        """Nobody looks."""

    def note(self, name: str, value: str | int) -> None:
        """Nobody looks."""

    def end(self, error: BaseException | None) -> None:
        """Nobody looks."""


_recorder: Recorder | None = None


def record_spans(recorder: Recorder | None) -> None:
    """Let spans of this process be recorded from now on, or no longer."""
    global _recorder  # noqa: PLW0603 - one per process, as the loggers
    _recorder = recorder


def is_recording() -> bool:
    """Whether spans of this process go anywhere."""
    return _recorder is not None


def _begin(name: str, kind: SpanKind, parent: Trace | None) -> Span:
    if _recorder is not None:
        return _recorder.begin(name, kind=kind, parent=parent)
    return _Unrecorded(
        parent.child() if parent else Trace(secrets.token_hex(16), secrets.token_hex(8))
    )


@contextmanager
def _under_way(span: Span) -> Iterator[Span]:
    token = _trace.set(span.trace)
    try:
        yield span
    except BaseException as error:
        span.end(error)
        raise
    else:
        span.end(None)
    finally:
        _trace.reset(token)


@contextmanager
def in_trace(
    traceparent: str | None,
    *,
    name: str = "work",
    kind: SpanKind = SpanKind.CONSUMER,
    request_id: UUID | None = None,
) -> Iterator[Span]:
    """Go on with a trace (or begin one) while the block runs; log lines carry its ids."""
    request_id = request_id or new_ref()
    request_token = _request_id.set(request_id)
    try:
        with (
            _under_way(_begin(name, kind, parse_traceparent(traceparent))) as span,
            structlog.contextvars.bound_contextvars(
                trace_id=span.trace.trace_id, request_id=str(request_id)
            ),
        ):
            yield span
    finally:
        _request_id.reset(request_token)


@contextmanager
def in_span(name: str, *, kind: SpanKind, traceparent: str | None = None) -> Iterator[Span]:
    """A step of the trace we are in, or of that of `traceparent` where it is another one.

    Where spans aren't recorded the step has no id of its own: it is what is around it, or what
    `traceparent` says.
    """
    around, told = _trace.get(), parse_traceparent(traceparent)
    parent = told if told and (around is None or around.trace_id != told.trace_id) else around
    if _recorder is None:
        yield _Unrecorded(told or parent or current_trace())
        return
    with _under_way(_begin(name, kind, parent)) as span:
        yield span


def configure_logging(*, service: str, level: str = "INFO", json_lines: bool = True) -> None:
    """Structured lines on standard error; foreign loggers pass through the same pipe."""

    def named(_logger: object, _method: str, line: EventDict) -> EventDict:
        line["service"] = service
        return line

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                named,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = True
    # One line per outgoing call would carry the URL only; still, it is noise.
    logging.getLogger("httpx").setLevel(logging.WARNING)
