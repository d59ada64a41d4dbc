"""What the provider's staff does with partners, installations and keys. Each change is audited."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from selling_service.partners.errors import EXPIRY_OUT_OF_RANGE, KEY_ENDED, NAME_TAKEN
from selling_service.partners.models import Installation, Partner, PartnerKey
from selling_service.partners.queries import find_installation, find_partner
from selling_service.partners.rules import (
    KEY_PREFIX,
    LONGEST_KEY_LIFE,
    PartnerState,
    is_in_force,
    rotated_expiry,
)
from selling_service.staff.actions import audit
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.keys import make_key
from shared.kit.people import StaffPrincipal, Unattended
from shared.kit.problems import ProblemError, not_found

Doer = StaffPrincipal | Unattended


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTerms:
    """What a key may do, from where and until when. No networks: from everywhere."""

    name: str
    scopes: Sequence[str]
    allowed_networks: Sequence[str] = ()
    client_certificate: str | None = None
    expires_at: datetime | None = None


async def create_partner(session: WriteSession, staff: Doer, *, name: str) -> Partner:
    """A new, active partner. Raises `name_taken`.

    What other rooms keep per partner (feed, balance, offers) begins with its first use there.
    """
    row = Partner(
        id=new_id(), name=name, state=PartnerState.ACTIVE.value, created_at=session.clock.now()
    )
    await _keep(session, row)
    await audit(
        session,
        staff,
        "partner.create",
        object_type="partner",
        object_id=row.id,
        after=_partner_picture(row),
    )
    return row


async def change_partner(
    session: WriteSession,
    staff: Doer,
    *,
    partner_id: UUID,
    name: str | None = None,
    state: PartnerState | None = None,
) -> Partner:
    """The partner as changed; None leaves as it is. Raises `not_found`, `name_taken`."""
    statement = select(Partner).where(Partner.id == partner_id).with_for_update()
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        raise not_found("partner")
    before = _partner_picture(row)
    row.name = row.name if name is None else name
    row.state = row.state if state is None else state.value
    await _keep(session, row)
    await audit(
        session,
        staff,
        "partner.change",
        object_type="partner",
        object_id=row.id,
        before=before,
        after=_partner_picture(row),
    )
    return row


async def create_installation(
    session: WriteSession, staff: Doer, *, partner_id: UUID, name: str
) -> Installation:
    """A new installation of a partner. Raises `not_found`, `name_taken`."""
    await find_partner(session, partner_id)
    row = Installation(
        id=new_id(), partner_id=partner_id, name=name, created_at=session.clock.now()
    )
    await _keep(session, row)
    await audit(
        session,
        staff,
        "installation.create",
        object_type="installation",
        object_id=row.id,
        after={"partner_id": partner_id, "name": name},
    )
    return row


async def create_key(
    session: WriteSession, staff: Doer, *, partner_id: UUID, installation_id: UUID, terms: KeyTerms
) -> tuple[PartnerKey, str]:
    """A new key and its token, which is shown once. Raises `not_found`, `expiry_out_of_range`."""
    await find_installation(session, partner_id, installation_id=installation_id)
    now = session.clock.now()
    if terms.expires_at is not None and not now < terms.expires_at <= now + LONGEST_KEY_LIFE:
        detail = "expires_at must lie in the future, within ten years."
        raise ProblemError(EXPIRY_OUT_OF_RANGE, detail)
    made = make_key(KEY_PREFIX)
    row = PartnerKey(
        id=made.id,
        partner_id=partner_id,
        installation_id=installation_id,
        name=terms.name,
        secret_hash=made.secret_hash,
        scopes=sorted(terms.scopes),
        allowed_networks=list(terms.allowed_networks),
        client_certificate=terms.client_certificate,
        expires_at=terms.expires_at and terms.expires_at.astimezone(UTC),
        revoked_at=None,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    await _audit_key(session, staff, "partner_key.create", row, before=None)
    return row, made.token


async def rotate_key(
    session: WriteSession,
    staff: Doer,
    *,
    partner_id: UUID,
    key_id: UUID,
    overlap: timedelta,
    client_certificate: str | None = None,
) -> tuple[PartnerKey, str]:
    """A new key like the old one, which ends after the overlap. Raises `not_found`, `key_ended`.

    Where the old one had an end, the new one lives as long from now on.
    """
    old, now = await _lock_key(session, partner_id=partner_id, key_id=key_id), session.clock.now()
    if not is_in_force(revoked_at=old.revoked_at, expires_at=old.expires_at, now=now):
        detail = "It can't be rotated any more. Create a new key."
        raise ProblemError(KEY_ENDED, detail)
    terms = KeyTerms(
        name=old.name,
        scopes=old.scopes,
        allowed_networks=old.allowed_networks,
        client_certificate=client_certificate or old.client_certificate,
        expires_at=rotated_expiry(created_at=old.created_at, expires_at=old.expires_at, now=now),
    )
    made = await create_key(
        session, staff, partner_id=partner_id, installation_id=old.installation_id, terms=terms
    )
    before = _key_picture(old)
    end = now + overlap
    old.expires_at = end if old.expires_at is None else min(old.expires_at, end)
    await session.flush()
    await _audit_key(session, staff, "partner_key.rotate", old, before=before)
    return made


async def revoke_key(
    session: WriteSession, staff: Doer, *, partner_id: UUID, key_id: UUID
) -> PartnerKey:
    """The key, good for nothing from now on. Again is no error. Raises `not_found`."""
    row = await _lock_key(session, partner_id=partner_id, key_id=key_id)
    if row.revoked_at is None:
        before = _key_picture(row)
        row.revoked_at = session.clock.now()
        await session.flush()
        await _audit_key(session, staff, "partner_key.revoke", row, before=before)
    return row


async def _keep(session: WriteSession, row: Partner | Installation) -> None:
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        detail = "There is another one of this name. Choose a name of its own."
        raise ProblemError(NAME_TAKEN, detail) from error


async def _lock_key(session: WriteSession, *, partner_id: UUID, key_id: UUID) -> PartnerKey:
    statement = select(PartnerKey).where(
        PartnerKey.partner_id == partner_id, PartnerKey.id == key_id
    )
    row = (await session.scalars(statement.with_for_update())).one_or_none()
    if row is None:
        raise not_found("key")
    return row


async def _audit_key(
    session: WriteSession,
    staff: Doer,
    action: str,
    row: PartnerKey,
    *,
    before: dict[str, Any] | None,
) -> None:
    await audit(
        session,
        staff,
        action,
        object_type="partner_key",
        object_id=row.id,
        before=before,
        after=_key_picture(row),
    )


def _partner_picture(row: Partner) -> dict[str, Any]:
    return {"name": row.name, "state": row.state}


def _key_picture(row: PartnerKey) -> dict[str, Any]:
    """Everything but the hash."""
    return {
        "partner_id": row.partner_id,
        "installation_id": row.installation_id,
        "name": row.name,
        "scopes": row.scopes,
        "allowed_networks": row.allowed_networks,
        "client_certificate": row.client_certificate,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
    }
