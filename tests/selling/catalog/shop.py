"""A provider's shop for tests: its HTTP application on a real database, staff and partners."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr
from sqlalchemy import text

from selling_service.catalog import routes as catalog_routes
from selling_service.database import TENANT_SETTING, SellingRuntime
from selling_service.ledger import routes as ledger_routes
from selling_service.partners.actions import (
    KeyTerms,
    create_installation,
    create_key,
    create_partner,
)
from selling_service.settings import SellingSettings
from selling_service.staff import routes as staff_routes
from selling_service.staff.actions import create_staff
from shared.contract.basics import BASE_PATH, Scope
from shared.kit.people import Role, Unattended
from shared.kit.runtime import Runtime
from shared.kit.web import create_api
from tests.secret_key import SECRET_KEY

PASSWORD = "correct horse battery"
BIG = {"vms": 100, "vcpu": 1000, "ram_mib": 1_000_000, "disk_gib": 100_000}


class HandClock:
    """Stands still until it is moved on."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass(kw_only=True)
class PartnerCaller:
    """A partner with one key."""

    id: UUID
    http: httpx.AsyncClient


@dataclass(kw_only=True)
class Shop:
    """Everything a test needs."""

    runtime: SellingRuntime
    clock: HandClock
    app: FastAPI
    stack: AsyncExitStack
    staff: dict[Role, httpx.AsyncClient] = field(default_factory=dict)

    async def client(self, token: str, base: str) -> httpx.AsyncClient:
        # An error of ours shall be seen as the 500 that a caller would see.
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return await self.stack.enter_async_context(
            httpx.AsyncClient(
                transport=transport,
                base_url=f"http://shop.test{base}",
                headers={"Authorization": f"Bearer {token}"},
            )
        )

    async def as_staff(self, role: Role) -> httpx.AsyncClient:
        """Return a client logged in with this role."""
        if role not in self.staff:
            email = f"{role}@example.com"
            async with self.runtime.staff.write() as session:
                await create_staff(
                    session,
                    Unattended.CLI,
                    email=email,
                    name="Somebody",
                    role=role,
                    password=PASSWORD,
                )
            anybody = await self.client("", "/admin/v1")
            answer = await anybody.post("/login", json={"email": email, "password": PASSWORD})
            assert answer.status_code == 201, answer.text
            self.staff[role] = await self.client(answer.json()["token"], "/admin/v1")
        return self.staff[role]

    async def new_partner(
        self, name: str = "Hosting A", scopes: Sequence[str] = tuple(Scope)
    ) -> PartnerCaller:
        async with self.runtime.staff.write() as session:
            partner = await create_partner(session, Unattended.CLI, name=name)
            installation = await create_installation(
                session, Unattended.CLI, partner_id=partner.id, name="main"
            )
            _, token = await create_key(
                session,
                Unattended.CLI,
                partner_id=partner.id,
                installation_id=installation.id,
                terms=KeyTerms(name="key", scopes=scopes),
            )
        return PartnerCaller(id=partner.id, http=await self.client(token, BASE_PATH))

    async def query(self, statement: str, **values: object) -> list[Any]:
        """Return the rows of plain SQL, as staff."""
        async with self.runtime.staff.read() as session:
            return list((await session.execute(text(statement), values)).all())

    async def stock_shelves(self, **changes: object) -> dict[str, Any]:
        """Make a data centre with room, an OS template and a tariff; the tariff's answer."""
        operator = await self.as_staff(Role.OPERATOR)
        assert (await operator.post("/data-centers", json=data_center())).status_code == 201
        assert (await operator.post("/os-templates", json=os_template())).status_code == 201
        async with self.runtime.staff.write() as session:
            await session.execute(
                text(
                    "UPDATE platforms SET vms = :vms, vcpu = :vcpu, ram_mib = :ram_mib,"
                    " disk_gib = :disk_gib"
                ),
                BIG,
            )
        answer = await operator.post("/tariffs", json=tariff(**changes))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def offer(self, partner: PartnerCaller, made: dict[str, Any], discount: str) -> None:
        operator = await self.as_staff(Role.OPERATOR)
        answer = await operator.put(
            f"/partners/{partner.id}/offers/{made['id']}", json={"discount_percent": discount}
        )
        assert answer.status_code == 200, answer.text


def data_center(**changes: object) -> dict[str, Any]:
    return {"code": "fra1", "title": "Frankfurt 1", "platform": "simulated"} | changes


def os_template(**changes: object) -> dict[str, Any]:
    return {"code": "debian-12", "title": "Debian 12", "image": "debian-12"} | changes


def version(**changes: object) -> dict[str, Any]:
    return {
        "vcpu": 1,
        "ram_mib": 1024,
        "disk_gib": 10,
        "ipv4": 1,
        "os_templates": ["debian-12"],
        "prices": {
            "month": {"price": "990", "setup_fee": "150"},
            "hour": {"price": "1.388888"},
        },
    } | changes


def tariff(**changes: object) -> dict[str, Any]:
    return version(code="vps-1", title="VPS 1", data_center="fra1") | changes


def _under(prefix: str, routers: Sequence[APIRouter]) -> APIRouter:
    router = APIRouter(prefix=prefix)
    for one in routers:
        router.include_router(one)
    return router


async def _ready() -> dict[str, bool]:
    return {}


@asynccontextmanager
async def open_shop(url: str) -> AsyncIterator[Shop]:
    """Open a shop with empty shelves."""
    settings = SellingSettings(
        database_url=SecretStr(url),
        secret_keys=[SecretStr(SECRET_KEY)],
        session_idle_seconds=12 * 3600,
    )
    clock = HandClock()
    runtime: SellingRuntime = Runtime(settings, tenant_setting=TENANT_SETTING, clock=clock)

    @asynccontextmanager
    async def nothing(_app: FastAPI) -> AsyncIterator[None]:
        yield

    admin = [
        *staff_routes.admin_routers,
        *catalog_routes.admin_routers,
        *ledger_routes.admin_routers,
    ]
    partner = [*catalog_routes.partner_routers, *ledger_routes.partner_routers]
    app = create_api(
        title="Shop",
        description="",
        version="0",
        tags=[],
        routers=[_under("/admin/v1", admin), _under(BASE_PATH, partner)],
        lifespan=nothing,
        ready=_ready,
        max_body_bytes=1_000_000,
    )
    app.state.runtime = runtime
    async with runtime.running(), AsyncExitStack() as stack:
        yield Shop(runtime=runtime, clock=clock, app=app, stack=stack)
