"""Routes about runs and differences, made for the tables of one service.

What adopting and undoing mean is each service's affair: those two are its own routes.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from shared.contract.basics import Page
from shared.contract.problems import (
    CURSOR_INVALID,
    INVALID_REQUEST,
    NOT_FOUND,
)
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people import People, StaffGuard, StaffPrincipal, audit
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES, WITH_BODY
from shared.kit.people.principals import EVERYBODY, OPERATORS
from shared.kit.problems import declare
from shared.kit.reconciling.errors import NOT_DECIDABLE
from shared.kit.reconciling.finding import Way
from shared.kit.reconciling.keeping import decide, find_difference, lock_difference, request_run
from shared.kit.reconciling.report import list_differences, list_runs, read_report
from shared.kit.reconciling.rules import check_decidable
from shared.kit.reconciling.schemas import (
    DecisionInput,
    DifferenceState,
    DifferenceView,
    ReportView,
    RunView,
    difference_view,
    run_view,
)
from shared.kit.reconciling.tables import Desk

DECISION_PROBLEMS = (*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, NOT_DECIDABLE)


def desk_router(desk: Desk, people: People, guard: StaffGuard) -> APIRouter:
    """`/reconciliation/report /runs /differences` of one service, and ignoring."""
    router = APIRouter(prefix="/reconciliation", tags=["reconciliation"])
    _report_routes(router, desk, people, guard)
    _difference_routes(router, desk, guard)
    _ignore_route(router, desk, people, guard)
    return router


def _report_routes(router: APIRouter, desk: Desk, people: People, guard: StaffGuard) -> None:
    anybody = Depends(guard.having(EVERYBODY))
    operator = Annotated[StaffPrincipal, Depends(guard.having(OPERATORS))]

    @router.get(
        "/report",
        name="reconciliation_report",
        dependencies=[anybody],
        summary="What differs, for people and for machines",
        responses=declare(*FOR_SOME_ROLES),
    )
    async def report(session: StaffRead) -> ReportView:
        """The last comparison, and what is open by kind."""
        return await read_report(session, desk)

    @router.get(
        "/runs",
        name="list_reconciliation_runs",
        dependencies=[anybody],
        summary="Comparisons, newest first",
        responses=declare(*FOR_SOME_ROLES, INVALID_REQUEST, CURSOR_INVALID),
    )
    async def runs(
        session: StaffRead, limit: Limit = DEFAULT_LIMIT, after: After = None
    ) -> Page[RunView]:
        """When everything was compared, and what was found."""
        rows = await list_runs(session, desk, after=decode_cursor(after), limit=limit)
        return make_page(rows, limit=limit, row_id=lambda row: row.id, item=run_view)

    @router.post(
        "/runs",
        name="start_reconciliation_run",
        status_code=202,
        summary="Compare everything now",
        responses=declare(*FOR_SOME_ROLES),
    )
    async def start(session: StaffWrite, staff: operator) -> RunView:
        """The worker begins at once; where a run is asked for already, that is it."""
        run = await request_run(session, desk, staff)
        await audit(
            session,
            people,
            staff,
            "reconciliation.run",
            object_type="reconciliation_run",
            object_id=run.id,
        )
        return run_view(run)


def _difference_routes(router: APIRouter, desk: Desk, guard: StaffGuard) -> None:
    anybody = Depends(guard.having(EVERYBODY))

    @router.get(
        "/differences",
        name="list_differences",
        dependencies=[anybody],
        summary="Differences, oldest first",
        responses=declare(*FOR_SOME_ROLES, INVALID_REQUEST, CURSOR_INVALID),
    )
    async def differences(
        session: StaffRead,
        limit: Limit = DEFAULT_LIMIT,
        after: After = None,
        state: Annotated[DifferenceState | None, Query(description="In this state only.")] = None,
        kind: Annotated[
            str | None, Query(max_length=50, description="Of this kind only.", examples=[None])
        ] = None,
    ) -> Page[DifferenceView]:
        """Each with both sides' values, since when, and what would put it right."""
        rows = await list_differences(
            session, desk, after=decode_cursor(after), limit=limit, state=state, kind=kind
        )
        return make_page(rows, limit=limit, row_id=lambda row: row.id, item=difference_view)

    @router.get(
        "/differences/{difference_id}",
        name="read_difference",
        dependencies=[anybody],
        summary="A difference",
        responses=declare(*FOR_SOME_ROLES, NOT_FOUND, INVALID_REQUEST),
    )
    async def difference(session: StaffRead, difference_id: UUID) -> DifferenceView:
        """One difference over all runs that saw it."""
        return difference_view(await find_difference(session, desk, difference_id=difference_id))


def _ignore_route(router: APIRouter, desk: Desk, people: People, guard: StaffGuard) -> None:
    operator = Annotated[StaffPrincipal, Depends(guard.having(OPERATORS))]

    @router.post(
        "/differences/{difference_id}/ignore",
        name="ignore_difference",
        summary="Leave a difference as it is",
        responses=declare(*DECISION_PROBLEMS),
    )
    async def ignore(
        session: StaffWrite, staff: operator, difference_id: UUID, body: DecisionInput
    ) -> DifferenceView:
        """It stays in the list of those ignored, with who, when and why, for as long as it is."""
        row = await lock_difference(session, desk, difference_id=difference_id)
        check_decidable(row, Way.IGNORE)
        await decide(session, row, staff, Way.IGNORE, reason=body.reason)
        await audit(
            session,
            people,
            staff,
            "difference.ignore",
            object_type="difference",
            object_id=row.id,
            after={"kind": row.kind, "reason": body.reason},
        )
        return difference_view(row)
