"""Every SELECT on services. A client sees their own, staff see all; both ask the same way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, select, true

from reselling_service.commands.models import Command
from reselling_service.sellers.models import Seller
from reselling_service.services.models import ClientRef, Service, WantedSuspension, heard_of
from reselling_service.services.rules import GROUP_KINDS, Group, Life, Wanted, wanted_agrees
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people import StaffPrincipal
from shared.kit.principals import ClientId
from shared.kit.problems import not_found

Principal = ClientId | StaffPrincipal
_SUSPENDS = (Group.CLIENT_SUSPENSION, Group.PARTNER_SUSPENSION)


def _visible(principal: Principal) -> ColumnElement[bool]:
    return true() if isinstance(principal, StaffPrincipal) else Service.client_id == principal


async def get_service(session: ReadSession, principal: Principal, *, service_id: UUID) -> Service:
    """One service; raises `not_found`, also for somebody else's."""
    statement = select(Service).where(_visible(principal), Service.id == service_id)
    found = (await session.scalars(statement)).one_or_none()
    if found is None:
        raise not_found("service")
    return found


async def lock_service(session: WriteSession, principal: Principal, *, service_id: UUID) -> Service:
    """One service, held until the transaction ends; raises `not_found`."""
    statement = (
        select(Service)
        .where(_visible(principal), Service.id == service_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = (await session.scalars(statement)).one_or_none()
    if found is None:
        raise not_found("service")
    return found


async def lock_by_id(session: WriteSession, *, service_id: UUID) -> Service | None:
    """For tasks, which have no principal: the service of a job."""
    statement = (
        select(Service)
        .where(Service.id == service_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def lock_by_ref(
    session: WriteSession, seller_id: UUID, *, service_ref: UUID
) -> Service | None:
    """The service that a seller speaks of, held until the transaction ends."""
    statement = (
        select(Service)
        .where(Service.seller_id == seller_id, Service.service_ref == service_ref)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def lock_standing(
    session: WriteSession, _staff: StaffPrincipal, *, tariff_id: UUID
) -> Sequence[Service]:
    """All services of a tariff that aren't at their end, held until the transaction ends."""
    statement = (
        select(Service)
        .where(Service.tariff_id == tariff_id, Service.wanted_life == Life.ACTIVE)
        .order_by(Service.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).all()


async def lock_all(
    session: WriteSession, seller_id: UUID, *, service_refs: Collection[UUID]
) -> None:
    """Hold these services before anything of theirs is touched, in one order for everybody.

    Whoever applies several events moves clients' balances between them, while a wish locks its
    service and then the balance: taken one by one, the two could wait for each other.
    """
    statement = (
        select(Service.id)
        .where(Service.seller_id == seller_id, Service.service_ref.in_(service_refs))
        .order_by(Service.id)
        .with_for_update()
    )
    await session.execute(statement)


async def list_services(
    session: ReadSession,
    principal: Principal,
    *,
    after: UUID | None,
    limit: int,
    client_id: UUID | None = None,
    seller_id: UUID | None = None,
    heard_state: str | None = None,
    wanted_life: str | None = None,
) -> Sequence[Service]:
    """Up to `limit + 1` services, oldest first."""
    filters = [_visible(principal)]
    if after is not None:
        filters.append(Service.id > after)
    wished = {
        Service.client_id: client_id,
        Service.seller_id: seller_id,
        Service.heard_state: heard_state,
        Service.wanted_life: wanted_life,
    }
    filters += [column == value for column, value in wished.items() if value is not None]
    statement = select(Service).where(*filters).order_by(Service.id).limit(limit + 1)
    return (await session.scalars(statement)).all()


async def find_suspensions(
    session: ReadSession, services: Sequence[Service]
) -> dict[UUID, list[WantedSuspension]]:
    """Our own suspensions of these services, each service with a list."""
    ids = [service.id for service in services]
    statement = select(WantedSuspension).where(WantedSuspension.service_id.in_(ids))
    found: dict[UUID, list[WantedSuspension]] = {row: [] for row in ids}
    rows = await session.scalars(statement.execution_options(populate_existing=True))
    for row in rows:
        found[row.service_id].append(row)
    return found


async def find_open_commands(
    session: ReadSession, services: Sequence[Service]
) -> dict[UUID, list[Command]]:
    """Commands of these services that aren't settled, in order, each service with a list."""
    ids = [service.id for service in services]
    statement = (
        select(Command)
        .where(Command.service_id.in_(ids), Command.settled_at.is_(None))
        .order_by(Command.service_id, Command.sequence)
        .execution_options(populate_existing=True)
    )
    found: dict[UUID, list[Command]] = {row: [] for row in ids}
    for row in await session.scalars(statement):
        found[row.service_id].append(row)
    return found


async def find_group(
    session: ReadSession, service: Service, group: Group
) -> tuple[bool, Command | None]:
    """Whether a command of this group is under way, and the last one of the group."""
    filters = [Command.service_id == service.id, Command.kind.in_(GROUP_KINDS[group])]
    if group in _SUSPENDS:
        actor = "client" if group is Group.CLIENT_SUSPENSION else "partner"
        filters.append(Command.summary["actor"].astext == actor)
    statement = (
        select(Command)
        .where(*filters)
        .order_by(Command.sequence.desc())
        .execution_options(populate_existing=True)
    )
    under_way = statement.where(Command.settled_at.is_(None)).limit(1)
    last = (await session.scalars(statement.limit(1))).one_or_none()
    return (await session.scalars(under_way)).one_or_none() is not None, last


async def find_command(
    session: ReadSession, service: Service, *, command_id: UUID
) -> Command | None:
    """A command of this service."""
    statement = select(Command).where(Command.service_id == service.id, Command.id == command_id)
    return (
        await session.scalars(statement.execution_options(populate_existing=True))
    ).one_or_none()


async def find_settled(session: ReadSession, *, command_id: UUID) -> Command | None:
    """For tasks, which have no principal: a command that has come to its end."""
    statement = select(Command).where(Command.id == command_id, Command.settled_at.is_not(None))
    return (
        await session.scalars(statement.execution_options(populate_existing=True))
    ).one_or_none()


async def get_client_ref(session: ReadSession, client_id: ClientId, *, seller_id: UUID) -> UUID:
    """The random name of this client at a seller; raises NoResultFound."""
    statement = select(ClientRef.client_ref).where(
        ClientRef.client_id == client_id, ClientRef.seller_id == seller_id
    )
    return (await session.scalars(statement)).one()


async def find_installation(session: ReadSession, *, seller_id: UUID) -> UUID:
    """Which installation of the seller's partner account we are; raises NoResultFound."""
    statement = select(Seller.installation_id).where(Seller.id == seller_id)
    return (await session.scalars(statement)).one()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How far a service was heard, and whether an event of it couldn't be applied."""

    revision: int
    parked: bool


async def find_revisions(
    session: ReadSession, seller_id: UUID, *, refs: Sequence[UUID]
) -> dict[UUID, Heard]:
    """What was heard of these services, by `service_ref`; unknown ones are absent."""
    statement = select(Service.service_ref, Service.heard_revision, Service.parked).where(
        Service.seller_id == seller_id, Service.service_ref.in_(refs)
    )
    return {
        row.service_ref: Heard(revision=row.heard_revision, parked=row.parked is not None)
        for row in await session.execute(statement)
    }


async def find_clock_offset_ms(session: ReadSession, *, seller_id: UUID) -> int:
    """The seller's clock minus ours, in milliseconds."""
    statement = select(Seller.clock_offset_ms).where(Seller.id == seller_id)
    return (await session.scalars(statement)).one()


async def find_unpaid_renewals(session: ReadSession, client_id: ClientId) -> Sequence[UUID]:
    """Services of this client whose renewal waits for money."""
    statement = (
        select(Service.id)
        .where(
            Service.client_id == client_id,
            Service.auto_renew,
            Service.wanted_life == Life.ACTIVE,
            Service.renewal_problem.is_not(None),
        )
        .order_by(Service.id)
    )
    return (await session.scalars(statement)).all()


async def wanted_of(session: ReadSession, service: Service) -> Wanted:
    """What we want of this service, with our suspensions."""
    rows = (await find_suspensions(session, [service]))[service.id]
    return Wanted(
        life=service.wanted_life,
        power=service.wanted_power,
        causes=frozenset(row.cause for row in rows),
        terminate_when=service.terminate_when,
    )


async def agrees(session: ReadSession, service: Service) -> bool:
    """Whether what is wanted and what was heard come to the same."""
    return wanted_agrees(await wanted_of(session, service), heard_of(service))
