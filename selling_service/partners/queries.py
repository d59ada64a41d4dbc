"""Reads partners, installations and keys. The look-up of a key comes before any principal."""

from uuid import UUID

from sqlalchemy import text

from selling_service.partners.rules import KnownKey, PartnerPrincipal, PartnerState
from shared.kit.db import ReadSession

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
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


async def is_still_good(session: ReadSession, principal: PartnerPrincipal) -> bool:
    """Whether the principal's key is in force, for whoever asks for longer than one answer."""
    known = await find_key(session, principal.key_id)
    return known is not None and known.is_good(session.clock.now())
