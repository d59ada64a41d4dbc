"""Raises problems, and turns every error of an API into one `application/problem+json` answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from shared.contract import problems as catalogue
from shared.contract.basics import IDEMPOTENCY_HEADER
from shared.contract.problems import PROBLEM_MEDIA_TYPE, FieldError, Problem, ProblemType
from shared.kit.telemetry import current_request_id, current_trace

_EXAMPLE_REQUEST = UUID("0197c7a4-55d0-7b6e-9d53-3a4f2f1f7c11")


class ProblemError(Exception):
    """A problem to be answered. `detail` says what happened and what to do about it."""

    def __init__(
        self,
        type_: ProblemType,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        blockers: Sequence[dict[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{type_.code}: {detail}")
        self.type = type_
        self.detail = detail
        self.errors = list(errors)
        self.blockers = list(blockers)
        self.headers = dict(headers or {})

    def body(self, instance: str) -> Problem:
        """The wire's shape of it."""
        return Problem(
            type=self.type.uri,
            title=self.type.title,
            status=self.type.status,
            detail=self.detail,
            instance=instance,
            code=self.type.code,
            outcome="refused" if self.type.refused else None,
            request_id=current_request_id(),
            trace_id=current_trace().trace_id,
            errors=self.errors,
            blockers=self.blockers,
        )


def not_found(what: str) -> ProblemError:
    """The same words for what doesn't exist and for what is somebody else's."""
    return ProblemError(catalogue.NOT_FOUND, f"There is no such {what}. Check the id.")


def problem_response(error: ProblemError, request: Request) -> JSONResponse:
    """The answer for a problem."""
    return JSONResponse(
        error.body(request.url.path).model_dump(mode="json"),
        status_code=error.type.status,
        headers=error.headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def declare(*types: ProblemType) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: each status with the codes that it may carry."""
    by_status: dict[int, list[ProblemType]] = {}
    for type_ in dict.fromkeys(types):
        by_status.setdefault(type_.status, []).append(type_)
    return {
        status: {
            "description": "; ".join(f"`{type_.code}`: {type_.title}" for type_ in found),
            "content": {
                PROBLEM_MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {type_.code: example(type_) for type_ in found},
                }
            },
        }
        for status, found in sorted(by_status.items())
    }


def example(type_: ProblemType) -> dict[str, Any]:
    """A problem as OpenAPI shows it; `shared.kit.openapi` gathers them, each once."""
    body = Problem(
        type=type_.uri,
        title=type_.title,
        status=type_.status,
        detail="What happened, and what to do about it.",
        instance="/the/path/that/was/asked",
        code=type_.code,
        outcome="refused" if type_.refused else None,
        request_id=_EXAMPLE_REQUEST,
        trace_id=_EXAMPLE_REQUEST.hex,
        errors=[],
        blockers=[],
    )
    return {"summary": type_.title, "value": body.model_dump(mode="json")}


# SQLSTATE: deadlock, serialization, lock time-out, shutting down, starting up, too many of us.
_TRY_AGAIN = {"40P01", "40001", "55P03", "57P01", "57P02", "57P03", "53300"}
_UNSTORABLE = "22"
# What asyncpg raises while it connects comes as it is.
_AWAY = (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.InterfaceError)
_BY_STATUS = {
    404: (catalogue.NO_SUCH_ROUTE, "Check the address; see /docs for the routes."),
    413: (catalogue.BODY_TOO_LARGE, "Send less: no route takes a body of this size."),
}


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of this app a problem."""

    async def on_problem(request: Request, error: Exception) -> JSONResponse:
        error = cast("ProblemError", error)
        return problem_response(error, request)

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        error = cast("RequestValidationError", error)
        return problem_response(_unseen(from_validation(error), request), request)

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        error = cast("HTTPException", error)
        fallback = (catalogue.MALFORMED_REQUEST, str(error.detail))
        type_, detail = _BY_STATUS.get(error.status_code, fallback)
        return problem_response(ProblemError(type_, detail, headers=error.headers), request)

    async def on_database(request: Request, _error: Exception) -> JSONResponse:
        detail = "The database can't be reached. Nothing was done; try again in a moment."
        problem = ProblemError(catalogue.UNAVAILABLE, detail, headers={"Retry-After": "1"})
        return problem_response(problem, request)

    async def on_statement(request: Request, error: Exception) -> JSONResponse:
        error = cast("DBAPIError", error)
        if _sqlstate(error) in _TRY_AGAIN or is_disconnect(error):
            return await on_database(request, error)
        problem = unstorable(error)
        if problem is not None:
            return problem_response(_unseen(problem, request), request)
        raise error

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(DBAPIError, on_statement)
    for kind in (*_AWAY, OperationalError, InterfaceError, PoolTimeoutError, ConnectionError):
        app.add_exception_handler(kind, on_database)


def is_disconnect(error: DBAPIError) -> bool:
    """Whether the connection is gone, rather than the statement wrong."""
    return bool(error.connection_invalidated)


def unstorable(error: DBAPIError) -> ProblemError | None:
    """The problem where the database can't take what was sent; None where it isn't about that."""
    if not _sqlstate(error).startswith(_UNSTORABLE):
        return None
    detail = "Something in it can't be stored, for instance a NUL character."
    return ProblemError(catalogue.INVALID_REQUEST, detail)


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _unseen(problem: ProblemError, request: Request) -> ProblemError:
    """The same, without a word about the command whose key nobody has looked up.

    An earlier attempt may have been accepted, by a release that took what this one doesn't.
    """
    if IDEMPOTENCY_HEADER in request.headers:
        problem.type = replace(problem.type, refused=False)
    return problem


# How pydantic names it when a UUID that is wanted isn't there or isn't one.
_NO_COMMAND_ID = {"missing", "uuid_parsing", "uuid_type"}
# More than anybody reads; a refusal is kept, and a body may hold a hundred thousand mistakes.
_MOST_ERRORS = 100


def _path(location: tuple[str | int, ...]) -> str:
    # Pydantic marks the key of a mapping as opposed to its value; the message says enough.
    return ".".join(str(part) for part in location if part != "[key]")


def from_validation(error: RequestValidationError) -> ProblemError:
    """What is wrong with a request that doesn't fit its route."""
    found = [
        FieldError(path=_path(item["loc"]), message=item["msg"])
        for item in error.errors()[:_MOST_ERRORS]
    ]
    if any(
        item["loc"] == ("header", IDEMPOTENCY_HEADER) and item["type"] in _NO_COMMAND_ID
        for item in error.errors()
    ):
        detail = "Send the command's id, a UUID, as Idempotency-Key; the same for every attempt."
        return ProblemError(catalogue.IDEMPOTENCY_KEY_MISSING, detail, errors=found)
    if any(item["type"] == "json_invalid" for item in error.errors()):
        detail = "The body isn't valid JSON."
        return ProblemError(catalogue.MALFORMED_REQUEST, detail, errors=found)
    detail = "Some fields are missing or wrong; see errors."
    return ProblemError(catalogue.INVALID_REQUEST, detail, errors=found)
