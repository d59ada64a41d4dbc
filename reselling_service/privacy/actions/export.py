"""Gathers everything that is held about one client."""

from uuid import UUID

from reselling_service.clients.models import Client
from reselling_service.clients.queries import get_client
from reselling_service.ledger.models import BOOKS, Entry, Hold
from reselling_service.privacy import queries
from reselling_service.privacy.schemas import (
    ClientExport,
    ExportedAudit,
    ExportedCommand,
    ExportedEntry,
    ExportedHold,
    ExportedOrder,
    ExportedProfile,
    ExportedService,
    ExportedSession,
    ExportedSuspension,
)
from reselling_service.services.models import Service
from reselling_service.staff.models import AuditEntry
from shared.contract.basics import Money
from shared.kit.db import ReadSession
from shared.kit.principals import ClientId
from shared.kit.sheets import to_csv
from shared.kit.vault import Vault

_HEADER = ("at", "kind", "text", "service_id", "amount", "balance_after", "currency")


async def export_client(
    session: ReadSession, client_id: ClientId, *, audits: ReadSession
) -> ClientExport:
    """All of it; `audits` is one of staff's, since the audit lies there. Raises `not_found`.

    What isn't the audit is read behind the wall of `session`, so that a client's own request can
    find nothing of others.
    """
    client = await get_client(session, client_id)
    balance = await BOOKS.balance(session, owner=client_id)
    audit = await queries.audit_of(audits, await queries.objects_of(session, client_id))
    entries = await queries.statement_of(session, client_id)
    holds = await queries.holds_of(session, client_id)
    return ClientExport(
        made_at=session.clock.now(),
        profile=_profile(client),
        sessions=[
            ExportedSession.model_validate(row, from_attributes=True)
            for row in await queries.sessions_of(session, client_id)
        ],
        balance=Money(amount=balance.balance, currency=balance.currency),
        statement=[_entry(row, balance.currency) for row in entries],
        holds=[_hold(row, balance.currency) for row in holds],
        services=[
            _service(row, session.vault) for row in await queries.services_of(session, client_id)
        ],
        suspensions=[
            ExportedSuspension.model_validate(row, from_attributes=True)
            for row in await queries.suspensions_of(session, client_id)
        ],
        orders=await _orders(session, client_id),
        commands=[
            ExportedCommand.model_validate(row, from_attributes=True)
            for row in await queries.commands_of(session, client_id)
        ],
        audit=[_audit(row) for row in audit],
    )


async def statement_sheet(session: ReadSession, client_id: ClientId) -> str:
    """The client's statement as CSV; amounts in minor units. Raises `not_found`."""
    await get_client(session, client_id)
    currency = (await BOOKS.balance(session, owner=client_id)).currency
    rows = await queries.statement_of(session, client_id)
    return to_csv(
        _HEADER,
        (
            (
                row.at.isoformat(),
                row.kind,
                row.text,
                _text(row.service_id),
                row.amount,
                row.balance_after,
                currency,
            )
            for row in rows
        ),
    )


def _text(value: UUID | None) -> str:
    return "" if value is None else str(value)


def _profile(client: Client) -> ExportedProfile:
    return ExportedProfile(
        id=client.id,
        email=client.email,
        name=client.name,
        phone=client.phone,
        address=client.address,
        note=client.note,
        state=client.state,
        has_password=client.password_hash is not None,
        created_at=client.created_at,
    )


def _entry(row: Entry, currency: str) -> ExportedEntry:
    return ExportedEntry(
        at=row.at,
        kind=row.kind,
        text=row.text,
        service_id=row.service_id,
        amount=Money(amount=row.amount, currency=currency),
        balance_after=Money(amount=row.balance_after or 0, currency=currency),
    )


def _hold(row: Hold, currency: str) -> ExportedHold:
    return ExportedHold(
        created_at=row.created_at,
        text=row.text,
        amount=Money(amount=row.amount, currency=currency),
        state=row.state,
    )


def _service(row: Service, vault: Vault) -> ExportedService:
    return ExportedService(
        id=row.id,
        name=row.name,
        hostname=vault.decrypt_text(row.hostname),
        tariff=row.tariff_name,
        os=row.os,
        period=row.period,
        price=Money(amount=row.price, currency=row.currency),
        wanted=row.wanted_life,
        state=row.heard_state,
        paid_until=row.heard_paid_until,
        addresses=queries.addresses_of(row),
        created_at=row.created_at,
    )


async def _orders(session: ReadSession, client_id: ClientId) -> list[ExportedOrder]:
    return [
        ExportedOrder(
            id=row.id,
            service_id=row.service_id,
            period=row.period,
            total=Money(amount=row.total, currency=row.currency),
            ordered_by=row.ordered_by,
            created_at=row.created_at,
        )
        for row in await queries.orders_of(session, client_id)
    ]


def _audit(row: AuditEntry) -> ExportedAudit:
    return ExportedAudit(
        at=row.at,
        by=row.actor_kind,
        action=row.action,
        object_type=row.object_type,
        object_id=row.object_id,
        before=row.before,
        after=row.after,
    )
