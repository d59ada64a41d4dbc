"""The administration of partners by the provider's staff."""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter

from selling_service.partners.actions import (
    KeyTerms,
    change_partner,
    create_installation,
    create_key,
    create_partner,
    revoke_key,
    rotate_key,
)
from selling_service.partners.errors import EXPIRY_OUT_OF_RANGE, KEY_ENDED, NAME_TAKEN
from selling_service.partners.queries import (
    find_partner,
    list_installations,
    list_keys,
    list_partners,
)
from selling_service.partners.schemas import (
    InstallationInput,
    InstallationOutput,
    KeyInput,
    KeyOutput,
    NewKeyOutput,
    PartnerChangeInput,
    PartnerInput,
    PartnerOutput,
    RotationInput,
    installation_output,
    key_output,
    new_key_output,
    partner_output,
)
from selling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.basics import Page
from shared.contract.problems import CURSOR_INVALID, INVALID_REQUEST, NOT_FOUND
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_EVERY_ROUTE, FOR_SOME_ROLES, WITH_BODY
from shared.kit.problems import declare

admin_routers = [APIRouter(tags=["partners"])]
_admin = admin_routers[0]
_LISTS = declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, CURSOR_INVALID)
_LISTS_OF_PARTNER = declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, CURSOR_INVALID, NOT_FOUND)


@_admin.post(
    "/partners",
    status_code=201,
    summary="Create a partner",
    description="Owners and operators. The partner can order once it has an installation, a key, "
    "offers of tariffs, and money.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NAME_TAKEN),
)
async def add_partner(
    body: PartnerInput, staff: OperatorStaff, session: StaffWrite
) -> PartnerOutput:
    """Answer with the new partner."""
    return partner_output(await create_partner(session, staff, name=body.name))


@_admin.get("/partners", summary="List partners", description="Oldest first.", responses=_LISTS)
async def read_partners(
    _staff: AnyStaff, session: StaffRead, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> Page[PartnerOutput]:
    """Answer with a page."""
    rows = await list_partners(session, after=decode_cursor(after), limit=limit)
    return make_page(rows, limit=limit, row_id=lambda row: row.id, item=partner_output)


@_admin.get(
    "/partners/{partner_id}",
    summary="One partner",
    responses=declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, NOT_FOUND),
)
async def read_partner(partner_id: UUID, _staff: AnyStaff, session: StaffRead) -> PartnerOutput:
    """Answer with one."""
    return partner_output(await find_partner(session, partner_id))


@_admin.patch(
    "/partners/{partner_id}",
    summary="Rename a partner, close its orders, block it",
    description="Owners and operators. `no_new_orders`: what runs can still be managed. "
    "`blocked`: only reading, suspending and terminating. VMs go on running either way.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, NAME_TAKEN),
)
async def edit_partner(
    partner_id: UUID, body: PartnerChangeInput, staff: OperatorStaff, session: StaffWrite
) -> PartnerOutput:
    """Answer with the partner as changed."""
    row = await change_partner(
        session, staff, partner_id=partner_id, name=body.name, state=body.state
    )
    return partner_output(row)


@_admin.post(
    "/partners/{partner_id}/installations",
    status_code=201,
    summary="Add an installation",
    description="Owners and operators. Several installations may share a partner's account and "
    "balance. They are one partner: each reads and commands all his services, while the "
    "inventory, and with it reconciliation, is each one's own.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, NAME_TAKEN),
)
async def add_installation(
    partner_id: UUID, body: InstallationInput, staff: OperatorStaff, session: StaffWrite
) -> InstallationOutput:
    """Answer with the new installation."""
    row = await create_installation(session, staff, partner_id=partner_id, name=body.name)
    return installation_output(row)


@_admin.get(
    "/partners/{partner_id}/installations",
    summary="List a partner's installations",
    responses=_LISTS_OF_PARTNER,
)
async def read_installations(
    partner_id: UUID,
    _staff: AnyStaff,
    session: StaffRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[InstallationOutput]:
    """Answer with a page."""
    rows = await list_installations(session, partner_id, after=decode_cursor(after), limit=limit)
    return make_page(rows, limit=limit, row_id=lambda row: row.id, item=installation_output)


@_admin.post(
    "/partners/{partner_id}/keys",
    status_code=201,
    summary="Create a key",
    description="Owners and operators. The answer shows the token once; only its hash is kept. "
    "Several keys may be in force side by side.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, EXPIRY_OUT_OF_RANGE),
)
async def add_key(
    partner_id: UUID, body: KeyInput, staff: OperatorStaff, session: StaffWrite
) -> NewKeyOutput:
    """Answer with the key and its token."""
    terms = KeyTerms(
        name=body.name,
        scopes=[scope.value for scope in body.scopes],
        allowed_networks=[str(network) for network in body.allowed_networks],
        client_certificate=body.client_certificate,
        expires_at=body.expires_at,
    )
    row, token = await create_key(
        session, staff, partner_id=partner_id, installation_id=body.installation_id, terms=terms
    )
    return new_key_output(row, token)


@_admin.get(
    "/partners/{partner_id}/keys",
    summary="List a partner's keys",
    description="Oldest first, also those that are over. Secrets can't be shown again.",
    responses=_LISTS_OF_PARTNER,
)
async def read_keys(
    partner_id: UUID,
    _staff: AnyStaff,
    session: StaffRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[KeyOutput]:
    """Answer with a page."""
    rows = await list_keys(session, partner_id, after=decode_cursor(after), limit=limit)
    return make_page(rows, limit=limit, row_id=lambda row: row.id, item=key_output)


@_admin.post(
    "/partners/{partner_id}/keys/{key_id}/rotate",
    name="rotate_key",
    status_code=201,
    summary="Rotate a key",
    description="Owners and operators. Makes a new key with the same settings; the old one stays "
    "good for the overlap (24 hours unless said otherwise), so that nothing stops.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, KEY_ENDED),
)
async def rotate(
    partner_id: UUID,
    key_id: UUID,
    body: RotationInput,
    staff: OperatorStaff,
    session: StaffWrite,
) -> NewKeyOutput:
    """Answer with the new key and its token."""
    overlap = timedelta(seconds=body.overlap_seconds)
    row, token = await rotate_key(
        session,
        staff,
        partner_id=partner_id,
        key_id=key_id,
        overlap=overlap,
        client_certificate=body.client_certificate,
    )
    return new_key_output(row, token)


@_admin.post(
    "/partners/{partner_id}/keys/{key_id}/revoke",
    name="revoke_key",
    summary="Revoke a key",
    description="Owners and operators. At once and for good; a stream that is open with it ends.",
    responses=declare(*FOR_SOME_ROLES, INVALID_REQUEST, NOT_FOUND),
)
async def revoke(
    partner_id: UUID, key_id: UUID, staff: OperatorStaff, session: StaffWrite
) -> KeyOutput:
    """Answer with the key as it is now."""
    row = await revoke_key(session, staff, partner_id=partner_id, key_id=key_id)
    return key_output(row)
