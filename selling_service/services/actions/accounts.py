"""Opens and closes accounts: closing needs to know that no service is left."""

from uuid import UUID

from selling_service.accounts.actions import forget_platform_users
from selling_service.accounts.models import Account
from selling_service.accounts.queries import find_account
from selling_service.provisioning.actions import hold_users_of
from selling_service.services import queries
from shared.contract.problems import ACCOUNT_IN_USE
from shared.kit.db import WriteSession
from shared.kit.jobs import enqueue
from shared.kit.problems import ProblemError, not_found

ACCOUNT_JOB = "account_close"


async def close_account(session: WriteSession, partner_id: UUID, *, client_ref: UUID) -> None:
    """Close an account and have its platform users deleted. Raises `account_in_use`."""
    account = await find_account(session, partner_id, client_ref=client_ref, lock=True)
    if account is None:
        raise not_found("account")
    if account.closed_at is not None:
        return
    kept = await queries.count_kept(session, partner_id, account_id=account.id)
    if kept:
        detail = f"{kept} services are left. Terminate them; they go when retention is over."
        raise ProblemError(ACCOUNT_IN_USE, detail)
    account.closed_at = session.clock.now()
    platforms = await forget_platform_users(session, partner_id, account_id=account.id)
    await enqueue(
        session,
        ACCOUNT_JOB,
        payload={"account_id": account.id, "platforms": platforms},
        lane=account.id,
        tenant_id=partner_id,
        max_attempts=10**6,
    )


async def still_closed(session: WriteSession, partner_id: UUID, *, account_id: UUID) -> bool:
    """Whether the account is closed, held against new platform users until the end.

    Raises `PlatformUnavailable` where another worker is making one.
    """
    await hold_users_of(session, account_id)
    account = await session.get(Account, account_id)
    return account is not None and account.partner_id == partner_id and bool(account.closed_at)
