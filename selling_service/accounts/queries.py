"""Reads accounts; the partner comes first."""

from uuid import UUID

from sqlalchemy import select

from selling_service.accounts.models import Account, PlatformUser
from shared.kit.db import ReadSession


async def find_account(
    session: ReadSession, partner_id: UUID, *, client_ref: UUID, lock: bool = False
) -> Account | None:
    """The account of this client, locked where it is about to be changed."""
    statement = select(Account).where(
        Account.partner_id == partner_id, Account.client_ref == client_ref
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(statement)).one_or_none()


async def has_platform_user(
    session: ReadSession, partner_id: UUID, *, account_id: UUID, platform: str
) -> bool:
    """Whether the account's user was made on this platform."""
    statement = select(PlatformUser.account_id).where(
        PlatformUser.partner_id == partner_id,
        PlatformUser.account_id == account_id,
        PlatformUser.platform == platform,
    )
    return (await session.scalars(statement)).one_or_none() is not None
