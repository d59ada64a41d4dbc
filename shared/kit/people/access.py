"""Turns a session's token into a person, and refuses those whose role isn't enough."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.contract.problems import UNAUTHORIZED
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people.errors import ROLE_REQUIRED, SECOND_FACTOR_ENROLMENT
from shared.kit.people.logins import find_present, sessions_of
from shared.kit.people.principals import Role, StaffPrincipal
from shared.kit.people.sessions import is_stale
from shared.kit.people.tables import People
from shared.kit.problems import ProblemError
from shared.kit.runtime import Runtime
from shared.kit.settings import ServiceSettings

staff_bearer = HTTPBearer(
    scheme_name="staff_session",
    description="The token of a login of the staff: `POST …/login` gives one.",
    auto_error=False,
)
BearerToken = Annotated[HTTPAuthorizationCredentials | None, Depends(staff_bearer)]


def staff_runtime(request: Request) -> Runtime[ServiceSettings]:
    """The runtime of this process, of whichever service."""
    runtime: Runtime[ServiceSettings] = request.app.state.runtime
    return runtime


async def _read(request: Request) -> AsyncIterator[ReadSession]:
    async with staff_runtime(request).staff.read() as session:
        yield session


async def _write(request: Request) -> AsyncIterator[WriteSession]:
    async with staff_runtime(request).staff.write() as session:
        yield session


StaffRuntime = Annotated[Runtime[ServiceSettings], Depends(staff_runtime)]
# The scope makes the commit happen before the answer is sent.
StaffRead = Annotated[ReadSession, Depends(_read, scope="function")]
StaffWrite = Annotated[WriteSession, Depends(_write, scope="function")]


class StaffGuard:
    """Dependencies of one service's routes: who is asking, and whether the role is enough."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def current(self, request: Request, credentials: BearerToken) -> StaffPrincipal:
        """Anybody of the staff, also who has yet to enrol. Raises `unauthorized`."""
        if credentials is not None:
            runtime, token = staff_runtime(request), credentials.credentials
            async with runtime.staff.read() as session:
                found = await find_present(session, self._people, runtime.settings, token=token)
            if found is not None:
                if is_stale(found.seen_at, now=runtime.clock.now()):
                    async with runtime.staff.write() as session:
                        await sessions_of(self._people).see(session, token=token)
                return found.person
        detail = "Log in and send the session's token as `Authorization: Bearer <token>`."
        raise ProblemError(UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})

    def having(self, roles: frozenset[Role]) -> Callable[..., Awaitable[StaffPrincipal]]:
        """A dependency that gives the person where their role is one of these.

        It raises `unauthorized`, `role_required`, `second_factor_enrolment`.
        """

        async def allowed(
            person: Annotated[StaffPrincipal, Depends(self.current)], runtime: StaffRuntime
        ) -> StaffPrincipal:
            if person.role in runtime.settings.second_factor_roles and not person.second_factor:
                detail = "Enrol a device at `…/me/second-factor`, and confirm it with a code."
                raise ProblemError(SECOND_FACTOR_ENROLMENT, detail)
            if person.role not in roles:
                wanted = ", ".join(sorted(roles))
                detail = f"You are {person.role}; this is for {wanted}."
                raise ProblemError(ROLE_REQUIRED, detail)
            return person

        return allowed
