"""Names of a service: the host name inside the VM, and the display name that stays at home."""

from reselling_service.services import queries
from reselling_service.services.actions.sending import require_built, send
from reselling_service.services.errors import UNDER_WAY
from reselling_service.services.models import Service
from reselling_service.services.rules import Asker, Group
from shared.contract.basics import CommandKind
from shared.contract.services import RenameRequest
from shared.kit.db import WriteSession
from shared.kit.problems import ProblemError


async def rename(session: WriteSession, service: Service, asker: Asker, *, hostname: str) -> None:
    """Want another host name for a locked service. Raises `under_way` while one is pending."""
    require_built(service)
    if session.vault.decrypt_text(service.hostname) == hostname:
        return
    under_way, _last = await queries.find_group(session, service, Group.NAME)
    if under_way:
        detail = "Another change of the host name is under way. Try again when it is done."
        raise ProblemError(UNDER_WAY, detail)
    service.hostname_before = service.hostname
    service.hostname = session.vault.encrypt_text(hostname)
    await send(session, service, CommandKind.RENAME, RenameRequest(hostname=hostname), asker=asker)


def set_name(service: Service, *, name: str) -> None:
    """Another display name; no seller hears of it."""
    service.name = name
