"""Follows one request through log lines, commands, operations and events, and counts what happens.

Request ids are UUIDs made at our edge. Only `traceparent` travels; `tracestate` and baggage don't.
"""

import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
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
    found = _TRACEPARENT.match(value or "")
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


@contextmanager
def in_trace(traceparent: str | None, *, request_id: UUID | None = None) -> Iterator[Trace]:
    """Go on with a trace (or begin one) while the block runs; log lines carry its ids."""
    parent = parse_traceparent(traceparent)
    trace = parent.child() if parent else Trace(secrets.token_hex(16), secrets.token_hex(8))
    request_id = request_id or new_ref()
    trace_token = _trace.set(trace)
    request_token = _request_id.set(request_id)
    try:
        with structlog.contextvars.bound_contextvars(
            trace_id=trace.trace_id, request_id=str(request_id)
        ):
            yield trace
    finally:
        _trace.reset(trace_token)
        _request_id.reset(request_token)


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
