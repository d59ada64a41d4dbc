"""HTTP of clients."""

from fastapi import Request

from reselling_service.clients import queries
from reselling_service.database import get_runtime
from shared.kit.keys import hash_secret
from shared.kit.principals import ClientId


async def resolve_client(request: Request, token: str) -> ClientId | None:
    """Whose session this token is; `main` sets it as `app.state.resolve_client`."""
    async with get_runtime(request).app.read() as session:
        return await queries.find_session(session, token_hash=hash_secret(token))
