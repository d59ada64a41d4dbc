"""Looks at one service that seemed different, at both sides, and says what differs.

The seller is asked with no transaction open. Its answer is judged under the service's lock, by
which nothing that was heard meanwhile is undone.
"""

from functools import partial
from uuid import UUID

from reselling_service.commands.actions import LOOK_UP_JOB, wish_job
from reselling_service.commands.models import Command
from reselling_service.reconciliation import queries
from reselling_service.reconciliation.actions.comparing import Comparison
from reselling_service.reconciliation.rules import Kind, difference_key, finding, told
from reselling_service.services import queries as services
from reselling_service.services.actions import hear_status, order_again
from reselling_service.services.actions.charges import void_all
from reselling_service.services.models import Service, heard_of
from reselling_service.services.rules import GONE, Life
from shared.contract.basics import ServiceState
from shared.contract.services import ServiceStatus, ServiceView
from shared.kit.db import WriteSession
from shared.kit.reconciling import Finding

_ENDED = frozenset({ServiceState.DELETED, ServiceState.FAILED})
_ENDING = _ENDED | GONE


async def look_at_service(comparison: Comparison, service_ref: UUID) -> bool:
    """Compare one service with the seller's; whether its charges are worth comparing, too."""
    seller_id = comparison.access.seller_id
    async with comparison.runtime.staff.read() as session:
        before = await queries.find_by_ref(session, seller_id, service_ref=service_ref)
    view = await comparison.client.service(service_ref)
    if view is not None and view.installation_id != comparison.access.installation_id:
        return False
    if before is None:
        if view is not None:
            await _unknown_here(comparison, view)
        return False
    if view is None:
        return await _unknown_there(comparison, before)
    async with comparison.runtime.staff.write() as session:
        await _compare(comparison, session, before, view)
    return True


async def _unknown_here(comparison: Comparison, view: ServiceView) -> None:
    if view.state in _ENDING:
        async with comparison.runtime.staff.read() as session:
            key = difference_key(comparison.access.seller_id, view.service_ref)
            if await queries.was_undone(session, Kind.UNKNOWN_HERE, key=key):
                # The desk has had it ended, and so it has.
                return
    found = finding(
        Kind.UNKNOWN_HERE,
        key=view.service_ref,
        seller_id=comparison.access.seller_id,
        refs={"service_ref": view.service_ref, "client_ref": view.client_ref},
        ours=None,
        theirs=told(view),
    )
    async with comparison.runtime.staff.write() as session:
        await comparison.keep(session, found)


async def _unknown_there(comparison: Comparison, service: Service) -> bool:
    """The seller has no such service: not yet, never again, or it was restored from a backup.

    Whether its charges are worth comparing: of what was given up, a client has paid for nothing.
    """
    async with comparison.runtime.staff.read() as session:
        order = await queries.find_order(session, service)
        open_commands = (await services.find_open_commands(session, [service]))[service.id]
        charge = await queries.find_order_charge(
            session, service.seller_id, service_ref=service.service_ref
        )
    if open_commands or service.heard_revision == 0 or order is None:
        return not open_commands and service.wanted_life == Life.CANCELLED
    if service.heard_state in _ENDED or service.wanted_life == Life.CANCELLED:
        found = _about(comparison, Kind.ENDED_UNKNOWN_THERE, service, None, safe=True)
        async with comparison.runtime.staff.write() as session:
            await comparison.keep(session, found, partial(_forget, service.id))
        return False
    forgotten = await comparison.client.command(order.id) is None
    most = charge.amount if charge is not None else service.upstream_max_price
    found = _about(comparison, Kind.UNKNOWN_THERE, service, None, safe=forgotten)
    if forgotten:
        await comparison.keep_later(found, partial(_order_again, service.id, order, most))
    else:
        async with comparison.runtime.staff.write() as session:
            await comparison.keep(session, found)
    return False


async def _order_again(
    service_id: UUID, order: Command, max_price: int, session: WriteSession
) -> bool:
    service = await services.lock_by_id(session, service_id=service_id)
    if service is not None:
        await order_again(session, service, before=order, max_price=max_price)
    return False


async def _forget(service_id: UUID, session: WriteSession) -> bool:
    """What has ended and is known nowhere else isn't compared any more, nor are its charges."""
    service = await services.lock_by_id(session, service_id=service_id)
    if service is not None:
        await void_all(session, service)
        service.heard_revision = 0
        await session.flush()
    return True


async def _compare(
    comparison: Comparison, session: WriteSession, before: Service, view: ServiceView
) -> None:
    service = await services.lock_by_ref(session, before.seller_id, service_ref=before.service_ref)
    if service is None:
        return
    if service.client_ref != view.client_ref:
        await comparison.keep(session, _about(comparison, Kind.OTHER_CLIENT, service, view))
        return
    heard = heard_of(service)
    status = ServiceStatus.model_validate(view.model_dump())
    same = heard == status and service.heard_revision == status.revision
    if same or service.heard_revision > before.heard_revision:
        # An event was on its way, and has arrived meanwhile.
        return
    back = view.revision <= service.heard_revision
    kind = Kind.SELLER_WENT_BACK if back else Kind.HEARD_OTHER

    async def read_again(session: WriteSession) -> bool:
        return await hear_status(
            session, service.seller_id, status, heard_before=before.heard_revision
        )

    await comparison.keep(session, _about(comparison, kind, service, view, safe=True), read_again)


def _about(
    comparison: Comparison,
    kind: Kind,
    service: Service,
    view: ServiceStatus | None,
    *,
    safe: bool = False,
) -> Finding:
    heard = heard_of(service)
    return finding(
        kind,
        key=service.service_ref,
        seller_id=comparison.access.seller_id,
        refs={
            "service": service.id,
            "service_ref": service.service_ref,
            "client": service.client_id,
            "client_ref": service.client_ref,
        },
        ours=told(heard) or {"wanted_life": service.wanted_life},
        theirs=told(view),
        safe=safe,
    )


async def look_up_silent(comparison: Comparison, commands: list[Command]) -> None:
    """Have the seller asked about commands of which nothing was heard for long."""
    for command in commands:
        found = finding(
            Kind.COMMAND_UNANSWERED,
            key=command.id,
            seller_id=comparison.access.seller_id,
            refs={
                "command": command.id,
                "service": command.service_id,
                "service_ref": command.service_ref,
            },
            ours={
                "kind": command.kind,
                "state": command.state,
                "attempts": command.attempts,
                "since": command.created_at.isoformat(),
            },
            theirs=None,
            safe=True,
        )
        async with comparison.runtime.staff.write() as session:
            await comparison.keep(session, found, partial(_look_up, command))


async def _look_up(command: Command, session: WriteSession) -> bool:
    await wish_job(session, LOOK_UP_JOB, command)
    return False
