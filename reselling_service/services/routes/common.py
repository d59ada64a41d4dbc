"""What the routes of clients and of staff have in common."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import Path

from reselling_service.services import actions
from reselling_service.services.errors import (
    NOT_IN_THIS_STATE,
    NOT_YOURS_TO_RESTORE,
    PAID_UNTIL_MOVED,
    RENEWAL_NEEDED,
)
from reselling_service.services.models import Service
from reselling_service.services.rules import Asker
from reselling_service.services.schemas import (
    ServiceChange,
)
from shared.contract.problems import (
    INSUFFICIENT_BALANCE,
    INVALID_REQUEST,
    NOT_FOUND,
    PARKED,
)
from shared.kit.db import WriteSession
from shared.kit.people.errors import FOR_EVERY_ROUTE, WITH_BODY

ServiceId = Annotated[UUID, Path(description="Id of the service.")]
Wish = Callable[[Service, Asker], Awaitable[None]]
ONE = (*FOR_EVERY_ROUTE, NOT_FOUND, INVALID_REQUEST)
WISH = (*ONE, *WITH_BODY, NOT_IN_THIS_STATE, PARKED)
RESTORES = (NOT_YOURS_TO_RESTORE, RENEWAL_NEEDED, INSUFFICIENT_BALANCE)
RENEWS = (PAID_UNTIL_MOVED, INSUFFICIENT_BALANCE)


def changing(session: WriteSession, change: ServiceChange) -> Wish:
    """A wish about what stays at home."""

    async def wish(service: Service, _asker: Asker) -> None:
        if change.name is not None:
            actions.set_name(service, name=change.name)
        if change.auto_renew is not None:
            await actions.set_auto_renew(session, service, wanted=change.auto_renew)
        await session.flush()

    return wish
