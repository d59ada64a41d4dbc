"""Routes about the second factor of staff: their own, and an owner's help for a lost device."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from shared.contract.problems import INVALID_REQUEST, NOT_FOUND, RATE_LIMITED
from shared.kit.callers import CallerDep, CallerInfo
from shared.kit.people import factors
from shared.kit.people.access import StaffGuard, StaffRead, StaffRuntime, StaffWrite
from shared.kit.people.errors import (
    FOR_EVERY_ROUTE,
    FOR_SOME_ROLES,
    SECOND_FACTOR_ACTIVE,
    SECOND_FACTOR_MISSING,
    SECOND_FACTOR_WRONG,
    WITH_BODY,
    WRONG_PASSWORD,
)
from shared.kit.people.logins import accept_proof, end_sessions, prove_password
from shared.kit.people.members import find_member
from shared.kit.people.own_routes import OwnToken
from shared.kit.people.principals import OWNERS, StaffPrincipal
from shared.kit.people.schemas import (
    EnrolmentOutput,
    FactorCodeInput,
    FactorInput,
    FactorOutput,
    FactorProofInput,
    RecoveryCodesOutput,
)
from shared.kit.people.tables import People
from shared.kit.problems import ProblemError, declare
from shared.kit.runtime import Runtime
from shared.kit.settings import ServiceSettings

_PROOF = (
    *FOR_EVERY_ROUTE,
    *WITH_BODY,
    WRONG_PASSWORD,
    RATE_LIMITED,
    SECOND_FACTOR_WRONG,
    SECOND_FACTOR_MISSING,
)


def factor_routers(people: People, guard: StaffGuard) -> list[APIRouter]:
    """`/me/second-factor` with its verbs, and the reset by an owner."""
    return [
        _state_routes(people, guard),
        _enrolling_routes(people, guard),
        _confirming_routes(people, guard),
        _leaving_routes(people, guard),
        _reset_routes(people, guard),
    ]


def _state_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.get(
        "/me/second-factor", summary="My second factor", responses=declare(*FOR_EVERY_ROUTE)
    )
    async def get_second_factor(
        person: Annotated[StaffPrincipal, Depends(guard.current)],
        runtime: StaffRuntime,
        session: StaffRead,
    ) -> FactorOutput:
        found = await factors.factor_state(session, people, staff_id=person.id)
        return FactorOutput(
            active=found.active,
            wanted=person.role in runtime.settings.second_factor_roles,
            confirmed_at=found.confirmed_at,
            recovery_codes_left=found.recovery_codes_left,
        )

    return router


def _enrolling_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.post(
        "/me/second-factor",
        status_code=201,
        summary="Enrol a device",
        description="Gives the secret, once. Nothing changes before a code of it is confirmed; "
        "asked again, the secret is another one.",
        responses=declare(
            *FOR_EVERY_ROUTE, *WITH_BODY, WRONG_PASSWORD, RATE_LIMITED, SECOND_FACTOR_ACTIVE
        ),
    )
    async def enrol_second_factor(
        body: FactorInput,
        person: Annotated[StaffPrincipal, Depends(guard.current)],
        runtime: StaffRuntime,
        caller: CallerDep,
    ) -> EnrolmentOutput:
        await _prove(runtime, people, person, caller, password=body.password)
        async with runtime.staff.write() as session:
            made = await factors.enrol(session, people, person)
            await accept_proof(session, people, person, caller)
        return EnrolmentOutput(secret=made.secret, uri=made.uri)

    return router


def _confirming_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.post(
        "/me/second-factor/confirm",
        summary="Confirm the device with a code",
        description="From now on each login wants a code. Ends your other sessions. The recovery "
        "codes are shown once: keep them apart from the device.",
        responses=declare(
            *FOR_EVERY_ROUTE,
            *WITH_BODY,
            SECOND_FACTOR_WRONG,
            SECOND_FACTOR_MISSING,
            SECOND_FACTOR_ACTIVE,
        ),
    )
    async def confirm_second_factor(
        body: FactorCodeInput,
        token: OwnToken,
        person: Annotated[StaffPrincipal, Depends(guard.current)],
        session: StaffWrite,
    ) -> RecoveryCodesOutput:
        codes = await factors.confirm(session, people, person, code=body.code)
        await end_sessions(session, people, staff_id=person.id, but=token.credentials)
        return RecoveryCodesOutput(recovery_codes=codes)

    return router


def _leaving_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.post(
        "/me/second-factor/recovery-codes",
        summary="Make new recovery codes",
        description="The old ones count no more.",
        responses=declare(*_PROOF),
    )
    async def renew_recovery_codes(
        body: FactorProofInput,
        person: Annotated[StaffPrincipal, Depends(guard.current)],
        runtime: StaffRuntime,
        caller: CallerDep,
    ) -> RecoveryCodesOutput:
        await _prove(runtime, people, person, caller, password=body.password)
        async with runtime.staff.write() as session:
            await factors.pass_factor(session, people, staff_id=person.id, code=body.code)
            codes = await factors.renew_codes(session, people, person)
            await accept_proof(session, people, person, caller)
        return RecoveryCodesOutput(recovery_codes=codes)

    @router.post(
        "/me/second-factor/disable",
        status_code=204,
        summary="Take the second factor off",
        description="Wants the password and a code. Ends all of your sessions, this one too.",
        responses=declare(*_PROOF),
    )
    async def disable_second_factor(
        body: FactorProofInput,
        person: Annotated[StaffPrincipal, Depends(guard.current)],
        runtime: StaffRuntime,
        caller: CallerDep,
    ) -> None:
        await _prove(runtime, people, person, caller, password=body.password)
        async with runtime.staff.write() as session:
            await factors.pass_factor(session, people, staff_id=person.id, code=body.code)
            await factors.take_off(
                session, people, person, staff_id=person.id, action="staff.second_factor_off"
            )
            await accept_proof(session, people, person, caller)
            await end_sessions(session, people, staff_id=person.id)

    return router


def _reset_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["staff"])

    @router.delete(
        "/staff/{staff_id}/second-factor",
        status_code=204,
        summary="Take a person's second factor off",
        description="Owners only, for who has lost the device and the recovery codes: make sure "
        "who asks for it. Ends the person's sessions.",
        responses=declare(
            *FOR_SOME_ROLES,
            INVALID_REQUEST,
            NOT_FOUND,
            SECOND_FACTOR_MISSING,
            SECOND_FACTOR_ACTIVE,
        ),
    )
    async def reset_second_factor(
        staff_id: UUID,
        owner: Annotated[StaffPrincipal, Depends(guard.having(OWNERS))],
        session: StaffWrite,
    ) -> None:
        if staff_id == owner.id:
            # Whoever holds a stolen session mustn't get rid of it without a code.
            raise ProblemError(SECOND_FACTOR_ACTIVE, "Take your own off with a code of it.")
        await find_member(session, people, staff_id=staff_id)
        await factors.take_off(
            session, people, owner, staff_id=staff_id, action="staff.second_factor_reset"
        )
        await end_sessions(session, people, staff_id=staff_id)

    return router


async def _prove(
    runtime: Runtime[ServiceSettings],
    people: People,
    person: StaffPrincipal,
    caller: CallerInfo,
    *,
    password: str,
) -> None:
    await prove_password(runtime.staff, people, runtime.settings, person, caller, password=password)
