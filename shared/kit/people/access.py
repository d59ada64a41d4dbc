"""Turns a session's token into a person, and refuses those whose role isn't enough."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.contract.problems import UNAUTHORIZED
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people.errors import ROLE_REQUIRED
from shared.kit.people.logins import find_principal
from shared.kit.people.principals import Role, StaffPrincipal
from shared.kit.people.tables import People
from shared.kit.problems import ProblemError
from shared.kit.runtime import Runtime
from shared.kit.settings import ServiceSettings

_bearer = HTTPBearer(
    scheme_name="staff_session",
    description="The token of a login of the staff: `POST …/login` gives one.",
    auto_error=False,
)
BearerToken = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


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
StaffRead = Annotated[ReadSession, Depends(_read, scope="function")]
StaffWrite = Annotated[WriteSession, Depends(_write, scope="function")]


class StaffGuard:
    """Dependencies of one service's routes: who is asking, and whether the role is enough."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def current(self, request: Request, credentials: BearerToken) -> StaffPrincipal:
        """Anybody of the staff. Raises `unauthorized`."""
        if credentials is not None:
            async with staff_runtime(request).staff.read() as session:
                found = await find_principal(session, self._people, token=credentials.credentials)
            if found is not None:
                return found
        detail = "Log in and send the session's token as `Authorization: Bearer <token>`."
        raise ProblemError(UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})

    def having(
        self, roles: frozenset[Role]
    ) -> Callable[[StaffPrincipal], Awaitable[StaffPrincipal]]:
        """A dependency that gives the person where their role is one of these.

        It raises `unauthorized`, `role_required`.
        """

        async def allowed(
            person: Annotated[StaffPrincipal, Depends(self.current)],
        ) -> StaffPrincipal:
            if person.role not in roles:
                wanted = ", ".join(sorted(roles))
                detail = f"You are {person.role}; this is for {wanted}."
                raise ProblemError(ROLE_REQUIRED, detail)
            return person

        return allowed
