"""What the provider's staff do with services and operations, each with its audit entry."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from selling_service.services import queries
from selling_service.services.actions.aftermath import break_off
from selling_service.services.actions.operations import NEVER_GIVEN_UP, Wish, drop_job
from selling_service.services.actions.suspend import resume, suspend
from selling_service.services.actions.terminate import restore, terminate
from selling_service.services.errors import (
    NOT_THE_PROVIDERS,
    OPERATION_NOT_RETRYABLE,
    check_not_parked,
)
from selling_service.services.models import OperationRow, ServiceRow
from selling_service.services.rules import SIDE_OF, Side
from selling_service.staff.actions import audit
from shared.contract.basics import (
    Actor,
    CommandKind,
    OperationState,
    SuspensionReason,
    TerminateWhen,
)
from shared.contract.problems import GIVEN_UP
from shared.contract.services import RestoreRequest
from shared.kit.db import WriteSession
from shared.kit.desk import NOT_GIVEN_UP
from shared.kit.jobs import revive_jobs
from shared.kit.people import StaffPrincipal
from shared.kit.problems import ProblemError, not_found

_WISH = Wish(actor=Actor.PROVIDER)


async def suspend_service(
    session: WriteSession,
    staff: StaffPrincipal,
    *,
    service_id: UUID,
    actor: Actor,
    reason: SuspensionReason,
) -> OperationRow:
    """Suspend as `provider` or for `abuse`. Raises `not_found`, `wrong_state`."""
    _check_actor(actor)
    service = await _locked(session, service_id)
    await _audit(session, staff, "service.suspend", service, actor=actor, reason=reason)
    wish = Wish(actor=actor)
    return await suspend(session, service, actor=actor, reason=reason, wish=wish)


async def resume_service(
    session: WriteSession, staff: StaffPrincipal, *, service_id: UUID, actor: Actor
) -> OperationRow:
    """Lift `provider` or `abuse`. Raises `not_found`, `parked`, `blocked_by_suspensions`."""
    _check_actor(actor)
    service = await _locked(session, service_id)
    check_not_parked(service.parked_at, CommandKind.RESUME)
    await _audit(session, staff, "service.resume", service, actor=actor)
    return await resume(session, service, actor=actor, wish=Wish(actor=actor))


async def terminate_service(
    session: WriteSession, staff: StaffPrincipal, *, service_id: UUID, when: TerminateWhen
) -> OperationRow:
    """Terminate in the provider's name; what the partner has ended is the provider's from then on.

    Raises `not_found`, `wrong_state`.
    """
    service = await _locked(session, service_id)
    before = {"state": service.state, "terminated_by": service.terminated_by}
    await _audit(
        session, staff, "service.terminate", service, before=before, when=when, side=Side.PROVIDER
    )
    return await terminate(session, service, when=when, side=Side.PROVIDER, wish=_WISH)


async def restore_service(
    session: WriteSession, staff: StaffPrincipal, *, service_id: UUID, renew: bool, currency: str
) -> OperationRow:
    """Restore what the provider terminated; with `renew` the partner is charged for a term.

    Raises `not_found`, `parked`, `wrong_state`, `insufficient_balance`.
    """
    service = await _locked(session, service_id)
    check_not_parked(service.parked_at, CommandKind.RESTORE)
    await _audit(session, staff, "service.restore", service, renew=renew)
    request = RestoreRequest(renew=renew)
    return await restore(
        session, service, request, side=Side.PROVIDER, wish=_WISH, currency=currency
    )


async def retry_operation(
    session: WriteSession, staff: StaffPrincipal, *, operation_id: UUID, reason: str | None = None
) -> OperationRow:
    """Try again now, with all attempts. Raises `not_found`, `operation_not_retryable`."""
    found = await queries.find_operation(session, None, operation_id=operation_id)
    if found is None:
        raise not_found("operation")
    service = await _locked(session, found.service_id)
    ids = [found.job_id] if found.job_id is not None else []
    if found.finished_at is not None or not await revive_jobs(session, ids=ids):
        detail = f"It is {found.state}; only what waits can be tried again."
        raise ProblemError(OPERATION_NOT_RETRYABLE, detail)
    await _audit(
        session, staff, "operation.retry", service, operation_id=operation_id, reason=reason
    )
    return found


async def give_up_operation(
    session: WriteSession, staff: StaffPrincipal, *, operation_id: UUID, reason: str
) -> OperationRow:
    """End what waits as failed; its money and what it has begun go back.

    Raises `not_found`, and `not_given_up` for suspensions, ends, and what is worked on or over.
    """
    found = await queries.find_operation(session, None, operation_id=operation_id)
    if found is None:
        raise not_found("operation")
    service = await _locked(session, found.service_id)
    operation = await queries.find_operation(session, None, operation_id=operation_id, lock=True)
    if operation is None:
        raise not_found("operation")
    _check_may_be_given_up(operation)
    if not await drop_job(session, operation):
        detail = "A worker is at it right now. Ask again in a moment."
        raise ProblemError(NOT_GIVEN_UP, detail)
    await _audit(
        session, staff, "operation.give_up", service, operation_id=operation_id, reason=reason
    )
    await break_off(session, service, operation, OperationState.FAILED, problem=GIVEN_UP)
    return operation


def _check_may_be_given_up(operation: OperationRow) -> None:
    if CommandKind(operation.kind) in NEVER_GIVEN_UP:
        detail = "A suspension or an end is tried for as long as it takes: the VM must not run."
        raise ProblemError(NOT_GIVEN_UP, detail)
    if operation.finished_at is not None:
        raise ProblemError(NOT_GIVEN_UP, f"It is {operation.state}: nothing is left to give up.")


def _check_actor(actor: Actor) -> None:
    if SIDE_OF[actor] is not Side.PROVIDER:
        detail = f"Staff suspend as provider or abuse; {actor} is set and lifted by others."
        raise ProblemError(NOT_THE_PROVIDERS, detail)


async def _locked(session: WriteSession, service_id: UUID) -> ServiceRow:
    service = await queries.find_service(session, None, service_id=service_id, lock=True)
    if service is None:
        raise not_found("service")
    return service


async def _audit(
    session: WriteSession,
    staff: StaffPrincipal,
    action: str,
    service: ServiceRow,
    *,
    before: Mapping[str, Any] | None = None,
    **after: Any,  # noqa: ANN401 - whatever JSON can say
) -> None:
    await audit(
        session,
        staff,
        action,
        object_type="service",
        object_id=service.id,
        before=before,
        after=after,
    )
