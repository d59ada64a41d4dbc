"""Reads what is compared: services of a platform, and digests and charges of an installation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text

from selling_service.reconciliation.rules import Kept
from shared.contract.basics import Money
from shared.contract.inventory import ChargeLine, RangeDigest
from shared.kit.db import ReadSession
from shared.kit.reconciling import bounds, digest_sql

# Less than every id.
_BEFORE_ALL = UUID(int=0)
_KEPT = """
    SELECT s.id, s.partner_id, s.service_ref, s.account_id, s.state, s.power, s.wanted_power,
        s.fence,
        ARRAY(SELECT actor FROM suspensions x WHERE x.service_id = s.id ORDER BY 1) AS actors,
        EXISTS (SELECT FROM operations o WHERE o.service_id = s.id AND o.finished_at IS NULL)
            OR EXISTS (SELECT FROM jobs j WHERE j.lane = s.id) AS busy
    FROM services s JOIN data_centers d ON d.id = s.data_center_id
    WHERE d.platform = :platform
"""
_SERVICE_LINES = """
    SELECT s.service_ref AS ref, concat_ws('|', s.service_ref, s.client_ref, s.revision, s.state,
        s.power, coalesce((extract(epoch FROM s.paid_until) * 1000000)::bigint::text, ''),
        coalesce(x.actors, '')) AS line
    FROM services s LEFT JOIN {actors} x ON x.service_id = s.id
    WHERE s.partner_id = :partner AND s.installation_id = :installation
        AND s.service_ref BETWEEN :first AND :last
"""
_ACTORS = """(
    SELECT service_id, string_agg(actor, ',' ORDER BY actor COLLATE "C") AS actors
    FROM suspensions WHERE partner_id = :partner {which} GROUP BY service_id
)"""
# Read once for all services, or looked up for each of a range.
_OF_ALL = _SERVICE_LINES.format(actors=_ACTORS.format(which=""))
_OF_RANGE = _SERVICE_LINES.format(actors=f"LATERAL {_ACTORS.format(which='AND service_id = s.id')}")
_CHARGES = """
    FROM entries e
    JOIN services s ON s.partner_id = e.partner_id AND s.id = e.service_id
    JOIN balances b ON b.partner_id = e.partner_id
    WHERE e.partner_id = :partner AND s.installation_id = :installation AND e.book = 'balance'
        AND e.kind IN ('order', 'renewal') AND s.service_ref BETWEEN :first AND :last
"""
_CHARGE_LINES = f"""
    SELECT s.service_ref AS ref,
        concat_ws('|', s.service_ref, e.reference, -e.amount, b.currency) AS line
    {_CHARGES}
"""
_LIST_CHARGES = f"""
    SELECT e.id, e.reference, s.service_ref, e.kind, -e.amount AS amount, b.currency, e.at,
        (SELECT o.command_id FROM operations o
            WHERE o.partner_id = e.partner_id AND o.id = e.reference) AS command_id
    {_CHARGES} AND e.id > :after
    ORDER BY e.id LIMIT :limit
"""  # noqa: S608 - parts of our own


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose rows are compared: one installation of a partner."""

    partner_id: UUID
    installation_id: UUID


async def scan_services(
    session: ReadSession, *, platform: str, after: UUID | None, limit: int
) -> list[Kept]:
    """Up to `limit` services of a platform with ids after this one, in the order of ids."""
    found = await session.execute(
        text(
            # A condition that an index knows, whatever the value: pages of a million rows follow.
            f"{_KEPT} AND s.id > :after ORDER BY s.id LIMIT :limit"
        ),
        {"platform": platform, "after": after or _BEFORE_ALL, "limit": limit},
    )
    return [_kept(row) for row in found.mappings()]


async def find_kept(
    session: ReadSession, *, platform: str, service_ids: Sequence[UUID]
) -> dict[UUID, Kept]:
    """These services as they are now; unknown ones are absent."""
    found = await session.execute(
        text(f"{_KEPT} AND s.id = ANY(:ids)"), {"platform": platform, "ids": list(service_ids)}
    )
    return {kept.service_id: kept for kept in map(_kept, found.mappings())}


async def list_busy(session: ReadSession) -> list[UUID]:
    """Services that something is under way about, among those that something differs of."""
    found = await session.execute(
        text("""
            SELECT s.id FROM reconciliation_differences d
            JOIN services s ON s.id::text = d.refs ->> 'service'
            WHERE d.gone_at IS NULL AND (
                EXISTS (SELECT FROM operations o WHERE o.service_id = s.id
                    AND o.finished_at IS NULL)
                OR EXISTS (SELECT FROM jobs j WHERE j.lane = s.id))
        """)
    )
    return list(found.scalars())


def _kept(row: RowMapping) -> Kept:
    return Kept(
        service_id=row["id"],
        partner_id=row["partner_id"],
        service_ref=row["service_ref"],
        account_id=row["account_id"],
        state=row["state"],
        power=row["power"],
        wanted_power=row["wanted_power"],
        suspended_by=tuple(row["actors"]),
        fence=row["fence"],
        busy=row["busy"],
    )


async def digest_services(session: ReadSession, owner: Owner, *, prefix: str) -> list[RangeDigest]:
    """The ranges of services below a prefix."""
    return await _digest(session, owner, _OF_RANGE if prefix else _OF_ALL, prefix)


async def digest_charges(session: ReadSession, owner: Owner, *, prefix: str) -> list[RangeDigest]:
    """The ranges of charges below a prefix of the service_ref."""
    return await _digest(session, owner, _CHARGE_LINES, prefix)


async def _digest(session: ReadSession, owner: Owner, lines: str, prefix: str) -> list[RangeDigest]:
    values = {**_range(owner, prefix), "width": len(prefix) + 2}
    found = await session.execute(text(digest_sql(lines)), values)
    return [RangeDigest.model_validate(dict(row)) for row in found.mappings()]


def _range(owner: Owner, prefix: str) -> dict[str, object]:
    first, last = bounds(prefix)
    return {
        "partner": owner.partner_id,
        "installation": owner.installation_id,
        "first": first,
        "last": last,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A charge line with the id of its entry."""

    id: UUID
    line: ChargeLine


async def list_charges(
    session: ReadSession, owner: Owner, *, prefix: str, after: UUID | None, limit: int
) -> list[Charge]:
    """Up to `limit + 1` charges of a range, oldest first."""
    values = {**_range(owner, prefix), "after": after or _BEFORE_ALL, "limit": limit + 1}
    found = await session.execute(text(_LIST_CHARGES), values)
    return [_charge(**row) for row in found.mappings()]


def _charge(  # noqa: PLR0917 - the columns by their names
    id: UUID,  # noqa: A002
    reference: UUID,
    service_ref: UUID,
    kind: str,
    amount: int,
    currency: str,
    at: datetime,
    command_id: UUID | None,
) -> Charge:
    line = ChargeLine(
        operation_id=reference,
        command_id=command_id,
        service_ref=service_ref,
        kind=kind,
        amount=Money(amount=amount, currency=currency),
        at=at,
    )
    return Charge(id=id, line=line)
