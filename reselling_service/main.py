"""The HTTP application of the reselling service: puts the rooms together and knows no rules.

Started by `python -m reselling_service.main`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI

import reselling_service.clients.routes as clients
import reselling_service.commands.routes as commands
import reselling_service.desk.routes as desk
import reselling_service.ledger.routes as ledger
import reselling_service.orders.routes as orders
import reselling_service.privacy.routes as privacy
import reselling_service.reconciliation.routes as reconciliation
import reselling_service.sellers.routes as sellers
import reselling_service.services.routes as services
import reselling_service.staff.routes as staff
import reselling_service.sync.routes as sync
import reselling_service.tariffs.routes as tariffs
from reselling_service.database import TENANT_SETTING, ResellingRuntime, RuntimeDep
from reselling_service.desk.queries import count_desk
from reselling_service.figures import FIGURES
from reselling_service.ledger.models import BOOKS
from reselling_service.reconciliation.models import DESK
from reselling_service.sellers.client import open_line
from reselling_service.services.queries import list_services
from reselling_service.services.rules import Life
from reselling_service.settings import ResellingSettings, get_settings
from reselling_service.staff.routes import AnyStaff
from shared.contract.basics import CurrencyCode, Edition, Output
from shared.contract.problems import UNAUTHORIZED
from shared.kit.bookkeeping import check_currency
from shared.kit.db import ReadSession
from shared.kit.desk.gauges import desk_gauges
from shared.kit.figures import Figures, show_pool
from shared.kit.people.errors import SECOND_FACTOR_ENROLMENT
from shared.kit.principals import ClientId
from shared.kit.problems import declare
from shared.kit.readiness import ready_check
from shared.kit.reconciling.report import measuring
from shared.kit.release import release
from shared.kit.serving import serve
from shared.kit.telemetry import configure_logging
from shared.kit.tracing import start_tracing
from shared.kit.web import create_api

MIGRATIONS = Path(__file__).parent / "migrations"
DESCRIPTION = """
The reseller's service: clients and their money, tariffs of connected sellers at own prices, orders
and services.

* **Staff** (`/staff/v1`): `POST /staff/v1/login`, then *Authorize* with the token as
  *staff_session*.
* **Clients** (`/client/v1`): `POST /client/v1/sign-up` or `/login`, then *Authorize* with the
  token as *client_session*.

Money is an integer of minor units (`{"amount": 990, "currency": "EUR"}` is 9.90). Lists come in
pages: ask again with `after=<next>` until `next` is null. Every error is a
`application/problem+json` with a frozen `code`, and a `request_id` to quote.
"""
TAGS = [
    {"name": "about", "description": "What this installation is."},
    {"name": "login", "description": "Sessions of the staff."},
    {"name": "staff", "description": "The people of the house and their roles."},
    {"name": "jobs", "description": "Work that is stuck: dead, or set aside."},
    {"name": "audit", "description": "Who changed what."},
    {"name": "sellers", "description": "Providers whose tariffs are resold, and their links."},
    {"name": "tariffs", "description": "Import at a markup, prices, what is on sale."},
    {"name": "clients", "description": "The staff's desk for clients."},
    {"name": "privacy", "description": "What is held about a client, and how it is forgotten."},
    {"name": "your account", "description": "A client's way in, and their profile."},
    {"name": "money", "description": "Balances, payments, statements, money set aside."},
    {"name": "orders", "description": "Orders of clients, also by staff for them."},
    {"name": "services", "description": "What was sold: what is wanted and what was heard."},
    {"name": "commands", "description": "Wishes sent to sellers, with every attempt."},
    {
        "name": "reconciliation",
        "description": "What differs between us and sellers, and what is done about it.",
    },
    {"name": "desk", "description": "What needs a person, and the trail over both sides."},
    {"name": "sandbox", "description": "Moves the clock on, where the settings allow it."},
    {"name": "health", "description": "For load balancers and monitoring."},
]
_about = APIRouter(tags=["about"])


class AboutHouse(Output):
    """What this installation is. Any edition may resell."""

    product: str
    edition: Edition
    currency: CurrencyCode


@_about.get("/about", summary="What this installation is", responses=declare(UNAUTHORIZED))
async def read_about(runtime: RuntimeDep, _staff: AnyStaff) -> AboutHouse:
    """Version, edition, and the currency of the clients' balances."""
    settings = runtime.settings
    return AboutHouse(
        product=f"tandem {release()}", edition=settings.edition, currency=settings.currency
    )


_ROOMS_OF_STAFF = (
    staff,
    sellers,
    sync,
    clients,
    privacy,
    tariffs,
    ledger,
    orders,
    services,
    commands,
    reconciliation,
    desk,
)
_ROOMS_OF_CLIENTS = (clients, privacy, tariffs, ledger, orders, services)


def create_app(settings: ResellingSettings | None = None) -> FastAPI:
    """The application; its databases and its line to the sellers open with its lifespan."""
    settings = settings or get_settings()
    runtime = ResellingRuntime(settings, tenant_setting=TENANT_SETTING)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with runtime.running(), open_line(runtime):
            await check_currency(runtime.staff, BOOKS)
            show_pool(runtime.app, "app")
            show_pool(runtime.staff, "staff")
            async with measuring(runtime.staff, DESK):
                yield

    app = create_api(
        title="Tandem: reselling service",
        description=DESCRIPTION,
        version=release(),
        tags=TAGS,
        routers=[
            _staff_router(sandbox=settings.sandbox),
            _client_router(),
            *sync.seller_routers,
        ],
        lifespan=lifespan,
        ready=ready_check(runtime.staff, migrations=MIGRATIONS),
        max_body_bytes=settings.max_body_bytes,
        problems_by_scheme={"staff_session": [SECOND_FACTOR_ENROLMENT]},
        refresh_gauges=(
            Figures(runtime.staff, FIGURES).refresh,
            desk_gauges(runtime.staff, count_desk),
        ),
    )
    app.state.runtime = runtime
    app.state.resolve_client = clients.resolve_client
    app.state.client_in_use = client_in_use
    return app


async def client_in_use(session: ReadSession, client_id: ClientId) -> bool:
    """Whether a service of the client shall live."""
    found = await list_services(session, client_id, after=None, limit=1, wanted_life=Life.ACTIVE)
    return bool(found)


def _staff_router(*, sandbox: bool) -> APIRouter:
    routers = [router for room in _ROOMS_OF_STAFF for router in room.staff_routers]
    return _mounted("/staff/v1", [_about, *routers, *(staff.sandbox_routers if sandbox else [])])


def _client_router() -> APIRouter:
    routers = [router for room in _ROOMS_OF_CLIENTS for router in room.client_routers]
    return _mounted("/client/v1", routers)


def _mounted(prefix: str, routers: list[APIRouter]) -> APIRouter:
    parent = APIRouter(prefix=prefix)
    for router in routers:
        parent.include_router(router)
    return parent


def main() -> None:
    """Serve until told to stop."""
    settings = get_settings()
    configure_logging(service="reselling", level=settings.log_level, json_lines=settings.log_json)
    start_tracing("reselling")
    serve(create_app(settings), host=settings.host, port=settings.port, settings=settings)


if __name__ == "__main__":
    main()
