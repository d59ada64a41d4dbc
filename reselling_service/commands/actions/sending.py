"""Makes commands and keeps account of their attempts. What is sent never changes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import delete, func, insert, select, update

from reselling_service.commands.actions.moving import move
from reselling_service.commands.models import Attempt, Command
from reselling_service.commands.rules import (
    DEADLINES,
    NO_LIMIT,
    CommandStatus,
    overtakes,
    path_of,
)
from shared.contract.basics import CommandKind
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import enqueue
from shared.kit.jobs.table import NORMAL, URGENT
from shared.kit.telemetry import SpanKind, in_span

FORWARD_JOB = "forward"
CANCEL_JOB = "cancel_command"
LOOK_UP_JOB = "look_up"
_AT_ONCE = 5_000
_SENDABLE = (CommandStatus.QUEUED, CommandStatus.UNANSWERED)


async def send_command(
    session: WriteSession,
    *,
    seller_id: UUID,
    client_id: UUID,
    service_id: UUID,
    service_ref: UUID,
    kind: CommandKind,
    body: BaseModel,
    asked_by: str,
    hold_id: UUID | None = None,
    summary: dict[str, Any] | None = None,
) -> Command:
    """Wish something of a seller; it is sent once this transaction has committed.

    The caller holds the service row's lock, so that commands go out in the order they were made,
    but for those that overtake (see `rules`).
    `summary` is shown to staff: nothing of the client's content belongs there. `hold_id` is the
    client's money, which is captured or released with the command.
    """
    command_id, now, limit = new_id(), session.clock.now(), DEADLINES[kind]
    summary = summary or {}
    priority = await _priority(session, service_id, kind, when=summary.get("when"))
    with in_span(f"command {kind.value}", kind=SpanKind.PRODUCER) as span:
        job_id = await _plan(
            session, command_id, lane=service_id, tenant_id=client_id, priority=priority
        )
    values = {
        "id": command_id,
        "sequence": await _next_number(session, service_id),
        "seller_id": seller_id,
        "client_id": client_id,
        "service_id": service_id,
        "service_ref": service_ref,
        "kind": kind.value,
        "asked_by": asked_by,
        "path": path_of(kind, service_ref),
        "body": session.vault.encrypt(body.model_dump_json(by_alias=True).encode()),
        "summary": summary,
        "state": CommandStatus.QUEUED,
        "attempts": 0,
        "job_id": job_id,
        "hold_id": hold_id,
        "deadline_at": now + limit if limit else None,
        "next_attempt_at": now,
        "traceparent": span.trace.header(),
        "created_at": now,
    }
    return (await session.scalars(insert(Command).returning(Command), values)).one()


async def begin_attempt(session: WriteSession, command: Command) -> bool:
    """Count an attempt before it is made: from now on only the seller can end the command."""
    return await move(
        session,
        command,
        CommandStatus.UNANSWERED,
        since=_SENDABLE,
        attempts=Command.attempts + 1,
    )


async def record_attempt(session: WriteSession, command: Command, **found: object) -> None:
    """Keep one sending and what came back: milliseconds, outcome, status, code, detail."""
    row = {
        "id": new_id(),
        "command_id": command.id,
        "client_id": command.client_id,
        "number": command.attempts,
        "at": session.clock.now(),
        **found,
    }
    await session.execute(insert(Attempt).values(row))


async def prune_attempts(session: WriteSession, *, before: datetime) -> int:
    """Delete sendings from before then of commands that have ended, some thousands; how many."""
    old = (
        select(Attempt.id)
        .join(Command, Command.id == Attempt.command_id)
        .where(Attempt.at < before, Command.settled_at.is_not(None))
        .limit(_AT_ONCE)
    )
    gone = delete(Attempt).where(Attempt.id.in_(old)).returning(Attempt.id)
    found: list[UUID] = list((await session.scalars(gone)).all())
    return len(found)


async def wait_until(session: WriteSession, command_id: UUID, at: datetime | None) -> None:
    """Note when the command is tried, or asked about, again; None: not by itself."""
    await session.execute(
        update(Command)
        .where(Command.id == command_id, Command.settled_at.is_(None))
        .values(next_attempt_at=at)
        .execution_options(synchronize_session=False)
    )


async def wake(session: WriteSession, command: Command) -> None:
    """Have a command sent now, and not when its back-off is over."""
    await wait_until(session, command.id, session.clock.now())
    await _plan(
        session,
        command.id,
        lane=command.service_id,
        tenant_id=command.client_id,
        traceparent=command.traceparent,
    )


async def _next_number(session: WriteSession, service_id: UUID) -> int:
    last = select(func.max(Command.sequence)).where(Command.service_id == service_id)
    return (await session.scalar(last) or 0) + 1


async def _priority(
    session: WriteSession, service_id: UUID, kind: CommandKind, *, when: str | None
) -> int:
    """Before or after the service's commands that no seller is known to have."""
    statement = select(Command.kind).where(
        Command.service_id == service_id,
        Command.settled_at.is_(None),
        Command.state != CommandStatus.ACCEPTED,
    )
    unsent = (await session.scalars(statement)).all()
    return URGENT if overtakes(kind, when=when, unsent=unsent) else NORMAL


async def _plan(
    session: WriteSession,
    command_id: UUID,
    *,
    lane: UUID,
    tenant_id: UUID,
    priority: int = NORMAL,
    traceparent: str | None = None,
) -> int:
    return await enqueue(
        session,
        FORWARD_JOB,
        payload={"command_id": command_id},
        lane=lane,
        tenant_id=tenant_id,
        dedupe_key=f"{FORWARD_JOB}:{command_id}",
        priority=priority,
        max_attempts=NO_LIMIT,
        traceparent=traceparent,
    )


async def wish_job(session: WriteSession, kind: str, command: Command) -> None:
    """Have a command cancelled or looked up by the worker, beside the lane of its service."""
    await enqueue(
        session,
        kind,
        payload={"command_id": command.id},
        tenant_id=command.client_id,
        dedupe_key=f"{kind}:{command.id}",
        max_attempts=NO_LIMIT,
        traceparent=command.traceparent,
    )
