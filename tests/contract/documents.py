"""The OpenAPI documents of both services as they are served, made without a database."""

from functools import cache
from typing import Any

from fastapi import FastAPI

from reselling_service import main as reselling
from reselling_service.settings import ResellingSettings
from selling_service import main as selling
from selling_service.settings import SellingSettings
from shared.kit.vault import Vault

SERVICES = ("selling", "reselling")
# Whose session or key opens what lies below a path; what lies below none of them is open.
SCHEMES = {
    "/partner/v1": "partner_key",
    "/admin/v1": "staff_session",
    "/staff/v1": "staff_session",
    "/client/v1": "client_session",
}
# These give a session, so they can't want one.
OPEN = {
    "POST /admin/v1/login",
    "POST /staff/v1/login",
    "POST /client/v1/login",
    "POST /client/v1/sign-up",
}


@cache
def application(service: str) -> FastAPI:
    """The application with every route that it can have; it isn't run."""
    known = {
        "database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/none",
        "secret_keys": Vault.new_key(),
        "sandbox": True,
    }
    if service == "selling":
        return selling.create_app(SellingSettings.model_validate(known))
    return reselling.create_app(ResellingSettings.model_validate(known))


def document(service: str) -> dict[str, Any]:
    """Its OpenAPI document."""
    return application(service).openapi()


def scheme_of(method: str, path: str) -> str | None:
    """Which security scheme the route must ask for."""
    if f"{method} {path}" in OPEN:
        return None
    return next((scheme for below, scheme in SCHEMES.items() if path.startswith(below)), None)
