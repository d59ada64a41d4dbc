"""Reads partners, installations and keys. The look-up of a key comes before any principal."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text

from selling_service.partners.models import Installation, Partner, PartnerKey
from selling_service.partners.rules import KnownKey, PartnerPrincipal, PartnerState
from shared.kit.db import ReadSession
from shared.kit.problems import not_found

_LOOKUP = text("SELECT * FROM partner_key_lookup(:key_id)")


async def find_key(session: ReadSession, key_id: UUID) -> KnownKey | None:
    """The key with its partner's present state; None where there is none."""
    row = (await session.execute(_LOOKUP, {"key_id": key_id})).one_or_none()
    if row is None:
        return None
    principal = PartnerPrincipal(
        partner_id=row.partner_id,
        installation_id=row.installation_id,
        key_id=row.key_id,
        scopes=frozenset(row.scopes),
        state=PartnerState(row.state),
        name=row.name,
    )
    return KnownKey(
        principal=principal,
        secret_hash=row.secret_hash,
        allowed_networks=row.allowed_networks,
        client_certificate=row.client_certificate,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


async def is_still_good(session: ReadSession, principal: PartnerPrincipal) -> bool:
    """Whether the principal's key is in force, for whoever asks for longer than one answer."""
    known = await find_key(session, principal.key_id)
    return known is not None and known.is_good(session.clock.now())


async def find_partner(session: ReadSession, partner_id: UUID) -> Partner:
    """One partner. Raises `not_found`."""
    row = await session.get(Partner, partner_id)
    if row is None:
        raise not_found("partner")
    return row


async def list_partners(
    session: ReadSession, *, after: UUID | None, limit: int
) -> Sequence[Partner]:
    """Up to `limit + 1` partners, oldest first, for staff."""
    statement = select(Partner).order_by(Partner.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(Partner.id > after)
    return (await session.scalars(statement)).all()


async def find_installation(
    session: ReadSession, partner_id: UUID, *, installation_id: UUID
) -> Installation:
    """One installation of this partner. Raises `not_found`."""
    statement = select(Installation).where(
        Installation.partner_id == partner_id, Installation.id == installation_id
    )
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        raise not_found("installation")
    return row


async def list_installations(
    session: ReadSession, partner_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Installation]:
    """Up to `limit + 1` installations of this partner, oldest first. Raises `not_found`."""
    await find_partner(session, partner_id)
    statement = select(Installation).where(Installation.partner_id == partner_id)
    if after is not None:
        statement = statement.where(Installation.id > after)
    return (await session.scalars(statement.order_by(Installation.id).limit(limit + 1))).all()


async def list_keys(
    session: ReadSession, partner_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[PartnerKey]:
    """Up to `limit + 1` keys of this partner, oldest first, ended ones too. Raises `not_found`."""
    await find_partner(session, partner_id)
    statement = select(PartnerKey).where(PartnerKey.partner_id == partner_id)
    if after is not None:
        statement = statement.where(PartnerKey.id > after)
    return (await session.scalars(statement.order_by(PartnerKey.id).limit(limit + 1))).all()
