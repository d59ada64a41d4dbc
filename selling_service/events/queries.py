"""Reads a partner's feed: where a cursor stands, what comes after it, where it ends; and webhooks.

An endpoint belongs to an installation: whoever asks sees those of the key's installation only.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from selling_service.events.models import EventRow, Feed, WebhookDelivery, WebhookEndpoint
from selling_service.events.rules import Place, check_cursor, parse_cursor
from selling_service.partners.rules import PartnerPrincipal
from shared.contract.events import Event, make_cursor
from shared.contract.webhooks import DeliveryState
from shared.kit.db import ReadSession, WriteSession
from shared.kit.problems import not_found


async def find_start(session: ReadSession, partner_id: UUID, *, cursor: str | None) -> int:
    """The number to read on after; 0 without a cursor.

    Raises `cursor_invalid`, `cursor_lost`, `cursor_expired`.
    """
    if cursor is None:
        return 0
    number = parse_cursor(cursor)
    mine = EventRow.partner_id == partner_id
    statement = select(
        select(Feed.head).where(Feed.partner_id == partner_id).scalar_subquery(),
        select(func.min(EventRow.number)).where(mine).scalar_subquery(),
        select(EventRow.id).where(mine, EventRow.number == number).scalar_subquery(),
    )
    head, oldest, event_id = (await session.execute(statement)).one()
    check_cursor(cursor, Place(head=head or 0, oldest=oldest, event_id=event_id))
    return number


async def list_events(
    session: ReadSession, partner_id: UUID, *, after: int, limit: int
) -> Sequence[EventRow]:
    """Up to `limit` events after this number, oldest first."""
    statement = (
        select(EventRow)
        .where(EventRow.partner_id == partner_id, EventRow.number > after)
        .order_by(EventRow.number)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def find_head(session: ReadSession, partner_id: UUID) -> str | None:
    """The cursor of the feed's last event; None where nothing happened yet."""
    statement = (
        select(EventRow.number, EventRow.id)
        .where(EventRow.partner_id == partner_id)
        .order_by(EventRow.number.desc())
        .limit(1)
    )
    row = (await session.execute(statement)).one_or_none()
    return make_cursor(number=row.number, event_id=row.id) if row else None


def event_of(row: EventRow) -> Event:
    """The wire's shape of an event."""
    return Event.model_validate(
        {
            "number": row.number,
            "id": row.id,
            "cursor": make_cursor(number=row.number, event_id=row.id),
            "type": row.type,
            "at": row.at,
            "installation_id": row.installation_id,
            "client_ref": row.client_ref,
            "service_ref": row.service_ref,
            "operation_id": row.operation_id,
            "command_id": row.command_id,
            "traceparent": row.traceparent,
            **row.body,
        }
    )


async def lock_feed(session: WriteSession, partner_id: UUID) -> None:
    """Hold the partner's feed until the transaction ends, where it has begun."""
    await session.execute(select(Feed.head).where(Feed.partner_id == partner_id).with_for_update())


async def list_endpoints(
    session: ReadSession, principal: PartnerPrincipal
) -> Sequence[WebhookEndpoint]:
    """The installation's endpoints, oldest first."""
    statement = select(WebhookEndpoint).where(*_mine(principal)).order_by(WebhookEndpoint.id)
    return (await session.scalars(statement)).all()


async def lock_endpoint(
    session: WriteSession, principal: PartnerPrincipal, *, endpoint_id: UUID
) -> WebhookEndpoint:
    """One of the installation's endpoints, held until the transaction ends. Raises `not_found`."""
    statement = (
        select(WebhookEndpoint)
        .where(*_mine(principal), WebhookEndpoint.id == endpoint_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        raise not_found("webhook endpoint")
    return row


async def find_endpoint(
    session: WriteSession, partner_id: UUID, *, endpoint_id: UUID
) -> WebhookEndpoint | None:
    """For the worker: an endpoint, held until the transaction ends."""
    statement = select(WebhookEndpoint).where(
        WebhookEndpoint.partner_id == partner_id, WebhookEndpoint.id == endpoint_id
    )
    return (await session.scalars(statement.with_for_update())).one_or_none()


async def find_pending(
    session: ReadSession, partner_id: UUID, *, endpoint_id: UUID
) -> WebhookDelivery | None:
    """The hint that is under way to an endpoint."""
    statement = select(WebhookDelivery).where(
        WebhookDelivery.partner_id == partner_id,
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.state == DeliveryState.PENDING,
    )
    return (await session.scalars(statement)).one_or_none()


async def list_deliveries(
    session: ReadSession,
    principal: PartnerPrincipal,
    *,
    endpoint_id: UUID,
    after: UUID | None,
    limit: int,
) -> Sequence[WebhookDelivery]:
    """Up to `limit + 1` hints to an endpoint, newest first. Raises `not_found`."""
    mine = select(WebhookEndpoint.id).where(*_mine(principal), WebhookEndpoint.id == endpoint_id)
    if await session.scalar(mine) is None:
        raise not_found("webhook endpoint")
    statement = (
        select(WebhookDelivery)
        .where(
            WebhookDelivery.partner_id == principal.partner_id,
            WebhookDelivery.endpoint_id == endpoint_id,
        )
        .order_by(WebhookDelivery.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        statement = statement.where(WebhookDelivery.id < after)
    return (await session.scalars(statement)).all()


async def get_delivery(
    session: ReadSession, principal: PartnerPrincipal, *, endpoint_id: UUID, delivery_id: UUID
) -> WebhookDelivery:
    """One hint. Raises `not_found`."""
    statement = select(WebhookDelivery).where(
        WebhookDelivery.partner_id == principal.partner_id,
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.id == delivery_id,
    )
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        raise not_found("delivery")
    return row


def _mine(principal: PartnerPrincipal) -> tuple[ColumnElement[bool], ...]:
    return (
        WebhookEndpoint.partner_id == principal.partner_id,
        WebhookEndpoint.installation_id == principal.installation_id,
    )
