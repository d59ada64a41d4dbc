"""Looks after each seller from time to time: is it there, what does it say of itself."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.exc import NoResultFound

from reselling_service.database import ResellingRuntime
from reselling_service.sellers.actions.connect import CHECK_JOB, NO_LIMIT, note_about
from reselling_service.sellers.actions.link import note_failure, note_success
from reselling_service.sellers.client import client_for
from reselling_service.sellers.errors import SellerProblem
from reselling_service.sellers.queries import SellerAccess, find_access, lock_seller
from shared.contract.offers import About
from shared.kit.db import WriteSession
from shared.kit.jobs import Completion, Job, Task, enqueue

CHECK_EVERY = timedelta(minutes=5)


def tasks(runtime: ResellingRuntime) -> list[Task]:
    """The tasks of this room."""

    async def check(job: Job) -> Completion | None:
        seller_id = UUID(job.payload["seller_id"])
        try:
            async with runtime.staff.read() as session:
                access = await find_access(session, seller_id=seller_id)
        except NoResultFound:
            return None
        if access.enabled:
            await _ask(runtime, access)
        return _again(seller_id)

    return [Task(kind=CHECK_JOB, work=check)]


async def _ask(runtime: ResellingRuntime, access: SellerAccess) -> None:
    try:
        await ask_about(runtime, access)
    except SellerProblem:
        return


async def ask_about(runtime: ResellingRuntime, access: SellerAccess) -> About:
    """Ask a seller about itself, and keep the answer or the failure. Raises SellerProblem."""
    client = client_for(runtime, url=access.url, key=access.key)
    try:
        about = await client.about()
    except SellerProblem as problem:
        async with runtime.staff.write() as session:
            await note_failure(
                session,
                access,
                status=problem.status,
                code=problem.code,
                reason=problem.detail,
            )
        raise
    async with runtime.staff.write() as session:
        await note_about(session, await lock_seller(session, seller_id=access.seller_id), about)
        await note_success(session, access)
    return about


def _again(seller_id: UUID) -> Completion:
    async def plant(session: WriteSession) -> None:
        await enqueue(
            session,
            CHECK_JOB,
            payload={"seller_id": seller_id},
            dedupe_key=f"{CHECK_JOB}:{seller_id}",
            run_at=session.clock.now() + CHECK_EVERY,
            max_attempts=NO_LIMIT,
        )

    return plant
