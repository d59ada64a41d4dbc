"""Wishes about power: start, stop, restart. Nobody starts what is suspended."""

from reselling_service.services import queries
from reselling_service.services.actions.sending import require_built, send
from reselling_service.services.errors import NOT_IN_THIS_STATE, SERVICE_SUSPENDED
from reselling_service.services.models import Service, heard_of
from reselling_service.services.rules import Asker, Group, find_blockers
from shared.contract.basics import CommandKind, PowerState
from shared.contract.services import PowerRequest
from shared.kit.db import WriteSession
from shared.kit.problems import ProblemError


async def start(session: WriteSession, service: Service, asker: Asker) -> None:
    """Want a locked service to run. Raises `service_suspended` with the blockers."""
    await _require_free(session, service)
    await _want(session, service, asker, CommandKind.START, PowerState.RUNNING)


async def stop(session: WriteSession, service: Service, asker: Asker) -> None:
    """Want a locked service stopped; a suspended one stays so when it is resumed."""
    require_built(service)
    await _want(session, service, asker, CommandKind.STOP, PowerState.STOPPED)


async def restart(session: WriteSession, service: Service, asker: Asker) -> None:
    """Want a running, locked service restarted; a second wish joins one that is under way."""
    await _require_free(session, service)
    if service.wanted_power != PowerState.RUNNING:
        detail = "The service is stopped. Start it instead."
        raise ProblemError(NOT_IN_THIS_STATE, detail)
    under_way, last = await queries.find_group(session, service, Group.POWER)
    if under_way and last is not None and last.kind == CommandKind.RESTART:
        return
    await send(session, service, CommandKind.RESTART, PowerRequest(), asker=asker)


async def _want(
    session: WriteSession, service: Service, asker: Asker, kind: CommandKind, power: PowerState
) -> None:
    under_way, _last = await queries.find_group(session, service, Group.POWER)
    if service.wanted_power == power and (under_way or service.heard_power == power):
        return
    service.wanted_power = power
    await send(session, service, kind, PowerRequest(), asker=asker)


async def _require_free(session: WriteSession, service: Service) -> None:
    require_built(service)
    rows = (await queries.find_suspensions(session, [service]))[service.id]
    own = [(row.cause, row.reason) for row in rows]
    blockers = find_blockers(own, heard_of(service))
    if blockers:
        detail = " ".join(["The service is suspended.", *(blocker.text for blocker in blockers)])
        raise ProblemError(
            SERVICE_SUSPENDED, detail, blockers=[blocker.shown() for blocker in blockers]
        )
