"""Who is asking: the client of a reseller as an opaque id, resolved by whoever knows clients."""

from collections.abc import Awaitable, Callable
from typing import Annotated, NewType
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.contract.problems import UNAUTHORIZED
from shared.kit.problems import ProblemError

ClientId = NewType("ClientId", UUID)
ClientResolver = Callable[[Request, str], Awaitable[ClientId | None]]

client_bearer = HTTPBearer(
    scheme_name="client_session", description="The token of a client's login.", auto_error=False
)


async def current_client(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(client_bearer)],
) -> ClientId:
    """The client of this session. The application sets `app.state.resolve_client` at its start."""
    if credentials is not None:
        resolve: ClientResolver = request.app.state.resolve_client
        client_id = await resolve(request, credentials.credentials)
        if client_id is not None:
            return client_id
    detail = "Log in and send the session's token as `Authorization: Bearer <token>`."
    raise ProblemError(UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


CurrentClient = Annotated[ClientId, Depends(current_client)]
