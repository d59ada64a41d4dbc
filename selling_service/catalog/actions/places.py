"""Changes data centres and OS templates."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from selling_service.catalog.errors import CODE_TAKEN, unknown
from selling_service.catalog.models import DataCenter, OSTemplateRow, PlatformRow
from selling_service.catalog.schemas import (
    DataCenterChangeInput,
    DataCenterInput,
    OSTemplateChangeInput,
    OSTemplateInput,
)
from selling_service.database import Base
from selling_service.staff.actions import audit
from shared.contract.basics import Input
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import enqueue
from shared.kit.people.principals import Doer
from shared.kit.problems import ProblemError, not_found

REFRESH_CAPACITY = "refresh_capacity"


async def create_data_center(
    session: WriteSession, staff: Doer, wanted: DataCenterInput, *, platforms: Collection[str]
) -> DataCenter:
    """Make a data centre on one of the `platforms`. A new one of them tells its capacity later.

    Raises `code_taken`, `invalid_request` where this installation drives no such platform.
    """
    if wanted.platform not in platforms:
        message = f"This installation drives {', '.join(sorted(platforms))}. See SELLING_PLATFORM."
        raise unknown("platform", message)
    platform = insert(PlatformRow).values(name=wanted.platform)
    await session.execute(platform.on_conflict_do_nothing())
    row = DataCenter(id=new_id(), **wanted.model_dump())
    await insert_by_code(session, row, code=wanted.code)
    await audit(
        session,
        staff,
        "data_center.create",
        object_type="data_center",
        object_id=row.id,
        after=wanted.model_dump(),
    )
    # The worker asks the platform for its capacity; until then nothing fits.
    await enqueue(session, REFRESH_CAPACITY, payload={}, dedupe_key=REFRESH_CAPACITY)
    return row


async def change_data_center(
    session: WriteSession, staff: Doer, data_center_id: UUID, wanted: DataCenterChangeInput
) -> DataCenter:
    """Rename, open or close. What runs there goes on. Raises `not_found`."""
    row = await session.get(DataCenter, data_center_id, with_for_update=True)
    if row is None:
        raise not_found("data centre")
    await change_row(session, staff, row, wanted, object_type="data_center", object_id=row.id)
    return row


async def create_os_template(
    session: WriteSession, staff: Doer, wanted: OSTemplateInput
) -> OSTemplateRow:
    """Make an OS template that tariffs may then offer. Raises `code_taken`."""
    row = OSTemplateRow(**wanted.model_dump())
    await insert_by_code(session, row, code=wanted.code)
    await audit(
        session,
        staff,
        "os_template.create",
        object_type="os_template",
        object_id=row.code,
        after=wanted.model_dump(),
    )
    return row


async def change_os_template(
    session: WriteSession, staff: Doer, code: str, wanted: OSTemplateChangeInput
) -> OSTemplateRow:
    """Rename, or point at another image for orders to come. Raises `not_found`."""
    statement = select(OSTemplateRow).where(OSTemplateRow.code == code).with_for_update()
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        raise not_found("OS template")
    await change_row(session, staff, row, wanted, object_type="os_template", object_id=row.code)
    return row


async def insert_by_code(session: WriteSession, row: Base, *, code: str) -> None:
    """Insert a row whose code must be new. Raises `code_taken`."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        detail = f"The code {code} is in use. Choose another one, or change what has it."
        raise ProblemError(CODE_TAKEN, detail) from error


async def change_row(
    session: WriteSession,
    staff: Doer,
    row: Base,
    wanted: Input,
    *,
    object_type: str,
    object_id: UUID | str,
) -> None:
    """Set what is wanted and differs, and say so in the audit."""
    changed = {
        name: value
        for name, value in wanted.model_dump(exclude_none=True).items()
        if getattr(row, name) != value
    }
    if not changed:
        return
    before = {name: getattr(row, name) for name in changed}
    for name, value in changed.items():
        setattr(row, name, value)
    await session.flush()
    await audit(
        session,
        staff,
        f"{object_type}.change",
        object_type=object_type,
        object_id=object_id,
        before=before,
        after=changed,
    )
