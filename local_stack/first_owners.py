"""Makes the first owner of each service where it has no staff yet; knows no other way in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select

from local_stack.home import Home
from reselling_service import database as reselling
from reselling_service.settings import ResellingSettings
from reselling_service.staff.actions import create_staff as create_reselling_staff
from reselling_service.staff.models import PEOPLE as RESELLING_PEOPLE
from selling_service import database as selling
from selling_service.settings import SellingSettings
from selling_service.staff.actions import create_staff as create_selling_staff
from selling_service.staff.models import PEOPLE as SELLING_PEOPLE
from shared.kit.people import People, Role, Unattended
from shared.kit.runtime import Runtime

CreateStaff = Callable[..., Awaitable[UUID]]


def make_first_owners(home: Home) -> None:
    """Make both where they are missing; the services' variables must be in our environment."""
    asyncio.run(_make_both(home))


async def _make_both(home: Home) -> None:
    await _make(
        home,
        "selling",
        selling.SellingRuntime(SellingSettings(), tenant_setting=selling.TENANT_SETTING),
        people=SELLING_PEOPLE,
        create=create_selling_staff,
    )
    await _make(
        home,
        "reselling",
        reselling.ResellingRuntime(ResellingSettings(), tenant_setting=reselling.TENANT_SETTING),
        people=RESELLING_PEOPLE,
        create=create_reselling_staff,
    )


async def _make(
    home: Home, service: str, runtime: Runtime[Any], *, people: People, create: CreateStaff
) -> None:
    async with runtime.running():
        async with runtime.staff.read() as session:
            if await session.scalar(select(exists().where(people.staff.id.is_not(None)))):
                return
        email, password = home.first_password(service)
        async with runtime.staff.write() as session:
            await create(
                session,
                Unattended.CLI,
                email=email,
                name="First owner",
                role=Role.OWNER,
                password=password,
            )
