"""Every SELECT on orders, each with its command and service. A client sees their own orders."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, select, text, true

from reselling_service.commands.models import Command
from reselling_service.orders.models import Order
from reselling_service.orders.schemas import Placed
from reselling_service.sellers.models import Seller
from reselling_service.services.models import Service
from reselling_service.services.queries import Principal
from reselling_service.tariffs.models import Tariff
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people import StaffPrincipal
from shared.kit.principals import ClientId
from shared.kit.problems import not_found

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 11))")


def _placed(principal: Principal) -> Select[Order, Command, Service]:
    seen: ColumnElement[bool] = (
        true() if isinstance(principal, StaffPrincipal) else Order.client_id == principal
    )
    return (
        select(Order, Command, Service)
        .join(Command, Command.id == Order.command_id)
        .join(Service, Service.id == Order.service_id)
        .where(seen)
        .execution_options(populate_existing=True)
    )


async def get_placed(session: ReadSession, principal: Principal, *, order_id: UUID) -> Placed:
    """One order; raises `not_found`, also for somebody else's."""
    row = (await session.execute(_placed(principal).where(Order.id == order_id))).one_or_none()
    if row is None:
        raise not_found("order")
    order, command, service = row
    return Placed(order=order, command=command, service=service)


async def list_placed(
    session: ReadSession,
    principal: Principal,
    *,
    after: UUID | None,
    limit: int,
    client_id: UUID | None = None,
) -> Sequence[Placed]:
    """Up to `limit + 1` orders, oldest first."""
    statement = _placed(principal).order_by(Order.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(Order.id > after)
    if client_id is not None:
        statement = statement.where(Order.client_id == client_id)
    rows = await session.execute(statement)
    return [
        Placed(order=order, command=command, service=service) for order, command, service in rows
    ]


async def lock_request(session: WriteSession, client_id: ClientId, *, key: str) -> None:
    """Let the twins of a request wait for each other until the transaction ends."""
    await session.execute(_LOCK, {"name": f"{client_id}:{key}"})


async def find_by_request(session: ReadSession, client_id: ClientId, *, key: str) -> Order | None:
    """The order that this request made before."""
    statement = select(Order).where(Order.client_id == client_id, Order.request_key == key)
    return (await session.scalars(statement)).one_or_none()


async def tariff_exists(session: ReadSession, *, tariff_id: UUID) -> bool:
    """Whether there is such a tariff, sold or not."""
    return bool(await session.scalar(select(exists().where(Tariff.id == tariff_id))))


async def seller_enabled(session: ReadSession, *, seller_id: UUID) -> bool:
    """Whether orders go to this seller at present."""
    return bool(await session.scalar(select(Seller.enabled).where(Seller.id == seller_id)))
