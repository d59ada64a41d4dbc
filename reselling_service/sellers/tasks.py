"""Looks after each seller from time to time: is it there, what does it say of itself."""

from datetime import timedelta

from reselling_service.database import ResellingRuntime
from reselling_service.sellers.actions.connect import note_about
from reselling_service.sellers.actions.link import note_failure, note_success
from reselling_service.sellers.client import client_for
from reselling_service.sellers.errors import SellerProblem
from reselling_service.sellers.queries import SellerAccess, list_accesses, lock_seller
from shared.contract.offers import About
from shared.kit.jobs import Job, Task

CHECK_EVERY = timedelta(minutes=5)


def tasks(runtime: ResellingRuntime) -> list[Task]:
    """The tasks of this room."""

    async def check(_job: Job) -> None:
        async with runtime.staff.read() as session:
            accesses = await list_accesses(session)
        for access in accesses:
            await _check(runtime, access)

    return [Task(kind="check_sellers", work=check, every=CHECK_EVERY)]


async def _check(runtime: ResellingRuntime, access: SellerAccess) -> None:
    try:
        await ask_about(runtime, access)
    except SellerProblem:
        # It is noted with the seller; the others are asked all the same.
        return


async def ask_about(runtime: ResellingRuntime, access: SellerAccess) -> About:
    """Ask a seller about itself, and keep the answer or the failure. Raises SellerProblem."""
    client = client_for(runtime, url=access.url, key=access.key, trust=access.trust)
    try:
        about = await client.about()
    except SellerProblem as problem:
        async with runtime.staff.write() as session:
            await note_failure(
                session, access, status=problem.status, code=problem.code, reason=problem.detail
            )
        raise
    async with runtime.staff.write() as session:
        await note_about(session, await lock_seller(session, seller_id=access.seller_id), about)
        await note_success(session, access)
    return about
