"""Repairs that may be made without asking: they stop what must not run, or only write down."""

from uuid import UUID

from selling_service.reconciliation.rules import Kind
from selling_service.services import queries
from selling_service.services.actions.aftermath import align_later
from shared.kit.db import WriteSession
from shared.kit.reconciling import Finding


async def repair(session: WriteSession, finding: Finding) -> bool:
    """Begin a safe repair; true where it is done thereby, and not only under way."""
    service_id = UUID(str(finding.refs["service"]))
    service = await queries.find_service(session, None, service_id=service_id, lock=True)
    if service is None:
        return False
    if finding.kind == Kind.FENCE_BEHIND:
        # The alignments and operations that follow must not be taken for overtaken ones.
        service.fence = max(service.fence, int(finding.evidence["platform"]["fence"]))
        await session.flush()
        return True
    await align_later(session, service)
    return False
