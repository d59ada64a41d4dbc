"""A provider with partners and keys, and an application that serves their feeds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr

from selling_service.database import TENANT_SETTING, SellingRuntime
from selling_service.events.actions import emit
from selling_service.events.routes import partner_routers
from selling_service.partners.models import Installation, Partner, PartnerKey
from selling_service.settings import SellingSettings
from shared.contract.basics import BASE_PATH, Scope
from shared.contract.events import EventType
from shared.contract.operations import Operation
from shared.contract.services import ServiceStatus
from shared.kit.ids import new_id, new_ref
from shared.kit.keys import make_key
from shared.kit.runtime import Runtime
from shared.kit.web import create_api
from tests.kit.stage import START, ManualClock
from tests.secret_key import SECRET_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A partner with one installation and one key."""

    partner_id: UUID
    installation_id: UUID
    key_id: UUID
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@asynccontextmanager
async def open_runtime(
    url: str, *, clock: ManualClock, **settings: Any
) -> AsyncIterator[SellingRuntime]:
    """A running runtime of the provider on this database."""
    keys = [SecretStr(SECRET_KEY)]
    values = SellingSettings(database_url=SecretStr(url), secret_keys=keys, pool_size=5, **settings)
    runtime = Runtime(values, tenant_setting=TENANT_SETTING, clock=clock)
    async with runtime.running():
        yield runtime


async def seat(
    runtime: SellingRuntime,
    *,
    name: str,
    scopes: tuple[Scope, ...] = (Scope.EVENTS_READ,),
    expires_in: timedelta | None = None,
) -> Seat:
    """Add a partner with a key."""
    key = make_key("tps")
    partner_id, installation_id = new_id(), new_id()
    async with runtime.staff.write() as session:
        session.add(Partner(id=partner_id, name=name, state="active", created_at=START))
        await session.flush()
        session.add(
            Installation(id=installation_id, partner_id=partner_id, name="main", created_at=START)
        )
        await session.flush()
        session.add(
            PartnerKey(
                id=key.id,
                partner_id=partner_id,
                installation_id=installation_id,
                name="main",
                secret_hash=key.secret_hash,
                scopes=[scope.value for scope in scopes],
                allowed_networks=[],
                expires_at=START + expires_in if expires_in else None,
                created_at=START,
            )
        )
    return Seat(
        partner_id=partner_id, installation_id=installation_id, key_id=key.id, token=key.token
    )


def operation(*, service_ref: UUID | None = None, state: str = "queued") -> Operation:
    """An operation of an order."""
    return Operation(
        id=new_id(),
        command_id=new_ref(),
        service_ref=service_ref or new_ref(),
        kind="order",
        state=state,
        progress=0,
        attempts=0,
        created_at=START,
        started_at=None,
        finished_at=None,
        result=None,
        problem=None,
    )


async def happen(
    runtime: SellingRuntime,
    seat_: Seat,
    *,
    type_: EventType = EventType.ACCEPTED,
    service: ServiceStatus | None = None,
    operation_: Operation | None = None,
) -> None:
    """Let one thing happen, in a transaction of its own."""
    async with runtime.app.write(tenant=seat_.partner_id) as session:
        await emit(
            session,
            seat_.partner_id,
            type=type_,
            installation_id=seat_.installation_id,
            service=service,
            operation=operation_ or operation(),
        )


def make_app(runtime: SellingRuntime) -> FastAPI:
    """The feed's routes alone."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.runtime = runtime
        yield

    async def ready() -> dict[str, bool]:
        return {"database": True}

    partner = APIRouter(prefix=BASE_PATH)
    for router in partner_routers:
        partner.include_router(router)
    return create_api(
        title="feed",
        description="",
        version="1",
        tags=[],
        routers=[partner],
        lifespan=lifespan,
        ready=ready,
        max_body_bytes=10_000,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One server-sent event, or a comment."""

    id: str | None
    event: str | None
    data: str | None
    comment: str | None


async def lines(response: httpx.Response) -> AsyncIterator[Line]:
    """The events and comments of a stream as they come."""
    found: dict[str, str] = {}
    async for text in response.aiter_lines():
        if text:
            name, _, value = text.partition(":")
            found[name or "comment"] = value.removeprefix(" ")
        elif found:
            yield Line(found.get("id"), found.get("event"), found.get("data"), found.get("comment"))
            found = {}
