"""Routes about the sandbox's clock, made for the tables of one service."""

from typing import Annotated

from fastapi import APIRouter, Depends

from shared.contract.problems import NOT_FOUND
from shared.kit.people import sandbox
from shared.kit.people.access import StaffGuard, StaffRead, StaffRuntime, StaffWrite
from shared.kit.people.errors import FOR_EVERY_ROUTE, FOR_SOME_ROLES, WITH_BODY
from shared.kit.people.principals import EVERYBODY, OPERATORS, StaffPrincipal
from shared.kit.people.schemas import ClockInput, ClockOutput
from shared.kit.people.tables import People
from shared.kit.problems import declare


def sandbox_routers(people: People, guard: StaffGuard) -> list[APIRouter]:
    """`/clock`, to be included where the settings say sandbox, and nowhere else."""
    return [_clock_routes(people, guard)]


def _clock_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["sandbox"])

    @router.get(
        "/clock",
        dependencies=[Depends(guard.having(EVERYBODY))],
        summary="The sandbox's time",
        responses=declare(*FOR_EVERY_ROUTE, NOT_FOUND),
    )
    async def get_clock(
        runtime: StaffRuntime,
        session: StaffRead,
    ) -> ClockOutput:
        clock = sandbox.sandbox_clock(runtime)
        ahead = await sandbox.advanced_by(session)
        return ClockOutput(now=clock.now(), advanced_seconds=ahead)

    @router.post(
        "/clock",
        summary="Move the sandbox's time on",
        description="For all processes, within a second. Sessions of the staff move along.",
        responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND),
    )
    async def advance_clock(
        body: ClockInput,
        operator: Annotated[StaffPrincipal, Depends(guard.having(OPERATORS))],
        runtime: StaffRuntime,
        session: StaffWrite,
    ) -> ClockOutput:
        clock = sandbox.sandbox_clock(runtime)
        ahead = await sandbox.advance(
            session, people, operator, clock, seconds=body.advance_seconds
        )
        return ClockOutput(now=clock.now(), advanced_seconds=ahead)

    return router
