"""Applies what a seller tells: events, a service read again, a page of the inventory.

`revision` decides what is newer. Whatever is told of another installation's services is skipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import delete

from reselling_service.commands.actions import accept, note_progress, settle
from reselling_service.commands.rules import END_OF_OPERATION, CommandStatus
from reselling_service.services import queries
from reselling_service.services.actions.charges import note_charge
from reselling_service.services.actions.renewing import schedule, unschedule
from reselling_service.services.actions.settled import follow, want_as_heard
from reselling_service.services.models import Service, WantedSuspension, heard_of
from reselling_service.services.rules import Group, Life, may_renew_itself
from shared.contract.basics import CommandKind, ServiceState
from shared.contract.events import Event
from shared.contract.operations import Operation
from shared.contract.services import InventoryItem, ServiceStatus
from shared.kit.db import WriteSession

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a page of the inventory shows: services to be read again, and ones unknown here."""

    stale: list[UUID]
    unknown: list[UUID]


async def hear(session: WriteSession, seller_id: UUID, event: Event) -> None:
    """Apply one event: the state where it is newer, and the end of the command it belongs to.

    Applied twice, nothing changes. An event of another installation, of no service, or of a
    service unknown here changes nothing.
    """
    if event.service_ref is None or not await _is_ours(session, seller_id, event.installation_id):
        return
    service = await queries.lock_by_ref(session, seller_id, service_ref=event.service_ref)
    if service is None:
        _log.warning("event.unknown_service", service_ref=str(event.service_ref))
        return
    if event.service is not None:
        if await _begins_anew(session, service, event):
            service.heard_revision = event.service.revision - 1
        await _apply(session, service, event.service)
    if event.command_id is not None and event.operation is not None:
        await _settle(session, service, event.command_id, event.operation)
    await _take_power(session, service)


async def hear_status(
    session: WriteSession,
    seller_id: UUID,
    status: ServiceStatus,
    *,
    heard_before: int | None = None,
) -> bool:
    """Apply a service that was read by GET; it isn't parked any more. False: unknown here.

    `heard_before` is the revision that was heard before the GET was sent. An answer that is older
    than that can't be late: the seller itself went back, and its word stands.
    """
    service = await queries.lock_by_ref(session, seller_id, service_ref=status.service_ref)
    if service is None:
        return False
    service.parked = None
    if service.heard_revision == heard_before and _went_back(service, status):
        _log.warning("seller.went_back", service_ref=str(status.service_ref))
        service.heard_revision = status.revision - 1
    await _apply(session, service, status)
    await _take_power(session, service)
    return True


async def hear_inventory(
    session: WriteSession, seller_id: UUID, items: Sequence[InventoryItem]
) -> News:
    """Compare a page of the inventory with what was heard; what is stale must be read by GET."""
    installation_id = await queries.find_installation(session, seller_id=seller_id)
    ours = [item for item in items if item.installation_id == installation_id]
    known = await queries.find_revisions(session, seller_id, refs=[i.service_ref for i in ours])
    stale, unknown = [], []
    for item in ours:
        heard = known.get(item.service_ref)
        if heard is None:
            unknown.append(item.service_ref)
        elif heard.parked or item.revision > heard.revision:
            # Where the seller's is the lower one it was restored from a backup: that is for the
            # comparison to find, whose report would miss what was taken over here in silence.
            stale.append(item.service_ref)
    return News(stale=stale, unknown=unknown)


def _went_back(service: Service, status: ServiceStatus) -> bool:
    if status.revision != service.heard_revision:
        return status.revision < service.heard_revision
    # Counted up to the same number again, after another history.
    return service.heard is not None and heard_of(service) != ServiceStatus.model_validate(
        status.model_dump()
    )


async def park(session: WriteSession, *, seller_id: UUID, service_ref: UUID, reason: str) -> None:
    """Note that an event of this service couldn't be applied; it must be read by GET."""
    service = await queries.lock_by_ref(session, seller_id, service_ref=service_ref)
    if service is not None:
        service.parked = reason[:500]
        await session.flush()


async def _is_ours(session: WriteSession, seller_id: UUID, installation_id: UUID | None) -> bool:
    return installation_id == await queries.find_installation(session, seller_id=seller_id)


async def _apply(session: WriteSession, service: Service, status: ServiceStatus) -> None:
    if status.revision <= service.heard_revision:
        return
    before = heard_of(service)
    moved = status.paid_until != service.heard_paid_until
    service.heard_revision = status.revision
    service.heard_state = str(status.state)
    service.heard_power = str(status.power)
    service.heard_paid_until = status.paid_until
    service.heard = status.model_dump(mode="json")
    service.heard_at = session.clock.now()
    if moved:
        service.renewal_problem = None
    await session.flush()
    if status.state == ServiceState.DELETED:
        await _done(session, service)
    elif moved or (may_renew_itself(status) and not may_renew_itself(before)):
        await schedule(session, service)


async def _done(session: WriteSession, service: Service) -> None:
    """Leave nothing to be wanted of a service that is no more."""
    if service.wanted_life == Life.ACTIVE:
        service.wanted_life = Life.TERMINATED
    service.auto_renew = False
    await session.execute(delete(WantedSuspension).where(WantedSuspension.service_id == service.id))
    await unschedule(session, service)


async def _begins_anew(session: WriteSession, service: Service, event: Event) -> bool:
    """Whether the seller, which had forgotten the service, counts from the beginning again."""
    if event.service is None or event.service.revision > service.heard_revision:
        return False
    if event.command_id is None or event.operation is None:
        return False
    command = await queries.find_command(session, service, command_id=event.command_id)
    if command is None or command.kind != CommandKind.ORDER:
        return False
    return command.settled_at is None and bool(command.summary.get("again"))


async def _settle(
    session: WriteSession, service: Service, command_id: UUID, operation: Operation
) -> None:
    command = await queries.find_command(session, service, command_id=command_id)
    if command is None:
        # Nor of its money: what the client owes for it is for people to say.
        await _remember(session, service)
        return
    end = END_OF_OPERATION.get(operation.state)
    if end is None:
        await accept(session, command, operation)
        await note_progress(session, command, operation)
    elif await settle(
        session, command, state=end, problem=_problem(operation), operation=operation
    ):
        await follow(session, service, command)
    if command.state == CommandStatus.SUCCEEDED:
        # Of any other end no client has paid: what was charged all the same is for people to see.
        await note_charge(session, service.seller_id, operation)


async def _remember(session: WriteSession, service: Service) -> None:
    """A command of ours of which nothing is known: a restored backup has forgotten it.

    What it led to is wanted from then on, where no other wish of its group is under way.
    """
    _log.warning("command.forgotten", service_ref=str(service.service_ref))
    for group in (Group.CLIENT_SUSPENSION, Group.PARTNER_SUSPENSION, Group.LIFE):
        under_way, _last = await queries.find_group(session, service, group)
        if not under_way:
            await want_as_heard(session, service, group)


def _problem(operation: Operation) -> dict[str, object] | None:
    return operation.problem.model_dump(mode="json") if operation.problem else None


async def _take_power(session: WriteSession, service: Service) -> None:
    """Let others' starts and stops (panel, provider) stand, unless a wish of ours is under way."""
    if service.heard is None:
        return
    under_way, _last = await queries.find_group(session, service, Group.POWER)
    if not under_way:
        service.wanted_power = service.heard["wanted_power"]
        await session.flush()
