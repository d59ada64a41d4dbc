"""The jobs that nobody works on any more: what they are, and what staff may do with them.

Which jobs others wait for is said by their service; those are never thrown away here.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import or_, select

from shared.contract.problems import ProblemType
from shared.kit.db import ReadSession, WriteSession
from shared.kit.jobs.queue import cancel_jobs, revive_jobs
from shared.kit.jobs.table import CRASHES_UNTIL_ALONE, JobColumns
from shared.kit.problems import ProblemError, not_found

JOB_NOT_STUCK = ProblemType("job_not_stuck", 409, "The job isn't dead or set aside")
JOB_IS_KEPT = ProblemType("job_is_kept", 409, "Something waits for this job")


def is_stuck(job: JobColumns) -> bool:
    """Dead, or set aside since it takes its workers along."""
    return job.state == "dead" or (job.state == "ready" and job.crashes >= CRASHES_UNTIL_ALONE)


async def list_stuck(
    session: ReadSession, table: type[JobColumns], *, after: int | None, limit: int
) -> Sequence[JobColumns]:
    """Up to `limit + 1` dead or set-aside jobs, oldest first."""
    aside = (table.state == "ready") & (table.crashes >= CRASHES_UNTIL_ALONE)
    statement = select(table).where(or_(table.state == "dead", aside))
    if after is not None:
        statement = statement.where(table.id > after)
    return (await session.scalars(statement.order_by(table.id).limit(limit + 1))).all()


async def find_job(session: ReadSession, table: type[JobColumns], *, job_id: int) -> JobColumns:
    """A job in any state. Raises `not_found`: done jobs are gone."""
    found = await session.get(table, job_id, populate_existing=True)
    if found is None:
        raise not_found("job")
    return found


async def revive_job(session: WriteSession, table: type[JobColumns], *, job_id: int) -> JobColumns:
    """Give it all its attempts again, from now on. Raises `not_found`, `job_not_stuck`."""
    await _stuck(session, table, job_id)
    await revive_jobs(session, ids=[job_id])
    return await find_job(session, table, job_id=job_id)


async def discard_job(
    session: WriteSession, table: type[JobColumns], *, job_id: int, kept: Collection[str]
) -> JobColumns:
    """Throw it away, and return what it was; not where its kind is among those `kept`.

    Raises `not_found`, `job_not_stuck`, `job_is_kept`.
    """
    job = await _stuck(session, table, job_id)
    if job.kind in kept:
        detail = (
            f"A {job.kind} belongs to something that would wait for ever: revive it, or end what "
            "it belongs to."
        )
        raise ProblemError(JOB_IS_KEPT, detail)
    session.expunge(job)
    await cancel_jobs(session, ids=[job_id])
    return job


async def _stuck(session: WriteSession, table: type[JobColumns], job_id: int) -> JobColumns:
    job = await session.get(table, job_id, populate_existing=True, with_for_update=True)
    if job is None:
        raise not_found("job")
    if not is_stuck(job):
        raise ProblemError(JOB_NOT_STUCK, f"It is {job.state}, and is worked on by itself.")
    return job
