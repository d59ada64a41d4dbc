"""Forwards commands to sellers until they have said what became of them. Drops none.

A call is made with no transaction open. That a command may have arrived is written before it is
sent; what came back is written with the end of the job.
"""

import random
import time
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from reselling_service.commands import actions, queries
from reselling_service.commands.actions import CANCEL_JOB, FORWARD_JOB, LOOK_UP_JOB
from reselling_service.commands.models import Command
from reselling_service.commands.rules import (
    NEVER_GIVEN_UP,
    WATCH_EVERY,
    CommandStatus,
    back_off,
    next_look_up,
)
from reselling_service.database import ResellingRuntime
from reselling_service.sellers.actions.link import (
    SELLER_BACK_JOB,
    note_failure,
    note_success,
    seconds_to_wait,
)
from reselling_service.sellers.client import (
    Accepted,
    NotCancellable,
    Nothing,
    Refused,
    Remembered,
    SellerClient,
    client_for,
)
from reselling_service.sellers.errors import SellerProblem
from reselling_service.sellers.queries import SellerAccess, find_access
from reselling_service.sellers.rules import blames_link
from shared.contract.operations import CommandRecord
from shared.contract.problems import COMMAND_CANCELLED
from shared.kit.db import WriteSession
from shared.kit.jobs import Completion, Job, Retry, SetAside, Setback, Task
from shared.kit.problems import ProblemError

_BATCH = 500
_CANCEL_PAUSE = 2.0
_PARKED = "its service is parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Go:
    """A call that may be made now."""

    command: Command
    access: SellerAccess
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """Not now: why, and for how many seconds (None: until somebody brings it back)."""

    reason: str
    seconds: float | None


class Unanswered(Retry):
    """An attempt that said nothing of its command."""

    def __init__(self, command: Command, found: dict[str, object], *, after: float) -> None:
        super().__init__(str(found["detail"]), after=after, counted=False)
        self.command = command
        self.found = found


def tasks(runtime: ResellingRuntime) -> list[Task]:
    """The tasks of this room."""
    return [
        Task(kind=FORWARD_JOB, work=partial(_forward, runtime), on_setback=_note_setback),
        Task(kind=CANCEL_JOB, work=partial(_cancel, runtime), on_setback=_note_setback),
        Task(kind=LOOK_UP_JOB, work=partial(_look_up, runtime)),
        Task(kind=SELLER_BACK_JOB, work=partial(_seller_back, runtime)),
        Task(kind="watch_commands", work=partial(_watch, runtime), every=WATCH_EVERY),
    ]


async def _forward(runtime: ResellingRuntime, job: Job) -> Completion | None:
    async with runtime.staff.write() as session:
        start = await _begin_sending(session, runtime, _command_id(job))
    go = _go_or_wait(start)
    if go is None:
        return None
    command, began = go.command, time.perf_counter()
    reply = await _client(runtime, go.access).send(
        path=command.path,
        body=go.body,
        command_id=command.id,
        traceparent=command.traceparent,
    )
    await _note_link(runtime, go.access, reply if isinstance(reply, Nothing) else None)
    if isinstance(reply, Nothing):
        raise _unanswered(runtime, command, reply, _milliseconds(began))
    return partial(_record_answer, command, reply, _milliseconds(began))


async def _begin_sending(
    session: WriteSession, runtime: ResellingRuntime, command_id: UUID
) -> _Go | _Wait | None:
    command = await _lock(session, command_id)
    if command is None or command.state == CommandStatus.ACCEPTED:
        return None
    if command.state == CommandStatus.CANCELLING:
        return _Wait(reason="it is being cancelled", seconds=_CANCEL_PAUSE)
    if command.deadline_at is not None and command.deadline_at <= session.clock.now():
        await actions.wish_job(session, CANCEL_JOB, command)
        return _Wait(reason="its deadline is over", seconds=_CANCEL_PAUSE)
    if command.kind not in NEVER_GIVEN_UP and await queries.is_parked(
        session, service_id=command.service_id
    ):
        await actions.wait_until(session, command.id, None)
        return _Wait(reason=_PARKED, seconds=None)
    access = await find_access(session, seller_id=command.seller_id)
    wait = await _blocked(session, runtime, access)
    if wait is None:
        await actions.begin_attempt(session, command)
        return _Go(command=command, access=access, body=session.vault.decrypt(command.body))
    return wait


async def _record_answer(
    command: Command, reply: Accepted | Refused, milliseconds: int, session: WriteSession
) -> None:
    if isinstance(reply, Accepted):
        detail = "replayed" if reply.replayed else None
        await actions.record_attempt(
            session, command, milliseconds=milliseconds, outcome="accepted", detail=detail
        )
        if await actions.accept(session, command, reply.operation) and reply.replayed:
            # The first answer, word for word: what has become of it since then may have been told
            # in events that were stepped over, before the seller was known to have it.
            await actions.wish_job(session, LOOK_UP_JOB, command)
        return
    problem = reply.problem
    await actions.record_attempt(
        session,
        command,
        milliseconds=milliseconds,
        outcome="refused",
        status=problem.status,
        code=problem.code,
        detail=problem.title,
        request_id=str(problem.request_id) if problem.request_id else None,
    )
    burned = problem.code == COMMAND_CANCELLED.code
    state = CommandStatus.CANCELLED if burned else CommandStatus.REFUSED
    if await actions.settle(session, command, state=state, problem=problem.model_dump(mode="json")):
        await actions.tell(session, command)


async def _cancel(runtime: ResellingRuntime, job: Job) -> Completion | None:
    async with runtime.staff.write() as session:
        start = await _begin_cancelling(session, runtime, _command_id(job))
    go = _go_or_wait(start)
    if go is None:
        return None
    command, began = go.command, time.perf_counter()
    reply = await _client(runtime, go.access).cancel(command.id, traceparent=command.traceparent)
    await _note_link(runtime, go.access, reply if isinstance(reply, Nothing) else None)
    if isinstance(reply, Nothing):
        raise _unanswered(runtime, command, reply, _milliseconds(began))
    return partial(_record_cancelling, command, reply, _milliseconds(began))


async def _begin_cancelling(
    session: WriteSession, runtime: ResellingRuntime, command_id: UUID
) -> _Go | _Wait | None:
    command = await _lock(session, command_id)
    if command is None:
        return None
    if await actions.cancel_unsent(session, command):
        await actions.tell(session, command)
        return None
    await actions.wish_cancelled(session, command)
    access = await find_access(session, seller_id=command.seller_id)
    wait = await _blocked(session, runtime, access)
    return wait or _Go(command=command, access=access, body=b"")


async def _record_cancelling(
    command: Command,
    reply: Remembered | NotCancellable,
    milliseconds: int,
    session: WriteSession,
) -> None:
    said = reply.record.state if isinstance(reply, Remembered) else reply.problem.title
    await actions.record_attempt(
        session,
        command,
        milliseconds=milliseconds,
        outcome="accepted" if isinstance(reply, Remembered) else "refused",
        detail=f"cancel: {said}",
    )
    locked = await _lock(session, command.id)
    if locked is None:
        return
    if isinstance(reply, Remembered):
        await actions.settle_by_record(session, locked, reply.record)
    else:
        await actions.go_on_waiting(session, locked)


async def _look_up(runtime: ResellingRuntime, job: Job) -> Completion | None:
    async with runtime.staff.write() as session:
        command = await _lock(session, _command_id(job))
        if command is None or command.attempts == 0:
            return None
        access = await find_access(session, seller_id=command.seller_id)
        wait = await _blocked(session, runtime, access)
    if wait is not None:
        raise Retry(wait.reason, after=wait.seconds, counted=False)
    try:
        record = await _client(runtime, access).command(command.id)
    except SellerProblem as problem:
        await _note_link(runtime, access, problem)
        # Nothing was learnt, so the question stands: its event may have been told long ago.
        longest = runtime.settings.longest_back_off_seconds
        after = back_off(job.attempt, longest=longest, retry_after=problem.retry_after)
        raise Retry(problem.detail, after=after) from problem
    await _note_link(runtime, access, None)
    return partial(_record_look_up, command, record)


async def _record_look_up(
    command: Command, record: CommandRecord | None, session: WriteSession
) -> None:
    locked = await _lock(session, command.id)
    if locked is None:
        return
    if record is not None:
        await actions.settle_by_record(session, locked, record)
        await _ask_later(locked, session)
    elif locked.state == CommandStatus.ACCEPTED:
        await actions.send_again(session, locked)


async def _ask_later(command: Command, session: WriteSession) -> None:
    now = session.clock.now()
    at = next_look_up(accepted_at=command.answered_at or now, now=now)
    await actions.wait_until(session, command.id, at)


async def _watch(runtime: ResellingRuntime, _job: Job) -> Completion:
    """Find commands past their deadline, also behind others, and those that fell silent."""
    async with runtime.staff.read() as session:
        now = session.clock.now()
        overdue = await queries.list_overdue(session, now=now, limit=_BATCH)
        silent = await queries.list_silent(session, now=now, limit=_BATCH)

    async def plant(session: WriteSession) -> None:
        for command in overdue:
            await actions.wish_job(session, CANCEL_JOB, command)
        for command in silent:
            await actions.wish_job(session, LOOK_UP_JOB, command)

    return plant


async def _seller_back(runtime: ResellingRuntime, job: Job) -> Completion:
    """Hurry up what waits for a seller that answers again."""
    async with runtime.staff.read() as session:
        waiting = await queries.list_waiting(session, seller_id=UUID(job.payload["seller_id"]))

    async def wake(session: WriteSession) -> None:
        for command in waiting:
            if command.state == CommandStatus.CANCELLING:
                await actions.wish_job(session, CANCEL_JOB, command)
            else:
                await actions.wake(session, command)

    return wake


async def _note_setback(session: WriteSession, _job: Job, setback: Setback) -> None:
    error = setback.error
    if not isinstance(error, Unanswered):
        return
    await actions.record_attempt(session, error.command, **error.found)
    at = session.clock.now() + timedelta(seconds=error.after or 0.0)
    await actions.wait_until(session, error.command.id, at)


def _unanswered(
    runtime: ResellingRuntime, command: Command, reply: Nothing, milliseconds: int
) -> Unanswered:
    found: dict[str, object] = {
        "milliseconds": milliseconds,
        "outcome": "nothing",
        "status": reply.status,
        "code": reply.code,
        "detail": reply.reason,
        "request_id": str(reply.request_id) if reply.request_id else None,
    }
    longest = runtime.settings.longest_back_off_seconds
    after = back_off(command.attempts, longest=longest, retry_after=reply.retry_after)
    if command.deadline_at is not None and command.state != CommandStatus.CANCELLING:
        left = (command.deadline_at - runtime.clock.now()).total_seconds()
        after = min(after, max(left, 0.0))
    return Unanswered(command, found, after=after)


async def _blocked(
    session: WriteSession, runtime: ResellingRuntime, access: SellerAccess
) -> _Wait | None:
    longest = runtime.settings.longest_back_off_seconds
    if not access.enabled:
        return _Wait(reason="the seller is disabled", seconds=longest)
    seconds = await seconds_to_wait(session, access)
    if seconds is None:
        return None
    # Spread, so that those who waited don't come back at once.
    seconds = min(seconds, longest) + random.uniform(0.0, 0.5)  # noqa: S311 - jitter, not a secret
    return _Wait(reason="the link to the seller is broken", seconds=seconds)


def _go_or_wait(start: _Go | _Wait | None) -> _Go | None:
    if isinstance(start, _Wait):
        if start.seconds is None:
            raise SetAside(start.reason)
        raise Retry(start.reason, after=start.seconds, counted=False)
    return start


async def _note_link(
    runtime: ResellingRuntime, access: SellerAccess, fault: Nothing | SellerProblem | None
) -> None:
    if fault is not None and blames_link(status=fault.status, code=fault.code):
        reason = fault.reason if isinstance(fault, Nothing) else fault.detail
        async with runtime.staff.write() as session:
            await note_failure(session, access, status=fault.status, code=fault.code, reason=reason)
    elif access.troubled:
        async with runtime.staff.write() as session:
            await note_success(session, access)


async def _lock(session: WriteSession, command_id: UUID) -> Command | None:
    """Lock an open command; None where it has ended."""
    try:
        command = await queries.lock_command(session, command_id=command_id)
    except ProblemError:
        return None
    return command if command.settled_at is None else None


def _client(runtime: ResellingRuntime, access: SellerAccess) -> SellerClient:
    return client_for(runtime, url=access.url, key=access.key, trust=access.trust)


def _command_id(job: Job) -> UUID:
    return UUID(job.payload["command_id"])


def _milliseconds(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
