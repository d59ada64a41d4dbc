"""A service with its staff's routes only, on a real database, with a clock that tests move."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr

from reselling_service.database import TENANT_SETTING as CLIENT_SETTING
from reselling_service.settings import ResellingSettings
from reselling_service.staff.models import PEOPLE as RESELLING_PEOPLE
from reselling_service.staff.routes import staff_routers
from selling_service.database import TENANT_SETTING as PARTNER_SETTING
from selling_service.settings import SellingSettings
from selling_service.staff.models import PEOPLE as SELLING_PEOPLE
from selling_service.staff.routes import admin_routers
from shared.kit.clock import Clock
from shared.kit.people import People, Role, Unattended, create_member
from shared.kit.runtime import Runtime
from shared.kit.settings import ServiceSettings
from shared.kit.web import create_api
from tests.secret_key import SECRET_KEY

PASSWORD = "a long enough password"
BASE = "/house/v1"
STAFF_ROUTERS = {"selling": admin_routers, "reselling": staff_routers}


@dataclass(slots=True)
class MovableClock:
    """Stands still until it is moved."""

    time: datetime = field(default=datetime(2030, 1, 1, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time

    def advance(self, by: timedelta) -> None:
        self.time += by


@dataclass(slots=True, kw_only=True)
class House:
    """A running service: its application, its runtime, its people, and how to talk to it."""

    app: FastAPI
    runtime: Runtime[ServiceSettings]
    people: People
    clock: MovableClock

    def client(self, token: str | None = None, *, address: str = "192.0.2.1") -> AsyncClient:
        """Make a client with this bearer token, coming from this address."""
        transport = ASGITransport(self.app, client=(address, 1), raise_app_exceptions=False)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return AsyncClient(transport=transport, base_url="http://house.test", headers=headers)

    async def hire(self, role: Role, *, email: str | None = None) -> str:
        """Make a person of this role and return their e-mail address."""
        email = email or f"{role}@example.com"
        async with self.runtime.staff.write() as session:
            await create_member(
                session,
                self.people,
                Unattended.CLI,
                email=email,
                name=email,
                role=role,
                password=PASSWORD,
            )
        return email

    async def log_in(self, email: str, *, password: str = PASSWORD) -> str:
        """Return the token of a new session."""
        async with self.client() as client:
            body = {"email": email, "password": password}
            answer = await client.post(f"{BASE}/login", json=body)
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token

    async def as_(self, role: Role, *, email: str | None = None) -> AsyncClient:
        """Hire somebody, log them in, and return their client."""
        return self.client(await self.log_in(await self.hire(role, email=email)))


def settings(service: str, *, url: str, sandbox: bool = False, **more: Any) -> ServiceSettings:
    """Return the settings of `selling` or `reselling` on this database."""
    kinds: dict[str, type[ServiceSettings]] = {
        "selling": SellingSettings,
        "reselling": ResellingSettings,
    }
    keys = [SecretStr(SECRET_KEY)]
    known = {"secret_keys": keys, "sandbox": sandbox, "pool_size": 5, **more}
    return kinds[service](database_url=SecretStr(url), **known)


@asynccontextmanager
async def run_house(
    service: str,
    *,
    url: str,
    routers: Sequence[APIRouter],
    sandbox: bool = False,
    clock: Clock | None = None,
    **more: Any,
) -> AsyncIterator[House]:
    """Run these routers under `/house/v1`, on the tables of `selling` or `reselling`.

    `more` are settings. Without routers, it is those of the staff.
    """
    movable = MovableClock()
    runtime: Runtime[ServiceSettings] = Runtime(
        settings(service, url=url, sandbox=sandbox, **more),
        tenant_setting={"selling": PARTNER_SETTING, "reselling": CLIENT_SETTING}[service],
        clock=clock or (None if sandbox else movable),
    )
    app = make_app(routers or STAFF_ROUTERS[service])
    app.state.runtime = runtime
    people = {"selling": SELLING_PEOPLE, "reselling": RESELLING_PEOPLE}[service]
    async with runtime.running():
        yield House(app=app, runtime=runtime, people=people, clock=movable)


def make_app(routers: Sequence[APIRouter]) -> FastAPI:
    """Return an application of these routers, with the edges of a real one."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    async def ready() -> dict[str, bool]:
        return {"database": True}

    all_of_them = APIRouter(prefix=BASE)
    for router in routers:
        all_of_them.include_router(router)
    return create_api(
        title="House",
        description="",
        version="1",
        tags=[],
        routers=[all_of_them],
        lifespan=lifespan,
        ready=ready,
        max_body_bytes=100_000,
    )
