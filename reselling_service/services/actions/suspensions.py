"""Sets and lifts our own suspensions: the first of an actor is sent, and the last one's end."""

from reselling_service.services import queries
from reselling_service.services.actions.sending import require_standing, send
from reselling_service.services.errors import NOT_YOURS_TO_RESUME
from reselling_service.services.models import Service, WantedSuspension, heard_of
from reselling_service.services.rules import ACTOR_OF, Asker, Cause, find_blockers
from shared.contract.basics import CommandKind, SuspensionReason
from shared.contract.services import ResumeRequest, SuspendRequest
from shared.kit.db import WriteSession
from shared.kit.problems import ProblemError


async def suspend(
    session: WriteSession,
    service: Service,
    asker: Asker,
    *,
    cause: Cause,
    reason: SuspensionReason,
    note: str | None = None,
) -> None:
    """Want a locked service suspended. `note` stays at home. Raises `not_in_this_state`.

    Nothing is sent where this cause stands already, or another one of the same actor.
    """
    require_standing(service)
    rows = (await queries.find_suspensions(session, [service]))[service.id]
    if any(row.cause == cause for row in rows):
        return
    session.add(
        WantedSuspension(
            service_id=service.id,
            cause=cause,
            client_id=service.client_id,
            reason=reason,
            note=note,
            since=session.clock.now(),
        )
    )
    await session.flush()
    actor = ACTOR_OF[cause]
    if any(ACTOR_OF[Cause(row.cause)] == actor for row in rows):
        return
    await send(
        session,
        service,
        CommandKind.SUSPEND,
        SuspendRequest(actor=actor, reason=reason),
        asker=asker,
        summary={"actor": actor, "reason": reason},
    )


async def resume(session: WriteSession, service: Service, asker: Asker, *, cause: Cause) -> None:
    """Lift our suspension for this cause from a locked service.

    Where only others' suspensions stand, raises `not_yours_to_resume` and names them. Where none
    stands, nothing is done.
    """
    require_standing(service)
    rows = (await queries.find_suspensions(session, [service]))[service.id]
    mine = next((row for row in rows if row.cause == cause), None)
    if mine is None:
        _refuse_others(service, rows)
        return
    await session.delete(mine)
    await session.flush()
    actor = ACTOR_OF[cause]
    if any(ACTOR_OF[Cause(row.cause)] == actor for row in rows if row is not mine):
        return
    await send(
        session,
        service,
        CommandKind.RESUME,
        ResumeRequest(actor=actor),
        asker=asker,
        summary={"actor": actor},
    )


def _refuse_others(service: Service, rows: list[WantedSuspension]) -> None:
    own = [(row.cause, row.reason) for row in rows]
    blockers = find_blockers(own, heard_of(service))
    if blockers:
        detail = "The service is suspended by somebody else: " + " ".join(
            blocker.text for blocker in blockers
        )
        raise ProblemError(
            NOT_YOURS_TO_RESUME, detail, blockers=[blocker.shown() for blocker in blockers]
        )
