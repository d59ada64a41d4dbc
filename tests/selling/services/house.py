"""A provider's house for tests: real database, real worker, the simulated platform, one clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select, text

from selling_service.catalog.models import (
    DataCenter,
    Offer,
    OSTemplateRow,
    PlatformRow,
    Tariff,
    TariffPriceRow,
    TariffVersion,
)
from selling_service.database import TENANT_SETTING, SellingRuntime
from selling_service.desk import routes as desk_routes
from selling_service.ledger.models import BOOKS, Balance
from selling_service.partners.models import Installation, Partner, PartnerKey
from selling_service.provisioning.drivers.opening import open_platforms
from selling_service.provisioning.drivers.simulated import Behaviour, SimulatedPlatform
from selling_service.provisioning.platform import Platforms
from selling_service.services.routes import admin_routers, partner_routers
from selling_service.services.tasks import tasks
from selling_service.settings import SellingSettings
from selling_service.staff.actions import create_staff
from selling_service.staff.routes import admin_routers as people
from shared.contract.basics import Scope
from shared.kit.bookkeeping import Posting
from shared.kit.ids import new_id
from shared.kit.jobs import Worker
from shared.kit.keys import make_key
from shared.kit.people import Role, Unattended
from shared.kit.problems import install_problem_handlers
from shared.kit.runtime import Runtime
from shared.kit.web import Edge
from tests.secret_key import SECRET_KEY

ALL_SCOPES = [scope.value for scope in Scope]


class HandClock:
    """Stands still until it is moved on."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """The time it was set to."""
        return self.time

    def advance(self, **by: float) -> None:
        """Move on."""
        self.time += timedelta(**by)


@dataclass(kw_only=True)
class Caller:
    """A partner with one key."""

    id: UUID
    installation_id: UUID
    http: httpx.AsyncClient

    async def send(
        self, path: str, body: dict[str, Any], *, key: UUID | None = None
    ) -> httpx.Response:
        """POST a command under a key of its own, or under this one."""
        headers = {"Idempotency-Key": str(key or uuid4())}
        return await self.http.post(path, json=body, headers=headers)

    async def operation(self, answer: httpx.Response) -> dict[str, Any]:
        """The operation that an answer points at, as it is now."""
        found = await self.http.get(answer.headers["Location"].removeprefix("/partner/v1"))
        assert found.status_code == 200, found.text
        operation: dict[str, Any] = found.json()
        return operation

    async def service(self, ref: UUID | str) -> dict[str, Any]:
        """The service as this partner sees it."""
        answer = await self.http.get(f"/services/{ref}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@dataclass(kw_only=True)
class House:
    """Everything a test needs of the selling side."""

    runtime: SellingRuntime
    clock: HandClock
    platforms: Platforms
    app: FastAPI
    tariff_id: UUID
    tariff: dict[str, Any] = field(default_factory=dict)

    @property
    def platform(self) -> SimulatedPlatform:
        """The simulated platform."""
        found = self.platforms["simulated"]
        assert isinstance(found, SimulatedPlatform)
        return found

    def order(self, **changes: Any) -> dict[str, Any]:
        """The body of an order; options may be changed by name."""
        options = {"os": "debian-12", "hostname": "web-1.example.com"}
        body = {
            "service_ref": str(uuid4()),
            "client_ref": str(uuid4()),
            "tariff_id": str(self.tariff_id),
            "tariff_version": 1,
            "period": "month",
            "options": options | changes.pop("options", {}),
            "max_price": {"amount": 100_000, "currency": "EUR"},
        }
        return body | changes

    async def as_staff(self, role: Role = Role.OPERATOR) -> httpx.AsyncClient:
        """A client of somebody of the provider's, logged in."""
        person = {"email": f"{role}-{uuid4()}@example.com", "password": "correct horse battery"}
        async with self.runtime.staff.write() as session:
            await create_staff(session, Unattended.CLI, name="Somebody", role=role, **person)
        transport = httpx.ASGITransport(self.app)
        desk = httpx.AsyncClient(transport=transport, base_url="http://seller.test/admin/v1")
        answer = await desk.post("/login", json=person)
        assert answer.status_code == 201, answer.text
        desk.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return desk

    async def balance(self, partner_id: UUID) -> Balance:
        """The partner's balance row."""
        async with self.runtime.staff.read() as session:
            return await BOOKS.balance(session, owner=partner_id)

    async def count(self, table: str, condition: str = "true") -> int:
        """How many rows of a table fulfil a condition."""
        async with self.runtime.staff.read() as session:
            statement = text(f"SELECT count(*) FROM {table} WHERE {condition}")  # noqa: S608
            return int((await session.execute(statement)).scalar_one())

    async def events(self, partner_id: UUID) -> list[tuple[int, str]]:
        """Numbers and types of a partner's feed."""
        async with self.runtime.staff.read() as session:
            rows = await session.execute(
                text("SELECT number, type FROM events WHERE partner_id = :id ORDER BY number"),
                {"id": partner_id},
            )
            return [(row.number, row.type) for row in rows]

    async def new_partner(
        self, *, money: int = 1_000_000, scopes: list[str] | None = None, state: str = "active"
    ) -> Caller:
        """A partner with money, an offer and a key."""
        key = make_key("tps")
        now = self.clock.now()
        partner_id, installation_id = new_id(), new_id()
        async with self.runtime.staff.write() as session:
            session.add(
                Partner(id=partner_id, name=f"Hosting {partner_id}", state=state, created_at=now)
            )
            await session.flush()
            session.add(
                Installation(id=installation_id, partner_id=partner_id, name="main", created_at=now)
            )
            await session.flush()
            session.add(
                PartnerKey(
                    id=key.id,
                    partner_id=partner_id,
                    installation_id=installation_id,
                    name="test",
                    secret_hash=key.secret_hash,
                    scopes=ALL_SCOPES if scopes is None else scopes,
                    allowed_networks=[],
                    created_at=now,
                )
            )
            session.add(
                Offer(
                    partner_id=partner_id,
                    tariff_id=self.tariff_id,
                    discount_percent=Decimal(10),
                    created_at=now,
                )
            )
            await BOOKS.open_balance(session, owner=partner_id, currency="EUR")
            if money:
                posting = Posting(kind="top_up", text="Top-up", reference=new_id())
                await BOOKS.top_up(session, owner=partner_id, amount=money, posting=posting)
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://seller.test/partner/v1",
            headers={"Authorization": f"Bearer {key.token}"},
        )
        return Caller(id=partner_id, installation_id=installation_id, http=http)

    @asynccontextmanager
    async def working(self, *, workers: int = 1) -> AsyncIterator[None]:
        """Workers run while the block does."""
        crew = [
            Worker(self.runtime.app, tasks=tasks(self.runtime, self.platforms))
            for _ in range(workers)
        ]
        running = [asyncio.create_task(worker.run()) for worker in crew]
        try:
            yield
        finally:
            for worker in crew:
                worker.stop()
            await asyncio.gather(*running)

    async def settle(self, partner_id: UUID) -> None:
        """Work until no operation of the partner is open."""
        async with self.working():
            await self.wait(partner_id)

    async def wait(self, partner_id: UUID) -> None:
        """Wait until no operation of the partner is open and no due job is left."""
        open_now = f"partner_id = '{partner_id}' AND finished_at IS NULL"

        async def quiet() -> bool:
            due = f"run_at <= '{self.clock.now().isoformat()}' AND state <> 'dead'"
            return not await self.count("operations", open_now) and not await self.count(
                "jobs", due
            )

        await wait_until(quiet)


async def wait_until(
    condition: Callable[[], Any], *, seconds: float = 20, every: float = 0.02
) -> None:
    """Wait for something that will come about; fail where it doesn't."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(every)


@asynccontextmanager
async def open_house(url: str, **settings: Any) -> AsyncIterator[House]:
    """A house on this database, with one tariff `small` in data centre `dc1`."""
    clock = HandClock()
    runtime: SellingRuntime = Runtime(
        SellingSettings(
            database_url=SecretStr(url), secret_keys=[SecretStr(SECRET_KEY)], **settings
        ),
        tenant_setting=TENANT_SETTING,
        clock=clock,
    )
    async with runtime.running(), open_platforms(runtime) as platforms:
        platform = platforms["simulated"]
        assert isinstance(platform, SimulatedPlatform)
        await platform.set_behaviour(Behaviour())
        app = FastAPI()
        app.state.runtime = runtime
        install_problem_handlers(app)
        app.add_middleware(Edge, max_body_bytes=2**20)
        for router in (*partner_routers, *desk_routes.partner_routers):
            app.include_router(router, prefix="/partner/v1")
        for router in (*people, *admin_routers, *desk_routes.admin_routers):
            app.include_router(router, prefix="/admin/v1")
        tariff_id = await _stock_the_shelves(runtime)
        yield House(runtime=runtime, clock=clock, platforms=platforms, app=app, tariff_id=tariff_id)


async def _stock_the_shelves(runtime: SellingRuntime) -> UUID:
    now = runtime.clock.now()
    center_id, tariff_id, version_id = new_id(), new_id(), new_id()
    platform = PlatformRow(name="simulated", vms=1000, vcpu=4000)
    platform.ram_mib, platform.disk_gib = 4_000_000, 100_000
    center = DataCenter(id=center_id, code="dc1", title="Data centre 1", platform="simulated")
    tariff = Tariff(id=tariff_id, code="small", title="Small VM", data_center_id=center_id)
    tariff.withdrawn, tariff.created_at = False, now
    version = TariffVersion(
        id=version_id, tariff_id=tariff_id, number=1, os_templates=["debian-12"]
    )
    version.vcpu, version.ram_mib, version.disk_gib, version.ipv4 = 1, 512, 10, 1
    version.effective_from = version.created_at = now
    template = OSTemplateRow(code="debian-12", title="Debian 12", image="tandem-guest")
    async with runtime.staff.write() as session:
        session.add_all([platform, template])
        await session.flush()
        session.add(center)
        await session.flush()
        session.add(tariff)
        await session.flush()
        session.add(version)
        await session.flush()
        for period, price in (("hour", "1.5"), ("month", "1000"), ("year", "10000")):
            row = TariffPriceRow(version_id=version_id, period=period, price=Decimal(price))
            row.setup_fee = Decimal(200)
            session.add(row)
    return tariff_id


async def vm_of(house: House, partner: Caller, service_ref: str) -> Any:
    """What the platform says of the VM of a service."""
    async with house.runtime.staff.read() as session:
        row = (
            await session.execute(
                text("SELECT id, account_id FROM services WHERE service_ref = :ref"),
                {"ref": service_ref},
            )
        ).one()
    return await house.platform.get_vm(owner_id=row.account_id, vm_id=row.id)


__all__ = ["Caller", "House", "open_house", "select", "vm_of", "wait_until"]
