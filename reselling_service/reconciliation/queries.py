"""Reads what is compared with a seller: digests and lists of ranges, commands, and what drifts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text

from reselling_service.commands.models import Command
from reselling_service.ledger.models import Entry
from reselling_service.reconciliation.models import Difference
from reselling_service.reconciliation.rules import Line
from reselling_service.services.models import SellerCharge, Service
from shared.contract.basics import CommandKind, Money
from shared.contract.inventory import ChargeLine, RangeDigest
from shared.kit.bookkeeping import Book
from shared.kit.db import ReadSession
from shared.kit.reconciling import Way, bounds, digest_sql

_FRESH = {"populate_existing": True}
_LAST = UUID(int=2**128 - 1)
_ACTORS = """
    coalesce((SELECT string_agg(x ->> 'actor', ',' ORDER BY x ->> 'actor' COLLATE "C")
        FROM jsonb_array_elements(heard -> 'suspensions') x), '')
"""
_IN_RANGE = "seller_id = :seller AND service_ref BETWEEN :first AND :last"
_SERVICE_LINES = f"""
    SELECT service_ref AS ref, concat_ws('|', service_ref, client_ref, heard_revision, heard_state,
        heard_power, coalesce((extract(epoch FROM heard_paid_until) * 1000000)::bigint::text, ''),
        {_ACTORS}) AS line
    FROM services WHERE {_IN_RANGE} AND heard_revision > 0
"""  # noqa: S608 - parts of our own
_CHARGE_LINES = f"""
    SELECT service_ref AS ref, concat_ws('|', service_ref, operation_id, amount, currency) AS line
    FROM seller_charges WHERE {_IN_RANGE}
"""  # noqa: S608 - parts of our own
_LINES = f"""
    SELECT service_ref, client_ref, heard_revision AS revision, heard_state AS state,
        heard_power AS power, heard_paid_until AS paid_until, {_ACTORS} AS actors
    FROM services WHERE {_IN_RANGE} AND heard_revision > 0
"""  # noqa: S608 - parts of our own
# What is wanted and what was heard don't come to the same, and nothing is under way about it.
_DRIFTING = """
    SELECT s.id FROM services s
    LEFT JOIN LATERAL (
        SELECT coalesce(array_agg(DISTINCT CASE cause WHEN 'client' THEN 'client'
            ELSE 'partner' END ORDER BY CASE cause WHEN 'client' THEN 'client'
            ELSE 'partner' END), '{}') AS actors
        FROM wanted_suspensions w WHERE w.service_id = s.id
    ) wanted ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(array_agg(x ->> 'actor' ORDER BY x ->> 'actor'), '{}') AS actors
        FROM jsonb_array_elements(s.heard -> 'suspensions') x
        WHERE x ->> 'actor' IN ('client', 'partner')
    ) told ON true
    WHERE s.seller_id = :seller AND s.heard_revision > 0 AND s.id BETWEEN :first AND :last
        AND NOT EXISTS (
            SELECT FROM commands c WHERE c.service_id = s.id AND c.settled_at IS NULL)
        AND CASE s.wanted_life
            WHEN 'cancelled' THEN s.heard_state IN ('active', 'suspended')
            WHEN 'terminated' THEN s.heard_state IN ('active', 'suspended')
                AND NOT (s.terminate_when = 'period_end'
                    AND s.heard ->> 'terminate_at' IS NOT NULL)
            ELSE s.heard_state = 'terminated' OR s.heard_state IN ('active', 'suspended')
                AND (s.heard ->> 'terminate_at' IS NOT NULL OR wanted.actors <> told.actors)
        END
    ORDER BY s.id LIMIT :limit
"""


def _range(seller_id: UUID, prefix: str) -> dict[str, object]:
    first, last = bounds(prefix)
    return {"seller": seller_id, "first": first, "last": last}


async def digest_services(
    session: ReadSession, seller_id: UUID, *, prefix: str
) -> list[RangeDigest]:
    """The ranges of what was heard of a seller's services, below a prefix."""
    return await _digest(session, seller_id, _SERVICE_LINES, prefix)


async def digest_charges(
    session: ReadSession, seller_id: UUID, *, prefix: str
) -> list[RangeDigest]:
    """The ranges of a seller's charges that we know of, below a prefix."""
    return await _digest(session, seller_id, _CHARGE_LINES, prefix)


async def _digest(
    session: ReadSession, seller_id: UUID, lines: str, prefix: str
) -> list[RangeDigest]:
    values = {**_range(seller_id, prefix), "width": len(prefix) + 2}
    found = await session.execute(text(digest_sql(lines)), values)
    return [RangeDigest.model_validate(dict(row)) for row in found.mappings()]


async def list_lines(session: ReadSession, seller_id: UUID, *, prefix: str) -> dict[UUID, Line]:
    """What was heard of the services of a range, by `service_ref`."""
    found = await session.execute(text(_LINES), _range(seller_id, prefix))
    lines = {}
    for row in found.mappings():
        actors = tuple(row["actors"].split(",")) if row["actors"] else ()
        values = {name: value for name, value in row.items() if name != "actors"}
        lines[row["service_ref"]] = Line(**values, suspended_by=actors)
    return lines


async def list_charges(
    session: ReadSession, seller_id: UUID, *, prefix: str
) -> dict[UUID, ChargeLine]:
    """The charges of a range that we know of, by operation."""
    first, last = bounds(prefix)
    statement = select(SellerCharge).where(
        SellerCharge.seller_id == seller_id, SellerCharge.service_ref.between(first, last)
    )
    rows = await session.scalars(statement.execution_options(**_FRESH))
    return {row.operation_id: charge_line(row) for row in rows}


def charge_line(row: SellerCharge) -> ChargeLine:
    """A charge that we know of, as the seller would tell it."""
    return ChargeLine(
        operation_id=row.operation_id,
        command_id=row.command_id,
        service_ref=row.service_ref,
        kind=row.kind,
        amount=Money(amount=row.amount, currency=row.currency),
        at=row.at,
    )


async def list_drifting(
    session: ReadSession, seller_id: UUID, *, after: UUID | None, limit: int
) -> list[UUID]:
    """Ids of services that aren't as they are wanted, in the order of ids."""
    first = UUID(int=after.int + 1) if after is not None else UUID(int=0)
    return await _drifting(session, seller_id, first=first, last=_LAST, limit=limit)


async def is_drifting(session: ReadSession, seller_id: UUID, *, service_id: UUID) -> bool:
    """Whether this service isn't as it is wanted."""
    span = {"first": service_id, "last": service_id}
    return bool(await _drifting(session, seller_id, **span, limit=1))


async def _drifting(
    session: ReadSession, seller_id: UUID, *, first: UUID, last: UUID, limit: int
) -> list[UUID]:
    values = {"seller": seller_id, "first": first, "last": last, "limit": limit}
    found = await session.execute(text(_DRIFTING), values)
    return list(found.scalars())


async def find_by_ref(
    session: ReadSession, seller_id: UUID, *, service_ref: UUID
) -> Service | None:
    """The service that a seller speaks of."""
    statement = select(Service).where(
        Service.seller_id == seller_id, Service.service_ref == service_ref
    )
    return (await session.scalars(statement.execution_options(**_FRESH))).one_or_none()


async def find_command(session: ReadSession, *, command_id: UUID | None) -> Command | None:
    """A command of any client."""
    if command_id is None:
        return None
    return await session.get(Command, command_id, populate_existing=True)


async def find_order(session: ReadSession, service: Service) -> Command | None:
    """The last order of a service: the first one, or one that was sent again."""
    statement = (
        select(Command)
        .where(Command.service_id == service.id, Command.kind == CommandKind.ORDER)
        .order_by(Command.sequence.desc())
        .limit(1)
    )
    return (await session.scalars(statement.execution_options(**_FRESH))).one_or_none()


async def find_repeat(session: ReadSession, before: Command) -> Command | None:
    """The last command that was sent in place of this one."""
    statement = (
        select(Command)
        .where(
            Command.service_id == before.service_id,
            Command.summary["again"].astext == str(before.id),
        )
        .order_by(Command.id.desc())
        .limit(1)
    )
    return (await session.scalars(statement.execution_options(**_FRESH))).one_or_none()


async def list_silent(
    session: ReadSession, seller_id: UUID, *, before: datetime, limit: int
) -> Sequence[Command]:
    """Commands that were sent or accepted before this time and haven't ended."""
    statement = (
        select(Command)
        .where(
            Command.seller_id == seller_id,
            Command.settled_at.is_(None),
            Command.attempts > 0,
            Command.created_at < before,
        )
        .order_by(Command.id)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def list_busy(session: ReadSession, seller_id: UUID) -> list[UUID]:
    """Refs of services with a command that hasn't ended, among those that something differs of."""
    found = await session.execute(
        text("""
            SELECT DISTINCT c.service_ref FROM reconciliation_differences d
            JOIN commands c ON c.service_ref::text = d.refs ->> 'service_ref'
            WHERE d.gone_at IS NULL AND c.settled_at IS NULL AND c.seller_id = :seller
        """),
        {"seller": seller_id},
    )
    return list(found.scalars())


async def find_charge(
    session: ReadSession, seller_id: UUID, *, operation_id: UUID
) -> SellerCharge | None:
    """A seller's charge that we know of."""
    return await session.get(SellerCharge, (seller_id, operation_id), populate_existing=True)


async def find_order_charge(
    session: ReadSession, seller_id: UUID, *, service_ref: UUID
) -> SellerCharge | None:
    """The last charge for an order of this service that we know of."""
    statement = (
        select(SellerCharge)
        .where(
            SellerCharge.seller_id == seller_id,
            SellerCharge.service_ref == service_ref,
            SellerCharge.kind == "order",
        )
        .order_by(SellerCharge.at.desc())
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def was_undone(session: ReadSession, kind: str, *, key: str) -> bool:
    """Whether the desk has decided to undo this difference, lately or long ago."""
    statement = select(Difference.id).where(
        Difference.kind == kind, Difference.key == key, Difference.decision == Way.UNDO
    )
    return (await session.scalars(statement.limit(1))).one_or_none() is not None


async def paid_for(
    session: ReadSession, client_id: UUID, line: ChargeLine, command: Command | None
) -> int:
    """What a client has paid for what the seller has charged us, in minor units.

    It was paid with the line's command, with the one that this repeats, or when people adopted the
    charge.
    """
    references = [line.operation_id]
    while command is not None:
        references.append(command.id)
        before = command.summary.get("again")
        command = await find_command(session, command_id=UUID(before) if before else None)
    statement = select(func.coalesce(-func.sum(Entry.amount), 0)).where(
        Entry.tenant_id == client_id,
        Entry.reference.in_(references),
        Entry.book == Book.BALANCE,
    )
    return int(await session.scalar(statement) or 0)
