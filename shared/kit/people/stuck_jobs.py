"""What staff do with stuck jobs, by HTTP or from a command line, each with its audit entry."""

from collections.abc import Collection

from shared.kit.db import WriteSession
from shared.kit.jobs import JobColumns
from shared.kit.jobs.dead import discard_job, revive_job
from shared.kit.people.auditing import audit, without_secrets
from shared.kit.people.principals import Doer
from shared.kit.people.schemas import JobOutput
from shared.kit.people.tables import People


def job_output(job: JobColumns) -> JobOutput:
    """A job as staff see it; what is named a secret is hidden."""
    return JobOutput(
        id=job.id,
        kind=job.kind,
        state=job.state,
        lane=job.lane,
        tenant_id=job.tenant_id,
        payload=without_secrets(job.payload) or {},
        attempts=job.attempts,
        crashes=job.crashes,
        last_error=job.last_error,
        run_at=job.run_at,
        created_at=job.created_at,
        traceparent=job.traceparent,
    )


async def revive(
    session: WriteSession, people: People, doer: Doer, jobs: type[JobColumns], *, job_id: int
) -> JobColumns:
    """Try it again. Raises `not_found`, `job_not_stuck`."""
    job = await revive_job(session, jobs, job_id=job_id)
    about = {"kind": job.kind}
    await audit(
        session, people, doer, "job.revive", object_type="job", object_id=str(job_id), after=about
    )
    return job


async def discard(
    session: WriteSession,
    people: People,
    doer: Doer,
    jobs: type[JobColumns],
    *,
    job_id: int,
    reason: str,
    kept: Collection[str],
) -> JobColumns:
    """Throw it away. Raises `not_found`, `job_not_stuck`, `job_is_kept`."""
    job = await discard_job(session, jobs, job_id=job_id, kept=kept)
    await audit(
        session,
        people,
        doer,
        "job.discard",
        object_type="job",
        object_id=str(job_id),
        before=job_output(job).model_dump(),
        after={"reason": reason},
    )
    return job
