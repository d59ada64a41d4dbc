"""Connects sellers and changes connections: what a seller says of itself is checked before.

The calls to the seller are made by the caller, with no transaction open; here is what follows.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from reselling_service.sellers.actions.link import wake_waiting
from reselling_service.sellers.errors import (
    CONTRACT_NOT_SUPPORTED,
    KEY_LACKS_SCOPES,
    OTHER_SELLER,
    SELLER_EXISTS,
)
from reselling_service.sellers.models import Seller, SellerFeed
from reselling_service.sellers.queries import lock_seller
from reselling_service.sellers.rules import speaks_our_contract
from reselling_service.staff.actions import audit
from shared.contract.basics import CONTRACT_MAJOR, Edition, Scope
from shared.contract.offers import About
from shared.contract.problems import EDITION_NOT_SUPPORTED
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.people import StaffPrincipal, Unattended
from shared.kit.problems import ProblemError
from shared.kit.tls import SYSTEM, Trust, fingerprint

NEEDED_SCOPES = frozenset(
    {Scope.SERVICES_READ, Scope.SERVICES_ORDER, Scope.SERVICES_MANAGE, Scope.EVENTS_READ}
)


def check_edition(about: About) -> None:
    """Raise `edition_not_supported` where it can't be resold.

    For new connections only: what was sold before goes on, also under another key or address.
    """
    if about.edition != Edition.HOSTING_CLOUD:
        detail = (
            f"The seller's edition is {about.edition}; only {Edition.HOSTING_CLOUD} can be resold."
            " Ask the provider, or connect another one."
        )
        raise ProblemError(EDITION_NOT_SUPPORTED, detail)


def check_about(about: About) -> None:
    """Raise `contract_not_supported` or `key_lacks_scopes` where we couldn't work with it."""
    if not speaks_our_contract(lowest=about.contract_min, highest=about.contract_max):
        detail = (
            f"The seller speaks versions {about.contract_min} to {about.contract_max} of the"
            f" contract, we speak {CONTRACT_MAJOR}.x. Update the older side."
        )
        raise ProblemError(CONTRACT_NOT_SUPPORTED, detail)
    missing = NEEDED_SCOPES - set(about.scopes)
    if missing:
        detail = f"Ask the provider for a key that also has {', '.join(sorted(missing))}."
        raise ProblemError(KEY_LACKS_SCOPES, detail)


async def connect_seller(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    *,
    name: str,
    url: str,
    key: str,
    about: About,
    trust: Trust = SYSTEM,
) -> Seller:
    """A new seller, whose `/about` was just read.

    Raises `seller_exists`, and as `check_edition` and `check_about`.
    """
    check_edition(about)
    check_about(about)
    now = session.clock.now()
    values = {
        "id": new_id(),
        "name": name,
        "url": url,
        "key": session.vault.encrypt_text(key),
        "key_hint": hint_of(key),
        "enabled": True,
        "installation_id": about.installation_id,
        "currency": about.currency,
        "about": about.model_dump(mode="json"),
        "clock_offset_ms": _offset_ms(session, about),
        "link": "ok",
        "link_since": now,
        "failures": 0,
        "created_at": now,
        **_tls_columns(session, trust),
    }
    rows = await session.scalars(
        insert(Seller).values(values).on_conflict_do_nothing().returning(Seller)
    )
    made = rows.one_or_none()
    if made is None:
        detail = "A seller of this name, or with this installation's key, is connected already."
        raise ProblemError(SELLER_EXISTS, detail)
    await session.execute(insert(SellerFeed).values(seller_id=made.id, number=0, mode="idle"))
    await audit(
        session, staff, "seller.connect", object_type="seller", object_id=made.id, after=shown(made)
    )
    return made


async def change_access(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    *,
    seller_id: UUID,
    about: About,
    url: str | None = None,
    key: str | None = None,
    trust: Trust | None = None,
) -> Seller:
    """Another address, key or TLS, with which `/about` was just read. Raises `other_seller`."""
    check_about(about)
    row = await lock_seller(session, seller_id=seller_id)
    if about.installation_id != row.installation_id or about.currency != row.currency:
        detail = "What answers is another seller or installation. Connect it as a new seller."
        raise ProblemError(OTHER_SELLER, detail)
    before = shown(row)
    row.url = url or row.url
    if key is not None:
        row.key, row.key_hint = session.vault.encrypt_text(key), hint_of(key)
    if trust is not None:
        for name, value in _tls_columns(session, trust).items():
            setattr(row, name, value)
    row.failures, row.retry_after = 0, None
    row.link, row.link_problem, row.link_since = "ok", None, session.clock.now()
    await note_about(session, row, about)
    await wake_waiting(session, seller_id=seller_id)
    changed = "replace_key" if key is not None else "change_tls" if trust else "change_url"
    await audit(
        session,
        staff,
        f"seller.{changed}",
        object_type="seller",
        object_id=seller_id,
        before=before,
        after=shown(row),
    )
    return row


async def change_seller(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    *,
    seller_id: UUID,
    name: str | None = None,
    enabled: bool | None = None,
) -> Seller:
    """Another name; or disabled: nothing is sent to it and its feed isn't read, until enabled."""
    row = await lock_seller(session, seller_id=seller_id)
    before = shown(row)
    if name is not None and name != row.name:
        if await session.scalar(select(Seller.id).where(Seller.name == name)) is not None:
            raise ProblemError(SELLER_EXISTS, "Another seller has this name. Choose another one.")
        row.name = name
    if enabled is not None and enabled != row.enabled:
        row.enabled = enabled
        if enabled:
            await wake_waiting(session, seller_id=seller_id)
    await session.flush()
    await audit(
        session,
        staff,
        "seller.change",
        object_type="seller",
        object_id=seller_id,
        before=before,
        after=shown(row),
    )
    return row


async def note_about(session: WriteSession, row: Seller, about: About) -> None:
    """Keep what the seller says of itself now, and its clock's distance from ours."""
    row.about = about.model_dump(mode="json")
    row.clock_offset_ms = _offset_ms(session, about)
    await session.flush()


def hint_of(key: str) -> str:
    """Enough of a key to tell it from another."""
    return f"{key[:4]}…{key[-4:]}"


def shown(row: Seller) -> dict[str, Any]:
    """What the audit keeps of a seller."""
    return {
        "name": row.name,
        "url": row.url,
        "key_hint": row.key_hint,
        "enabled": row.enabled,
        "tls_authority": fingerprint(row.tls_authority) if row.tls_authority else None,
        "tls_pin": row.tls_pin,
        "tls_certificate": fingerprint(row.tls_certificate) if row.tls_certificate else None,
    }


def _tls_columns(session: WriteSession, trust: Trust) -> dict[str, Any]:
    return {
        "tls_authority": trust.authority,
        "tls_pin": trust.pin,
        "tls_certificate": trust.certificate,
        "tls_key": None if trust.key is None else session.vault.encrypt_text(trust.key),
    }


def _offset_ms(session: WriteSession, about: About) -> int:
    return round((about.server_time - session.clock.now()).total_seconds() * 1000)
