"""Answers one command once: the same key gets the same answer, whoever asks however often.

A command's row is written in the transaction of its action. A refusal undoes the action (a
savepoint) but not the row. Nothing is marked "running" beforehand: a crash leaves no trace.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Header, Response
from fastapi import Request as HTTPRequest
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import DateTime, Text, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from shared.contract.basics import IDEMPOTENCY_HEADER, REPLAYED_HEADER
from shared.contract.operations import CommandState
from shared.contract.problems import (
    COMMAND_CANCELLED,
    IDEMPOTENCY_KEY_REUSED,
    IN_PROGRESS,
    PROBLEM_MEDIA_TYPE,
)
from shared.kit.batches import AT_ONCE
from shared.kit.columns import Hashed
from shared.kit.db import WriteSession
from shared.kit.problems import ProblemError, from_validation, unstorable
from shared.kit.telemetry import current_trace

KEPT_ANSWERS = timedelta(days=7)


class CommandColumns:
    """A command that arrived, or that was cancelled before it did. Kept for ever.

    The answer itself is kept for 7 days; `operation_id` and `problem` stay.
    """

    tenant_id: Mapped[UUID]
    command_id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes | None] = mapped_column(Hashed)
    state: Mapped[str] = mapped_column(Text)
    operation_id: Mapped[UUID | None]
    # Not jsonb: the order of the keys is kept, so that the first answer comes again word for word.
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    traceparent: Mapped[str | None] = mapped_column(Text)


Command = TypeVar("Command", bound=CommandColumns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered, and answered again: status, JSON body, headers that belong to it."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    operation_id: UUID | None = None

    @property
    def media_type(self) -> str:
        """Problems have a type of their own."""
        return PROBLEM_MEDIA_TYPE if self.status >= 400 else "application/json"  # noqa: PLR2004


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One command as it came: whose, under which id, and an HMAC of what it says."""

    tenant_id: UUID
    command_id: UUID
    fingerprint: bytes
    path: str


# The header of a commanding route. Without a UUID in it the answer is `idempotency_key_missing`.
CommandId = Annotated[
    UUID,
    Header(
        alias=IDEMPOTENCY_HEADER,
        description="The command's id, a UUID: the same one for every attempt.",
        examples=["6f9619ff-8b86-4d01-b42d-00cf4fc964ff"],
    ),
]


Refusal = Callable[[ProblemError], Awaitable[Response]]


def refuse_with(request: HTTPRequest, refusal: Refusal) -> None:
    """Say how this request, if it turns out not to be valid, is answered under its key."""
    request.state.refusal = refusal


class CommandRoute(APIRoute):
    """A commanding route: its key decides before its content does.

    A repeat of what an earlier release accepted must not be refused because this one is stricter.
    FastAPI calls the dependencies also where the rest isn't valid, so that one of them can leave
    behind, by `refuse_with`, what answers in its still open transaction.
    """

    def get_route_handler(self) -> Callable[[HTTPRequest], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def key_first(request: HTTPRequest) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                refusal: Refusal | None = getattr(request.state, "refusal", None)
                if refusal is None:
                    raise
                return await refusal(from_validation(error))

        return key_first


async def lock_command(session: WriteSession, *, tenant_id: UUID, command_id: UUID) -> bool:
    """Hold this command until the transaction ends; false where somebody else holds it."""
    statement = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 7))")
    held = await session.scalar(statement, {"name": f"{tenant_id}:{command_id}"})
    return bool(held)


async def answer_once(
    session: WriteSession,
    table: type[Command],
    request: Request,
    action: Callable[[], Awaitable[Answer]],
    *,
    replay: Callable[[Command], Awaitable[Answer]],
) -> Answer:
    """The first answer to this command; runs `action` only where there was none.

    `replay` makes an answer from the remembered operation once the first one is no longer kept.
    Raises `in_progress`, `idempotency_key_reused`, `command_cancelled`. A ProblemError of the
    action that is `refused` is stored and returned, and so is what the database can't take; any
    other undoes everything.
    """
    if not await lock_command(session, tenant_id=request.tenant_id, command_id=request.command_id):
        detail = "The first attempt isn't finished. Send the same request again in a second."
        raise ProblemError(IN_PROGRESS, detail, headers={"Retry-After": "1"})
    known = await find_command(
        session, table, tenant_id=request.tenant_id, command_id=request.command_id
    )
    if known is not None:
        return await _again(known, request, replay)
    try:
        async with session.begin_nested():
            answer = await action()
    except ProblemError as problem:
        if not problem.type.refused:
            raise
        answer = _refused(problem, request)
    except DBAPIError as error:
        unfit = unstorable(error)
        if unfit is None:
            raise
        answer = _refused(unfit, request)
    session.add(_remember(session, table, request, answer))
    await session.flush()
    return answer


async def find_command(
    session: WriteSession, table: type[Command], *, tenant_id: UUID, command_id: UUID
) -> Command | None:
    """The command as it is remembered."""
    statement = select(table).where(table.tenant_id == tenant_id, table.command_id == command_id)
    return (await session.scalars(statement)).one_or_none()


async def forget_answers(session: WriteSession, table: type[Command]) -> int:
    """Drop up to `AT_ONCE` answers older than 7 days, of all whom the session sees; how many.

    The commands stay: with their operation, or with the problem that refused them.
    """
    before = session.clock.now() - KEPT_ANSWERS
    some = (
        select(table.tenant_id, table.command_id)
        .where(table.received_at < before, table.answer.is_not(None))
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(table)
        .where(tuple_(table.tenant_id, table.command_id).in_(some))
        .values(answer=None)
        .returning(table.command_id)
        .execution_options(synchronize_session=False)
    )
    return len((await session.scalars(statement)).all())


async def _again(
    known: Command, request: Request, replay: Callable[[Command], Awaitable[Answer]]
) -> Answer:
    if (
        known.state == CommandState.CANCELLED
        and known.answer is None
        and known.operation_id is None
    ):
        detail = "It was cancelled before it arrived. A new wish needs a new id."
        raise ProblemError(COMMAND_CANCELLED, detail)
    if known.fingerprint != request.fingerprint:
        detail = "This Idempotency-Key came with another request before. Use a new one."
        raise ProblemError(IDEMPOTENCY_KEY_REUSED, detail)
    headers = {REPLAYED_HEADER: "true"}
    if known.answer is None and known.problem is not None:
        return Answer(status=known.problem["status"], body=known.problem, headers=headers)
    if known.answer is None:
        answer = await replay(known)
        return Answer(status=answer.status, body=answer.body, headers={**answer.headers, **headers})
    kept = known.answer
    return Answer(status=kept["status"], body=kept["body"], headers={**kept["headers"], **headers})


def _refused(problem: ProblemError, request: Request) -> Answer:
    body = problem.body(request.path).model_dump(mode="json")
    return Answer(status=problem.type.status, body=body, headers=problem.headers)


def _remember(
    session: WriteSession, table: type[Command], request: Request, answer: Answer
) -> Command:
    refused = answer.status >= 400  # noqa: PLR2004
    row = table()
    row.tenant_id = request.tenant_id
    row.command_id = request.command_id
    row.fingerprint = request.fingerprint
    row.state = CommandState.REFUSED if refused else CommandState.ACCEPTED
    row.operation_id = answer.operation_id
    row.problem = answer.body if refused else None
    row.answer = {"status": answer.status, "body": answer.body, "headers": dict(answer.headers)}
    row.received_at = session.clock.now()
    row.traceparent = current_trace().header()
    return row
