"""The provider's HTTP application: puts the rooms together; knows what is built, and no more.

`python -m selling_service.main` serves it on `SELLING_HOST` and `SELLING_PORT`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI

from selling_service.catalog import routes as catalog
from selling_service.database import TENANT_SETTING, RuntimeDep
from selling_service.desk import routes as desk
from selling_service.desk.queries import count_desk
from selling_service.events import routes as events
from selling_service.figures import FIGURES
from selling_service.ledger import routes as ledger
from selling_service.ledger.models import BOOKS
from selling_service.partners import routes as partners
from selling_service.partners.routes import needs
from selling_service.partners.rules import PartnerPrincipal
from selling_service.provisioning import routes as provisioning
from selling_service.reconciliation import routes as reconciliation
from selling_service.reconciliation.models import DESK
from selling_service.services import routes as services
from selling_service.settings import SellingSettings, get_settings
from selling_service.staff import routes as staff
from shared.contract.basics import BASE_PATH, CONTRACT_VERSION
from shared.contract.offers import About
from shared.contract.problems import (
    ADDRESS_NOT_ALLOWED,
    CERTIFICATE_REQUIRED,
    GIVEN_UP,
    PLATFORM_FULL,
    PLATFORM_REFUSED,
    RATE_LIMITED,
    UNAUTHORIZED,
)
from shared.kit.bookkeeping import check_currency
from shared.kit.desk.gauges import desk_gauges
from shared.kit.figures import Figures, show_pool
from shared.kit.people.errors import SECOND_FACTOR_ENROLMENT
from shared.kit.problems import declare
from shared.kit.readiness import ready_check
from shared.kit.reconciling.report import measuring
from shared.kit.release import release
from shared.kit.runtime import Runtime
from shared.kit.serving import serve
from shared.kit.telemetry import configure_logging
from shared.kit.tracing import start_tracing
from shared.kit.web import create_api

ADMIN_PATH = "/admin/v1"
MIGRATIONS = Path(__file__).parent / "migrations"
CAPABILITIES = {
    "orders": True,
    "quotes": True,
    "renew": True,
    "suspend": True,
    "power": True,
    "rename": True,
    "terminate_at_period_end": True,
    "restore": True,
    "inventory": True,
    "inventory_digests": True,
    "events_long_poll": True,
    "events_stream": True,
    "webhooks": True,
    "trail": True,
    "panel": False,
}
DESCRIPTION = """
The provider's side: it owns tariffs, partners, their money, and the virtual machines.

**Log in.** Staff: `POST /admin/v1/login`, then *Authorize* → *staff_session* with the token. A
partner: *Authorize* → *partner_key* with a key (`tps_…`) that staff made.

**The story of an order**
1. Staff create a partner, an installation and a key: `POST /admin/v1/partners` and below.
2. Staff make a tariff with a version and prices, offer it to the partner, and top up his balance.
3. The partner asks `GET /partner/v1/about` and `GET /partner/v1/catalog`.
4. `POST /partner/v1/quotes` tells the price; `POST /partner/v1/services` orders: 202, an operation.
5. The worker makes the platform user and the VM; the price, held until then, is charged.
6. `GET /partner/v1/events/stream` tells at once what happened, in order and without gaps.
7. `renew suspend resume start stop restart rename terminate restore` are commands of the service.
8. Terminated, it is kept for a while and may be restored; then it is deleted.

**Every command** carries an `Idempotency-Key`, a UUID: its id. Send the same request with the same
key as often as you like; it is carried out once, and answered the same (`Idempotency-Replayed`).

**Every problem** is `application/problem+json` with a stable `code`. `outcome: refused` says that
the command is thereby finished; anything else says nothing about it: send it again.
"""
TAGS = [
    {"name": "about", "description": "Who answers, and what it can do."},
    {"name": "catalog", "description": "What a partner may resell, with its prices."},
    {"name": "quotes", "description": "What something would cost, before doing it."},
    {"name": "services", "description": "Orders, commands and what has become of them."},
    {"name": "operations", "description": "Operations and remembered commands, one by one."},
    {"name": "accounts", "description": "The anonymous stand-ins of partners' clients."},
    {"name": "events", "description": "The feed: long poll and server-sent events."},
    {"name": "webhooks", "description": "Signed hints that the feed has news."},
    {"name": "money", "description": "Balances, statements, top-ups, credit limits."},
    {"name": "login", "description": "Sessions of the provider's staff."},
    {"name": "partners", "description": "Partners, their installations and keys."},
    {"name": "catalogue", "description": "Data centres, OS templates, tariffs, versions, stock."},
    {"name": "offers", "description": "Which partner may resell which tariff, at which discount."},
    {"name": "desk", "description": "What needs a person, and the trail of what happened."},
    {"name": "staff", "description": "The provider's people and their roles."},
    {"name": "jobs", "description": "Work that is stuck: dead, or set aside."},
    {"name": "audit", "description": "Who changed what."},
    {
        "name": "reconciliation",
        "description": "What differs between books and platforms, and what is done about it.",
    },
    {"name": "sandbox", "description": "A clock that can be moved on. Never in production."},
    {"name": "health", "description": "For load balancers and monitoring."},
]

_about = APIRouter(tags=["about"])


@_about.get(
    "/about",
    summary="Who answers",
    description="Answers whatever the edition and whatever the state of the partner.",
    responses=declare(UNAUTHORIZED, ADDRESS_NOT_ALLOWED, CERTIFICATE_REQUIRED, RATE_LIMITED),
)
async def read_about(runtime: RuntimeDep, principal: Annotated[PartnerPrincipal, needs()]) -> About:
    """What a reseller asks before anything else."""
    settings = runtime.settings
    return About(
        product=f"tandem {release()}",
        edition=settings.edition,
        contract_min=CONTRACT_VERSION,
        contract_max=CONTRACT_VERSION,
        capabilities=CAPABILITIES,
        currency=settings.currency,
        server_time=runtime.clock.now(),
        expiry_slack_seconds=settings.expiry_slack_seconds,
        retention_seconds=settings.retention_seconds,
        installation_id=principal.installation_id,
        partner_state=principal.state,
        scopes=sorted(principal.scopes),
    )


def _routers(settings: SellingSettings) -> list[APIRouter]:
    admin = APIRouter(prefix=ADMIN_PATH)
    partner = APIRouter(prefix=BASE_PATH)
    sandbox = [*staff.sandbox_routers, *provisioning.sandbox_routers] if settings.sandbox else []
    for router in (
        *staff.admin_routers,
        *sandbox,
        *partners.admin_routers,
        *catalog.admin_routers,
        *ledger.admin_routers,
        *services.admin_routers,
        *desk.admin_routers,
        *reconciliation.admin_routers,
    ):
        admin.include_router(router)
    for router in (
        _about,
        *catalog.partner_routers,
        *services.partner_routers,
        *desk.partner_routers,
        *reconciliation.partner_routers,
        *events.partner_routers,
        *ledger.partner_routers,
    ):
        partner.include_router(router)
    return [partner, admin]


def create_app(settings: SellingSettings | None = None) -> FastAPI:
    """The application; `app.state.runtime` is there while it runs."""
    settings = settings or get_settings()
    runtime = Runtime(settings, tenant_setting=TENANT_SETTING)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.runtime = runtime
        async with runtime.running():
            await check_currency(runtime.staff, BOOKS)
            show_pool(runtime.app, "app")
            show_pool(runtime.staff, "staff")
            async with measuring(runtime.staff, DESK):
                yield

    return create_api(
        title="Tandem: selling service",
        description=DESCRIPTION,
        version=release(),
        tags=TAGS,
        routers=_routers(settings),
        lifespan=lifespan,
        ready=ready_check(runtime.staff, migrations=MIGRATIONS),
        max_body_bytes=settings.max_body_bytes,
        problems_by_scheme={"staff_session": [SECOND_FACTOR_ENROLMENT]},
        refresh_gauges=(
            Figures(runtime.staff, FIGURES).refresh,
            desk_gauges(runtime.staff, count_desk),
        ),
        told_problems=(PLATFORM_FULL, PLATFORM_REFUSED, GIVEN_UP),
    )


def main() -> None:
    """Serve until told to stop."""
    settings = get_settings()
    configure_logging(service="selling", level=settings.log_level, json_lines=settings.log_json)
    start_tracing("selling")
    serve(create_app(settings), host=settings.host, port=settings.port, settings=settings)


if __name__ == "__main__":
    main()
