"""Accounts: the anonymous stand-ins of the partner's clients."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response

from selling_service.accounts.actions import ensure_account
from selling_service.accounts.models import Account
from selling_service.accounts.queries import find_account
from selling_service.database import RuntimeDep
from selling_service.partners.routes import FOR_KEYS, PartnerRead, PartnerWrite, needs
from selling_service.partners.rules import PartnerPrincipal, check_not_blocked
from selling_service.services.actions.accounts import close_account
from selling_service.services.errors import check_edition
from selling_service.services.queries import count_kept
from shared.contract import problems as catalogue
from shared.contract.basics import Scope
from shared.contract.offers import AccountView
from shared.kit.db import ReadSession
from shared.kit.problems import declare, not_found

router = APIRouter(prefix="/accounts", tags=["accounts"])
_GATE = (
    *FOR_KEYS,
    catalogue.INVALID_REQUEST,
)
Orderer = Annotated[PartnerPrincipal, needs(Scope.SERVICES_ORDER)]
Reader = Annotated[PartnerPrincipal, needs(Scope.SERVICES_READ)]


@router.put(
    "/{client_ref}",
    summary="Make an account",
    description="An order makes it too. A repeat changes nothing.",
    responses=declare(
        *_GATE,
        catalogue.PARTNER_BLOCKED,
        catalogue.CLIENT_REF_TAKEN,
        catalogue.EDITION_NOT_SUPPORTED,
    ),
)
async def put_account(
    principal: Orderer, runtime: RuntimeDep, session: PartnerWrite, client_ref: UUID
) -> AccountView:
    """Make the stand-in of a client where it is new."""
    check_not_blocked(principal)
    check_edition(runtime.settings.edition)
    account = await ensure_account(
        session,
        principal.partner_id,
        installation_id=principal.installation_id,
        client_ref=client_ref,
    )
    return await _view(session, account)


@router.get("/{client_ref}", summary="An account", responses=declare(*_GATE, catalogue.NOT_FOUND))
async def get_account(principal: Reader, session: PartnerRead, client_ref: UUID) -> AccountView:
    """An account with the number of its services."""
    account = await find_account(session, principal.partner_id, client_ref=client_ref)
    if account is None or account.closed_at is not None:
        raise not_found("account")
    return await _view(session, account)


@router.delete(
    "/{client_ref}",
    status_code=204,
    summary="Close an account",
    description="Its platform users are deleted. Refused while services are left.",
    responses=declare(
        *_GATE, catalogue.PARTNER_BLOCKED, catalogue.NOT_FOUND, catalogue.ACCOUNT_IN_USE
    ),
)
async def delete_account(principal: Orderer, session: PartnerWrite, client_ref: UUID) -> Response:
    """Close an account."""
    check_not_blocked(principal)
    await close_account(session, principal.partner_id, client_ref=client_ref)
    return Response(status_code=204)


async def _view(session: ReadSession, account: Account) -> AccountView:
    kept = await count_kept(session, account.partner_id, account_id=account.id)
    return AccountView(
        client_ref=account.client_ref,
        installation_id=account.installation_id,
        services=kept,
        created_at=account.created_at,
    )
