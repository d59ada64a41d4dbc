"""What must still be so when the desk decides: differences were seen some time ago."""

from uuid import UUID

from reselling_service.commands.models import Command
from reselling_service.commands.rules import CommandStatus
from reselling_service.reconciliation import queries
from reselling_service.services import queries as services
from reselling_service.services.models import Service
from reselling_service.services.rules import LIVE, Life
from shared.kit.db import WriteSession
from shared.kit.problems import ProblemError
from shared.kit.reconciling import DifferenceColumns
from shared.kit.reconciling.errors import NOT_DECIDABLE


async def lock_service(session: WriteSession, row: DifferenceColumns) -> Service:
    """The service that a difference is about, held until the transaction ends."""
    service = await services.lock_by_id(session, service_id=UUID(row.refs["service"]))
    if service is None:
        raise ProblemError(NOT_DECIDABLE, "The service is gone. Compare again.")
    return service


async def lock_idle(session: WriteSession, row: DifferenceColumns) -> Service:
    """Likewise, where no command of it is under way, by which the difference may go."""
    service = await lock_service(session, row)
    if (await services.find_open_commands(session, [service]))[service.id]:
        detail = "A command of this service is under way. Wait for its end, and compare again."
        raise ProblemError(NOT_DECIDABLE, detail)
    return service


async def lock_lost(session: WriteSession, row: DifferenceColumns) -> Service:
    """Likewise, where nothing was heard of it since the seller didn't know it."""
    service = await lock_idle(session, row)
    if service.heard_at is not None and service.heard_at > row.last_seen_at:
        raise ProblemError(NOT_DECIDABLE, "The seller has spoken of it since. Compare again.")
    return service


async def lock_drifting(session: WriteSession, row: DifferenceColumns) -> Service:
    """Likewise, where it still isn't as it is wanted."""
    service = await lock_idle(session, row)
    if not await queries.is_drifting(session, service.seller_id, service_id=service.id):
        raise ProblemError(NOT_DECIDABLE, "It is as wanted by now. Compare again.")
    return service


async def lock_living(session: WriteSession, row: DifferenceColumns) -> Service:
    """Likewise, of a cancelled order, where it still lives at the seller."""
    service = await lock_idle(session, row)
    if service.wanted_life != Life.CANCELLED or service.heard_state not in LIVE:
        raise ProblemError(NOT_DECIDABLE, "It doesn't live there any more. Compare again.")
    return service


async def check_unrepeated(session: WriteSession, command: Command | None) -> None:
    """Raise `not_decidable` where what the seller had forgotten was sent again, and succeeded."""
    repeat = await queries.find_repeat(session, command) if command is not None else None
    if repeat is not None and repeat.state == CommandStatus.SUCCEEDED:
        detail = "It was sent again, and the seller has carried it out. Compare again."
        raise ProblemError(NOT_DECIDABLE, detail)
