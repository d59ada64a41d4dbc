"""Who may use the partners' API: keys, scopes, limits, and transactions that see one partner."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from selling_service.database import RuntimeDep
from selling_service.partners.queries import (
    find_key,
)
from selling_service.partners.rules import (
    KEY_PREFIX,
    PartnerPrincipal,
    check_key,
    check_scope,
    unauthorized,
)
from shared.contract import problems as catalogue
from shared.contract.basics import Scope
from shared.kit.connections import CERTIFICATE
from shared.kit.db import ReadSession, WriteSession
from shared.kit.keys import split_key
from shared.kit.rates import Limits

# What every route that asks for a key and a scope may answer.
FOR_KEYS = (
    catalogue.UNAUTHORIZED,
    catalogue.ADDRESS_NOT_ALLOWED,
    catalogue.CERTIFICATE_REQUIRED,
    catalogue.INSUFFICIENT_SCOPE,
    catalogue.RATE_LIMITED,
    catalogue.UNAVAILABLE,
)

_bearer = HTTPBearer(
    scheme_name="partner_key",
    description="A key that the provider made for an installation of a partner: `tps_…`.",
    auto_error=False,
)


async def _authenticated(
    request: Request,
    runtime: RuntimeDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> PartnerPrincipal:
    """Raises `unauthorized`, `address_not_allowed`, `certificate_required`."""
    parts = split_key(credentials.credentials, prefix=KEY_PREFIX) if credentials else None
    if parts is None:
        raise unauthorized()
    key_id, secret = parts
    async with runtime.app.read() as session:
        known = await find_key(session, key_id)
    address = request.client.host if request.client else None
    shown = request.scope.get("extensions", {}).get(CERTIFICATE, {}).get("sha256")
    return check_key(
        known, secret=secret, address=address, certificate=shown, now=runtime.clock.now()
    )


def needs(scope: Scope | None = None, *, urgent: bool = False) -> Any:  # noqa: ANN401
    """A dependency that gives the partner where its key has this scope (None: any key).

    Raises `unauthorized`, `address_not_allowed`, `certificate_required`, `insufficient_scope`,
    `rate_limited`. Requests count per key, `urgent` ones (suspend, terminate) apart from the rest,
    so that a busy partner can always stop a VM. Use:
    `principal: Annotated[PartnerPrincipal, needs(Scope.EVENTS_READ)]`.
    """

    async def partner(
        request: Request,
        runtime: RuntimeDep,
        principal: Annotated[PartnerPrincipal, Depends(_authenticated)],
    ) -> PartnerPrincipal:
        settings = runtime.settings
        policy, most = (
            ("urgent", settings.urgent_requests_per_minute)
            if urgent
            else ("default", settings.requests_per_minute)
        )
        # Each process counts by itself: counting in the database would cost a write per request.
        part = max(1, most // settings.api_processes)
        headers = _limits(request).take(policy, principal.key_id, per_minute=part)
        request.scope["answer_headers"] = headers
        if scope is not None:
            check_scope(principal, scope)
        return principal

    return Depends(partner)


def _limits(request: Request) -> Limits:
    """The buckets of this application, in the memory of this process."""
    state = request.app.state
    if not hasattr(state, "partner_limits"):
        state.partner_limits = Limits()
    limits: Limits = state.partner_limits
    return limits


async def _partner_read(
    runtime: RuntimeDep, principal: Annotated[PartnerPrincipal, Depends(_authenticated)]
) -> AsyncIterator[ReadSession]:
    async with runtime.app.read(tenant=principal.partner_id) as session:
        yield session


async def _partner_write(
    runtime: RuntimeDep, principal: Annotated[PartnerPrincipal, Depends(_authenticated)]
) -> AsyncIterator[WriteSession]:
    async with runtime.app.write(tenant=principal.partner_id) as session:
        yield session


# Transactions that see this partner only. They ask for a key, but for no scope: `needs` does.
PartnerRead = Annotated[ReadSession, Depends(_partner_read, scope="function")]
PartnerWrite = Annotated[WriteSession, Depends(_partner_write, scope="function")]
