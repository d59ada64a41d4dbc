"""The administration of partners beside a small API for partners, on a fresh database."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import pytest
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import select

from selling_service.partners.models import Installation, Partner
from selling_service.partners.routes import PartnerRead, PartnerWrite, admin_routers, needs
from selling_service.partners.rules import PartnerPrincipal, check_may_manage, check_may_order
from selling_service.staff.routes import admin_routers as staff_routers
from shared.contract.basics import CommandKind, Scope
from tests.kit.people_house import House, run_house

small_api = APIRouter()


@small_api.get("/whoami")
async def whoami(principal: Annotated[PartnerPrincipal, needs()]) -> dict[str, str]:
    return {
        "partner_id": str(principal.partner_id),
        "installation_id": str(principal.installation_id),
        "key_id": str(principal.key_id),
        "state": principal.state,
        "name": principal.name,
    }


@small_api.get("/events")
async def events(_principal: Annotated[PartnerPrincipal, needs(Scope.EVENTS_READ)]) -> JSONResponse:
    return JSONResponse({})


@small_api.post("/suspend")
async def suspend(
    principal: Annotated[PartnerPrincipal, needs(Scope.SERVICES_MANAGE, urgent=True)],
) -> None:
    check_may_manage(principal, CommandKind.SUSPEND)


@small_api.post("/commands/{kind}")
async def command(
    kind: CommandKind, principal: Annotated[PartnerPrincipal, needs(Scope.SERVICES_MANAGE)]
) -> None:
    check_may_manage(principal, kind)


@small_api.post("/order")
async def order(principal: Annotated[PartnerPrincipal, needs(Scope.SERVICES_ORDER)]) -> None:
    check_may_order(principal)


@small_api.get("/visible")
async def visible(
    principal: Annotated[PartnerPrincipal, needs()], session: PartnerRead
) -> dict[str, list[UUID]]:
    """Ask without any WHERE, so that only the policies stand between partners."""
    return {
        "partners": list((await session.scalars(select(Partner.id))).all()),
        "installations": list((await session.scalars(select(Installation.partner_id))).all()),
    }


@small_api.post("/write")
async def write(principal: Annotated[PartnerPrincipal, needs()], session: PartnerWrite) -> str:
    return str(await session.scalar(select(Partner.name)))


@pytest.fixture
async def house(selling_database_url: str) -> AsyncIterator[House]:
    """Run staff, partners and the small API on a fresh database."""
    routers = [*staff_routers, *admin_routers, small_api]
    async with run_house("selling", url=selling_database_url, routers=routers) as running:
        yield running
