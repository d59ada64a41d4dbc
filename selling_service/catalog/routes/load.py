"""The route that loads a whole catalogue."""

from fastapi import APIRouter

from selling_service.catalog.actions import load_catalogue
from selling_service.catalog.errors import CODE_TAKEN, EFFECTIVE_TOO_EARLY
from selling_service.catalog.schemas import CatalogueDocument, LoadOutput
from selling_service.database import RuntimeDep
from selling_service.staff.routes import OperatorStaff
from shared.contract.problems import NOT_FOUND
from shared.kit.people.access import StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES, WITH_BODY
from shared.kit.problems import declare

router = APIRouter(tags=["catalogue"])


@router.post(
    "/catalogue/load",
    summary="Load a whole catalogue",
    description="Makes or changes what the document names, by code, and leaves the rest. All or "
    "nothing; loading the same again changes nothing. A tariff that sells something else than its "
    "latest version gets another one. `stock` counts for new tariffs only.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, CODE_TAKEN, EFFECTIVE_TOO_EARLY),
)
async def post_catalogue(
    body: CatalogueDocument, staff: OperatorStaff, session: StaffWrite, runtime: RuntimeDep
) -> LoadOutput:
    """Answer with what was done."""
    platforms = runtime.settings.platforms
    return await load_catalogue(session, body, platforms=platforms, staff=staff)
