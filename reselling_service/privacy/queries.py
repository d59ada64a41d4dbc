"""Every SELECT on all that is held about one client, over all rooms."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, not_, select

from reselling_service.clients.models import ClientSession
from reselling_service.commands.models import Command
from reselling_service.ledger.models import Entry, Hold
from reselling_service.orders.models import Order
from reselling_service.services.models import Service, WantedSuspension
from reselling_service.services.rules import Life
from reselling_service.staff.models import AuditEntry
from shared.contract.basics import ServiceState
from shared.kit.bookkeeping import Book, HoldState
from shared.kit.db import ReadSession
from shared.kit.principals import ClientId

ENDED = (ServiceState.DELETED, ServiceState.FAILED)


async def sessions_of(session: ReadSession, client_id: ClientId) -> Sequence[ClientSession]:
    """Open and over, oldest first."""
    statement = select(ClientSession).where(ClientSession.client_id == client_id)
    return (await session.scalars(statement.order_by(ClientSession.created_at))).all()


async def services_of(session: ReadSession, client_id: ClientId) -> Sequence[Service]:
    """All that there ever were, oldest first."""
    statement = select(Service).where(Service.client_id == client_id).order_by(Service.id)
    return (await session.scalars(statement)).all()


async def suspensions_of(session: ReadSession, client_id: ClientId) -> Sequence[WantedSuspension]:
    """With what staff noted."""
    statement = select(WantedSuspension).where(WantedSuspension.client_id == client_id)
    return (await session.scalars(statement.order_by(WantedSuspension.since))).all()


async def orders_of(session: ReadSession, client_id: ClientId) -> Sequence[Order]:
    """Oldest first."""
    statement = select(Order).where(Order.client_id == client_id).order_by(Order.id)
    return (await session.scalars(statement)).all()


async def commands_of(session: ReadSession, client_id: ClientId) -> Sequence[Command]:
    """Oldest first."""
    statement = select(Command).where(Command.client_id == client_id).order_by(Command.id)
    return (await session.scalars(statement)).all()


async def statement_of(session: ReadSession, client_id: ClientId) -> Sequence[Entry]:
    """Every movement of the balance, in order."""
    mine = select(Entry).where(Entry.tenant_id == client_id, Entry.book == Book.BALANCE)
    return (await session.scalars(mine.order_by(Entry.number))).all()


async def holds_of(
    session: ReadSession, client_id: ClientId, *, state: HoldState | None = None
) -> Sequence[Hold]:
    """Money set aside, oldest first."""
    statement = select(Hold).where(Hold.tenant_id == client_id).order_by(Hold.id)
    if state is not None:
        statement = statement.where(Hold.state == state)
    return (await session.scalars(statement)).all()


async def standing_services(session: ReadSession, client_id: ClientId) -> Sequence[Service]:
    """Those of which a VM may exist, or come back by a restore."""
    never_built = and_(Service.wanted_life == Life.CANCELLED, Service.heard_state.is_(None))
    heard = func.coalesce(Service.heard_state, "")
    statement = (
        select(Service)
        .where(Service.client_id == client_id, heard.not_in(ENDED), not_(never_built))
        .order_by(Service.id)
    )
    return (await session.scalars(statement)).all()


async def open_commands(session: ReadSession, client_id: ClientId) -> Sequence[Command]:
    """Those that a seller has yet to answer for good."""
    statement = select(Command).where(Command.client_id == client_id, Command.settled_at.is_(None))
    return (await session.scalars(statement.order_by(Command.id))).all()


async def objects_of(session: ReadSession, client_id: ClientId) -> list[UUID]:
    """The ids under which the audit and the desk know what belongs to a client."""
    found = [UUID(str(client_id))]
    for column, owner in (
        (Service.id, Service.client_id),
        (Order.id, Order.client_id),
        (Command.id, Command.client_id),
    ):
        found += (await session.scalars(select(column).where(owner == client_id))).all()
    return found


async def audit_of(session: ReadSession, objects: Sequence[UUID]) -> Sequence[AuditEntry]:
    """What staff did to any of these, oldest first."""
    names = [str(object_id) for object_id in objects]
    types = ("client", "service", "order", "command")
    statement = select(AuditEntry).where(
        AuditEntry.object_type.in_(types), AuditEntry.object_id.in_(names)
    )
    found = await session.scalars(statement.order_by(AuditEntry.id))
    # Staff's transactions have no wall, so what isn't asked for is left out once more.
    asked = set(names)
    return [row for row in found if row.object_type in types and row.object_id in asked]


def addresses_of(service: Service) -> list[str]:
    """The VM's addresses, as last heard."""
    heard: dict[str, Any] = service.heard or {}
    found: list[str] = heard.get("facts", {}).get("ipv4", [])
    return found
