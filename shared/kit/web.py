"""Builds the HTTP application of either service: edges, problems, health and metrics.

The edge makes request ids, goes on with traces, limits bodies and counts answers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.datastructures import Headers, MutableHeaders

from shared.contract import problems as catalogue
from shared.contract.basics import (
    BASE_PATH,
    CONTRACT_HEADER,
    CONTRACT_VERSION,
    REQUEST_ID_HEADER,
    TRACE_ID_HEADER,
)
from shared.contract.problems import PROBLEM_MEDIA_TYPE, ProblemType
from shared.kit.bodies import Gone, read_body
from shared.kit.headers import shield
from shared.kit.openapi import API, operation_id
from shared.kit.pages import install_pages
from shared.kit.problems import ProblemError, declare, install_problem_handlers, problem_response
from shared.kit.telemetry import Span, SpanKind, current_request_id, in_trace

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = structlog.get_logger("access")
_ANSWERS = Counter("tandem_http_answers_total", "Answers", ["method", "route", "status"])
_SECONDS = Histogram("tandem_http_seconds", "Time to the first byte", ["method", "route"])


# What routes needn't declare themselves: any may answer so.
_FROM_THE_EDGE = declare(
    catalogue.REQUEST_TOO_SLOW,
    catalogue.BODY_TOO_LARGE,
    catalogue.ENCODING_NOT_SUPPORTED,
    catalogue.HEADERS_TOO_LARGE,
    catalogue.INTERNAL_ERROR,
)
_FROM_EVERY_ROUTE = {
    **_FROM_THE_EDGE,
    **declare(catalogue.MALFORMED_REQUEST, catalogue.UNAVAILABLE),
}


class Edge:
    """The outermost ring of an application.

    A route may leave headers of its own (rate limits, say) in `scope["answer_headers"]`: they go
    with every answer, problems too.
    """

    def __init__(
        self, app: ASGI, *, max_body_bytes: int, draining: asyncio.Event | None = None
    ) -> None:
        self._app = app
        self._max_body = max_body_bytes
        self._draining = draining or asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, in its trace."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        told = headers.get("traceparent")
        with in_trace(told, name=scope["method"], kind=SpanKind.SERVER) as span:
            began, status = time.perf_counter(), 0

            async def answer(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    last = self._draining.is_set()
                    _mark(MutableHeaders(scope=message), scope, span, last=last)
                    _count(scope, status, began)
                    _tell(span, scope, status)
                await send(message)

            try:
                await self._limited(scope, receive, answer, headers)
            except Exception:
                # The edge itself: what nobody understood becomes one honest answer.
                _log.exception("http.error", path=scope["path"])
                if status:
                    raise
                await _problem(answer, scope, "Try again; quote the request_id when you report it.")

    async def _limited(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        try:
            given = await read_body(scope["method"], headers, receive, most=self._max_body)
        except ProblemError as problem:
            await _send(send, scope, problem)
        except Gone:
            _log.info("http.gone", path=scope["path"])
        else:
            await self._app(scope, given, send)


def _mark(out: MutableHeaders, scope: Scope, span: Span, *, last: bool) -> None:
    """Set the headers that every answer has."""
    out[REQUEST_ID_HEADER] = str(current_request_id())
    out["traceparent"] = span.trace.header()
    out[TRACE_ID_HEADER] = span.trace.trace_id
    # What a dependency wants on every answer, also on problems and raw responses.
    out.update(scope.get("answer_headers", {}))
    shield(out, secure=scope.get("scheme") == "https")
    if last:
        out["connection"] = "close"  # The next request finds another process.
    if scope["path"].startswith(BASE_PATH):
        out[CONTRACT_HEADER] = CONTRACT_VERSION


def _route(scope: Scope) -> str:
    # The route itself knows only its own end of the path where its router was included by another.
    whole = scope.get("fastapi", {}).get("effective_route_context")
    return str(getattr(whole or scope.get("route"), "path", "unknown"))


def _count(scope: Scope, status: int, began: float) -> None:
    seconds = time.perf_counter() - began
    _ANSWERS.labels(scope["method"], _route(scope), status).inc()
    _SECONDS.labels(scope["method"], _route(scope)).observe(seconds)
    _log.info(
        "http.answer",
        method=scope["method"],
        route=_route(scope),
        status=status,
        ms=round(seconds * 1000, 1),
    )


def _tell(span: Span, scope: Scope, status: int) -> None:
    """The route, never the path: that may name a client."""
    span.rename(f"{scope['method']} {_route(scope)}")
    span.note("http.request.method", scope["method"])
    span.note("http.route", _route(scope))
    span.note("http.response.status_code", status)


async def _problem(send: Send, scope: Scope, detail: str) -> None:
    await _send(send, scope, ProblemError(catalogue.INTERNAL_ERROR, detail))


async def _send(send: Send, scope: Scope, error: ProblemError) -> None:
    response = JSONResponse(
        error.body(scope["path"]).model_dump(mode="json"),
        status_code=error.type.status,
        headers=error.headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )
    await response(scope, _nothing, send)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


ReadyCheck = Callable[[], Awaitable[dict[str, bool]]]


def create_api(
    *,
    title: str,
    description: str,
    version: str,
    tags: Sequence[dict[str, str]],
    routers: Sequence[APIRouter],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    ready: ReadyCheck,
    max_body_bytes: int,
    told_problems: Sequence[ProblemType] = (),
    problems_by_scheme: Mapping[str, Sequence[ProblemType]] = MappingProxyType({}),
    refresh_gauges: Sequence[Callable[[], Awaitable[None]]] = (),
) -> FastAPI:
    """The application with its routers, `/healthz`, `/readyz`, `/metrics` and the pages for people.

    `told_problems` are those that bodies tell of, besides what the routes declare;
    `problems_by_scheme` those that every route with these credentials may answer. `refresh_gauges`
    counts anew what `/metrics` shows of the database.
    """
    app = API(
        title=title,
        description=description,
        version=version,
        openapi_tags=list(tags),
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    app.told_problems = told_problems
    app.problems_by_scheme = problems_by_scheme
    install_problem_handlers(app)
    app.add_exception_handler(catalogue.METHOD_NOT_ALLOWED.status, _wrong_method)
    for router in routers:
        app.include_router(router, responses=_FROM_EVERY_ROUTE)
    app.include_router(_operations(ready, refresh_gauges), responses=_FROM_THE_EDGE)
    install_pages(app)
    # Set when the process is told to stop: first it is no longer ready, then endless answers end.
    app.state.draining = asyncio.Event()
    app.add_middleware(Edge, max_body_bytes=max_body_bytes, draining=app.state.draining)
    app.state.stopping = asyncio.Event()
    return app


async def _wrong_method(request: Request, error: Exception) -> Response:
    """Name all methods: Starlette knows those of the first route that it found at this path."""
    told = getattr(error, "headers", None) or {}
    documented = request.app.openapi()["paths"].get(_route(request.scope), {})
    methods = {*filter(None, told.get("Allow", "").split(", ")), *map(str.upper, documented)}
    detail = "See /docs for the methods of this route."
    allow = {"Allow": ", ".join(sorted(methods))}
    return problem_response(
        ProblemError(catalogue.METHOD_NOT_ALLOWED, detail, headers=allow), request
    )


def _operations(
    ready: ReadyCheck, refresh_gauges: Sequence[Callable[[], Awaitable[None]]]
) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="The process runs")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False)
    @router.get(
        "/readyz",
        summary="The service can work",
        description="Looks at the database, the migrations and the workers' heartbeat, and whether "
        "this process has been told to stop.",
        responses={503: {"description": "What is false isn't there", "model": dict[str, bool]}},
    )
    async def readyz(request: Request, response: Response) -> dict[str, bool]:
        draining = request.app.state.draining.is_set()
        checks = {"serving": False} if draining else await ready()
        response.status_code = 200 if all(checks.values()) else 503
        return checks

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        for refresh in refresh_gauges:
            await refresh()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
