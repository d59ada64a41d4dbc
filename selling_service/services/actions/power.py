"""Starts, stops, restarts and renames."""

from selling_service.services import queries
from selling_service.services.actions.operations import (
    Wish,
    announce,
    done_at_once,
    open_operation,
)
from selling_service.services.actions.suspend import check_allowed
from selling_service.services.models import OperationRow, ServiceRow
from shared.contract.basics import CommandKind, PowerState, ServiceState
from shared.contract.events import EventType
from shared.kit.db import WriteSession


async def switch_power(
    session: WriteSession, service: ServiceRow, kind: CommandKind, wish: Wish
) -> OperationRow:
    """Start, stop or restart. Raises `blocked_by_suspensions`, `wrong_state`."""
    state = await check_allowed(session, service, kind)
    if kind is CommandKind.STOP and state is ServiceState.SUSPENDED:
        # It is stopped already; from now on it stays so when the suspensions are gone.
        service.wanted_power = PowerState.STOPPED
        return await _at_once(session, service, kind, wish)
    if await _fulfilled(session, service, kind):
        return await _at_once(session, service, kind, wish)
    operation = await open_operation(session, service, kind, wish)
    await announce(session, service, EventType.ACCEPTED, operation)
    return operation


async def rename(
    session: WriteSession, service: ServiceRow, *, hostname: str, wish: Wish
) -> OperationRow:
    """Another host name; the guest sees it at its next start. Raises `wrong_state`."""
    await check_allowed(session, service, CommandKind.RENAME)
    content = session.vault.encrypt_text(hostname)
    operation = await open_operation(session, service, CommandKind.RENAME, wish, content=content)
    await announce(session, service, EventType.ACCEPTED, operation)
    return operation


async def _fulfilled(session: WriteSession, service: ServiceRow, kind: CommandKind) -> bool:
    """Whether nothing is pending and the VM is as wished.

    A restart is never fulfilled. Nor is a start: the guest may have powered itself off, which only
    the platform knows.
    """
    if kind is not CommandKind.STOP or service.power != PowerState.STOPPED:
        return False
    if service.wanted_power != PowerState.STOPPED:
        return False
    return not await queries.open_operations(session, service.partner_id, service_id=service.id)


async def _at_once(
    session: WriteSession,
    service: ServiceRow,
    kind: CommandKind,
    wish: Wish,
) -> OperationRow:
    operation = done_at_once(session, service, kind, wish)
    await announce(session, service, EventType.STOPPED, operation)
    return operation
