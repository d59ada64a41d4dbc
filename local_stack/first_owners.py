"""Makes the first owner of a service where it has no staff yet; knows no other way in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select

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
Login = tuple[str, str]
_OTHER_SETTINGS = ("SECRET_KEYS", "SANDBOX", "ALLOW_POWERFUL_LOGIN")


def make_first_owner(
    service: str, environment: Mapping[str, str], *, login: Callable[[], Login]
) -> None:
    """Make the first owner of `selling` or `reselling` where there is nobody yet.

    The service's variables come from `environment`; only then `login` is asked for e-mail and
    password.
    """
    wanted = ("DATABASE_URL", "APP_DATABASE_URL", "STAFF_DATABASE_URL", *_OTHER_SETTINGS)
    known = {
        name.lower(): environment[f"{service.upper()}_{name}"]
        for name in wanted
        if environment.get(f"{service.upper()}_{name}")
    }
    asyncio.run(_SERVICES[service](known, login))


async def _selling(known: Mapping[str, str], login: Callable[[], Login]) -> None:
    settings = SellingSettings.model_validate(known)
    runtime = selling.SellingRuntime(settings, tenant_setting=selling.TENANT_SETTING)
    await _make(runtime, people=SELLING_PEOPLE, create=create_selling_staff, login=login)


async def _reselling(known: Mapping[str, str], login: Callable[[], Login]) -> None:
    settings = ResellingSettings.model_validate(known)
    runtime = reselling.ResellingRuntime(settings, tenant_setting=reselling.TENANT_SETTING)
    await _make(runtime, people=RESELLING_PEOPLE, create=create_reselling_staff, login=login)


_SERVICES = {"selling": _selling, "reselling": _reselling}


async def _make(
    runtime: Runtime[Any], *, people: People, create: CreateStaff, login: Callable[[], Login]
) -> None:
    async with runtime.running():
        async with runtime.staff.read() as session:
            if await session.scalar(select(exists().where(people.staff.id.is_not(None)))):
                return
        email, password = login()
        async with runtime.staff.write() as session:
            await create(
                session,
                Unattended.CLI,
                email=email,
                name="First owner",
                role=Role.OWNER,
                password=password,
            )
