"""Routes about jobs that are stuck, made for the tables of one service."""

from collections.abc import Collection
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from shared.contract.basics import Page
from shared.contract.problems import CURSOR_INVALID, INVALID_REQUEST, NOT_FOUND
from shared.kit.jobs import JobColumns
from shared.kit.jobs.dead import JOB_IS_KEPT, JOB_NOT_STUCK, find_job, list_stuck
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffGuard, StaffRead, StaffWrite
from shared.kit.people.errors import FOR_EVERY_ROUTE, FOR_SOME_ROLES, WITH_BODY
from shared.kit.people.principals import EVERYBODY, OPERATORS, StaffPrincipal
from shared.kit.people.schemas import DiscardInput, JobOutput
from shared.kit.people.stuck_jobs import discard, job_output, revive
from shared.kit.people.tables import People
from shared.kit.problems import ProblemError, declare

BIGGEST_ID = 2**63 - 1
_JobId = Annotated[int, Path(ge=1, le=BIGGEST_ID)]
_ONE = (*FOR_EVERY_ROUTE, INVALID_REQUEST, NOT_FOUND)


def job_routers(
    people: People, guard: StaffGuard, *, jobs: type[JobColumns], kept: Collection[str]
) -> list[APIRouter]:
    """`/jobs` of one service; jobs of the `kept` kinds can't be thrown away."""
    return [_reading(guard, jobs), _changing(people, guard, jobs, kept)]


def _reading(guard: StaffGuard, jobs: type[JobColumns]) -> APIRouter:
    router = APIRouter(tags=["jobs"], dependencies=[Depends(guard.having(EVERYBODY))])

    @router.get(
        "/jobs",
        name="list_stuck_jobs",
        summary="List jobs that are stuck",
        description="Dead (their attempts are used up), or set aside (workers ended again and "
        "again while they worked on them). Oldest first.",
        responses=declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, CURSOR_INVALID),
    )
    async def list_jobs(
        session: StaffRead, limit: Limit = DEFAULT_LIMIT, after: After = None
    ) -> Page[JobOutput]:
        rows = await list_stuck(session, jobs, after=_number(after), limit=limit)
        return make_page(rows, limit=limit, row_id=lambda row: UUID(int=row.id), item=job_output)

    @router.get(
        "/jobs/{job_id}",
        summary="Look at a job",
        description="In any state. A job that is done is gone.",
        responses=declare(*_ONE),
    )
    async def get_job(session: StaffRead, job_id: _JobId) -> JobOutput:
        return job_output(await find_job(session, jobs, job_id=job_id))

    return router


def _changing(
    people: People, guard: StaffGuard, jobs: type[JobColumns], kept: Collection[str]
) -> APIRouter:
    router = APIRouter(tags=["jobs"])

    @router.post(
        "/jobs/{job_id}/revive",
        name="revive_job",
        summary="Try a stuck job again",
        description="Now, with all its attempts.",
        responses=declare(*_ONE, *FOR_SOME_ROLES, JOB_NOT_STUCK),
    )
    async def revive_job(
        operator: Annotated[StaffPrincipal, Depends(guard.having(OPERATORS))],
        session: StaffWrite,
        job_id: _JobId,
    ) -> JobOutput:
        return job_output(await revive(session, people, operator, jobs, job_id=job_id))

    @router.post(
        "/jobs/{job_id}/discard",
        name="discard_job",
        summary="Throw a stuck job away",
        description="For good; the audit keeps what it was, and why. Not what something waits for: "
        + (", ".join(f"`{kind}`" for kind in sorted(kept)))
        + ".",
        responses=declare(*_ONE, *FOR_SOME_ROLES, *WITH_BODY, JOB_NOT_STUCK, JOB_IS_KEPT),
    )
    async def discard_job(
        body: DiscardInput,
        operator: Annotated[StaffPrincipal, Depends(guard.having(OPERATORS))],
        session: StaffWrite,
        job_id: _JobId,
    ) -> JobOutput:
        gone = await discard(
            session, people, operator, jobs, job_id=job_id, reason=body.reason, kept=kept
        )
        return job_output(gone)

    return router


def _number(cursor: str | None) -> int | None:
    found = decode_cursor(cursor)
    if found is None:
        return None
    if found.int > BIGGEST_ID:
        raise ProblemError(CURSOR_INVALID, "Use the `next` of the page before.")
    return found.int
