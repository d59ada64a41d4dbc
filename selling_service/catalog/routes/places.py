"""Routes of data centres and OS templates."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from selling_service.catalog.actions import (
    change_data_center,
    change_os_template,
    create_data_center,
    create_os_template,
)
from selling_service.catalog.errors import CODE_TAKEN
from selling_service.catalog.models import DataCenter, OSTemplateRow, PlatformRow
from selling_service.catalog.queries import list_os_templates, list_places, room_of
from selling_service.catalog.schemas import (
    Code,
    DataCenterChangeInput,
    DataCenterInput,
    DataCenterOutput,
    OSTemplateChangeInput,
    OSTemplateInput,
    OSTemplateOutput,
    Room,
)
from selling_service.database import RuntimeDep
from selling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.problems import NOT_FOUND
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_EVERY_ROUTE, FOR_SOME_ROLES, WITH_BODY
from shared.kit.problems import declare

router = APIRouter(tags=["catalogue"])


@router.get(
    "/data-centers",
    summary="List data centres",
    description="All of them, with the room that their platforms have and that services take.",
    responses=declare(*FOR_EVERY_ROUTE),
)
async def get_data_centers(_staff: AnyStaff, session: StaffRead) -> list[DataCenterOutput]:
    """Answer with all of them."""
    return [_data_center(row, room) for row, room in await list_places(session)]


@router.post(
    "/data-centers",
    status_code=201,
    summary="Add a data centre",
    description="It shares the room of its platform with others there; a new platform has none "
    "until it was asked for the first time. Which platforms there are, the settings say.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, CODE_TAKEN),
)
async def post_data_center(
    body: DataCenterInput, staff: OperatorStaff, session: StaffWrite, runtime: RuntimeDep
) -> DataCenterOutput:
    """Answer with the new data centre."""
    platforms = runtime.settings.platforms
    row = await create_data_center(session, staff, body, platforms=platforms)
    return _data_center(row, await room_of(session, row))


@router.patch(
    "/data-centers/{data_center_id}",
    summary="Rename, open or close a data centre",
    description="A closed one takes no new services; what runs there goes on.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND),
)
async def patch_data_center(
    data_center_id: UUID, body: DataCenterChangeInput, staff: OperatorStaff, session: StaffWrite
) -> DataCenterOutput:
    """Answer with the data centre as changed."""
    row = await change_data_center(session, staff, data_center_id, body)
    return _data_center(row, await room_of(session, row))


@router.get(
    "/os-templates",
    summary="List OS templates",
    description="All of them, by code.",
    responses=declare(*FOR_EVERY_ROUTE),
)
async def get_os_templates(_staff: AnyStaff, session: StaffRead) -> list[OSTemplateOutput]:
    """Answer with all of them."""
    return [_os_template(row) for row in await list_os_templates(session)]


@router.post(
    "/os-templates",
    status_code=201,
    summary="Add an OS template",
    description="Versions of tariffs may offer it from then on.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, CODE_TAKEN),
)
async def post_os_template(
    body: OSTemplateInput, staff: OperatorStaff, session: StaffWrite
) -> OSTemplateOutput:
    """Answer with the new OS template."""
    return _os_template(await create_os_template(session, staff, body))


@router.patch(
    "/os-templates/{code}",
    summary="Rename an OS template, or point it at another image",
    description="Concerns orders to come; VMs that exist stay as they are.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND),
)
async def patch_os_template(
    code: Annotated[Code, Path()],
    body: OSTemplateChangeInput,
    staff: OperatorStaff,
    session: StaffWrite,
) -> OSTemplateOutput:
    """Answer with the OS template as changed."""
    return _os_template(await change_os_template(session, staff, code, body))


def _data_center(row: DataCenter, room: PlatformRow) -> DataCenterOutput:
    return DataCenterOutput(
        id=row.id,
        code=row.code,
        title=row.title,
        platform=row.platform,
        open=row.open,
        vms=Room(total=room.vms, used=room.vms_used),
        vcpu=Room(total=room.vcpu, used=room.vcpu_used),
        ram_mib=Room(total=room.ram_mib, used=room.ram_mib_used),
        disk_gib=Room(total=room.disk_gib, used=room.disk_gib_used),
        capabilities=None if room.capabilities is None else [*room.capabilities],
        refreshed_at=room.refreshed_at,
    )


def _os_template(row: OSTemplateRow) -> OSTemplateOutput:
    return OSTemplateOutput(code=row.code, title=row.title, image=row.image)
