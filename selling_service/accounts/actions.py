"""Makes accounts, closes them, and remembers their platform users."""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from selling_service.accounts.models import Account, PlatformUser
from selling_service.accounts.queries import find_account
from shared.contract.problems import CLIENT_REF_TAKEN
from shared.kit.db import WriteSession
from shared.kit.ids import id_for
from shared.kit.problems import ProblemError


async def ensure_account(
    session: WriteSession, partner_id: UUID, *, installation_id: UUID, client_ref: UUID
) -> Account:
    """The account of this client, made where it is new, locked until the transaction ends.

    Raises `client_ref_taken` where it belongs to another installation of the partner.
    """
    statement = (
        insert(Account)
        .values(
            # Found again by the platform where a restored backup knows nothing of the account.
            id=id_for(partner_id, "account", client_ref),
            partner_id=partner_id,
            installation_id=installation_id,
            client_ref=client_ref,
            created_at=session.clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["partner_id", "client_ref"])
    )
    await session.execute(statement)
    account = await find_account(session, partner_id, client_ref=client_ref, lock=True)
    if account is None:
        message = "the account vanished between two statements"
        raise LookupError(message)
    if account.installation_id != installation_id:
        detail = "This client_ref was made by another installation. Use a new random one."
        raise ProblemError(CLIENT_REF_TAKEN, detail)
    account.closed_at = None
    return account


async def remember_platform_user(
    session: WriteSession, partner_id: UUID, *, account_id: UUID, platform: str
) -> None:
    """The user exists on the platform from now on."""
    await session.execute(
        insert(PlatformUser)
        .values(
            account_id=account_id,
            platform=platform,
            partner_id=partner_id,
            created_at=session.clock.now(),
        )
        .on_conflict_do_nothing()
    )


async def forget_platform_users(
    session: WriteSession, partner_id: UUID, *, account_id: UUID
) -> list[str]:
    """The users are about to be deleted; names of their platforms."""
    statement = (
        delete(PlatformUser)
        .where(PlatformUser.partner_id == partner_id, PlatformUser.account_id == account_id)
        .returning(PlatformUser.platform)
    )
    return list((await session.scalars(statement)).all())
