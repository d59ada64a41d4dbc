"""Sellers in the staff's API. While a seller is asked, no transaction is open."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from reselling_service.database import ResellingRuntime, RuntimeDep
from reselling_service.sellers.actions import connect
from reselling_service.sellers.actions.hooks import HOOKS_PATH, keep_hook
from reselling_service.sellers.client import client_for
from reselling_service.sellers.errors import (
    CALL_PROBLEMS,
    CONTRACT_NOT_SUPPORTED,
    KEY_LACKS_SCOPES,
    OTHER_SELLER,
    SELLER_ADDRESS,
    SELLER_EXISTS,
)
from reselling_service.sellers.queries import (
    SellerAccess,
    access_of,
    get_seller,
    list_sellers,
)
from reselling_service.sellers.rules import check_address
from reselling_service.sellers.schemas import (
    NewKey,
    NewSeller,
    SellerChange,
    SellerTLS,
    SellerView,
    seller_view,
)
from reselling_service.sellers.tasks import ask_about
from reselling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.basics import Page
from shared.contract.problems import (
    CURSOR_INVALID,
    EDITION_NOT_SUPPORTED,
    INVALID_REQUEST,
    MALFORMED_REQUEST,
    NOT_FOUND,
    UNAUTHORIZED,
)
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people import StaffPrincipal
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import ROLE_REQUIRED
from shared.kit.problems import declare

_router = APIRouter(prefix="/sellers", tags=["sellers"])
staff_routers = [_router]

SellerId = Annotated[UUID, Path(description="Id of the seller.")]
_ASKED = (UNAUTHORIZED, ROLE_REQUIRED, MALFORMED_REQUEST, INVALID_REQUEST)
_CHECKED = (*CALL_PROBLEMS, CONTRACT_NOT_SUPPORTED, KEY_LACKS_SCOPES, SELLER_EXISTS)


async def _access(
    runtime: ResellingRuntime, staff: StaffPrincipal, seller_id: UUID
) -> SellerAccess:
    async with runtime.staff.read() as session:
        return access_of(session, await get_seller(session, staff, seller_id=seller_id))


def _check(runtime: ResellingRuntime, url: str) -> None:
    check_address(url, private_addresses=runtime.settings.seller_private_addresses)


@_router.post(
    "",
    status_code=201,
    summary="Connect a seller",
    responses=declare(*_ASKED, *_CHECKED, EDITION_NOT_SUPPORTED, SELLER_ADDRESS),
)
async def connect_seller(runtime: RuntimeDep, staff: OperatorStaff, new: NewSeller) -> SellerView:
    """Ask the seller about itself first: the edition must be `hosting_cloud`.

    Its contract must be one that we speak. Nothing is kept where that fails.
    """
    _check(runtime, new.url)
    key, trust = new.key.get_secret_value(), new.tls.trust()
    about = await client_for(runtime, url=new.url, key=key, trust=trust).about()
    async with runtime.staff.write() as session:
        row = await connect.connect_seller(
            session, staff, name=new.name, url=new.url, key=key, about=about, trust=trust
        )
        return seller_view(row, session.clock)


@_router.get("", summary="List sellers", responses=declare(*_ASKED, CURSOR_INVALID))
async def read_sellers(
    session: StaffRead, staff: AnyStaff, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> Page[SellerView]:
    """Pages of sellers, oldest first, each with its link and circuit."""
    rows = await list_sellers(session, staff, after=decode_cursor(after), limit=limit)
    return make_page(
        rows,
        limit=limit,
        row_id=lambda row: row.id,
        item=lambda row: seller_view(row, session.clock),
    )


@_router.get(
    "/{seller_id}", summary="One seller and its link", responses=declare(*_ASKED, NOT_FOUND)
)
async def read_seller(session: StaffRead, staff: AnyStaff, seller_id: SellerId) -> SellerView:
    """With how calls to it went lately."""
    return seller_view(await get_seller(session, staff, seller_id=seller_id), session.clock)


@_router.patch(
    "/{seller_id}",
    summary="Change name or address",
    responses=declare(*_ASKED, *_CHECKED, OTHER_SELLER, NOT_FOUND, SELLER_ADDRESS),
)
async def change_seller(
    runtime: RuntimeDep, staff: OperatorStaff, seller_id: SellerId, change: SellerChange
) -> SellerView:
    """A new address is asked first: the same seller must answer there."""
    access = await _access(runtime, staff, seller_id)
    about = None
    if change.url is not None:
        _check(runtime, change.url)
        about = await client_for(
            runtime, url=change.url, key=access.key, trust=access.trust
        ).about()
    async with runtime.staff.write() as session:
        if about is not None:
            await connect.change_access(
                session, staff, seller_id=seller_id, about=about, url=change.url
            )
        row = await connect.change_seller(session, staff, seller_id=seller_id, name=change.name)
        return seller_view(row, session.clock)


@_router.put(
    "/{seller_id}/key",
    summary="Replace the key",
    responses=declare(*_ASKED, *_CHECKED, OTHER_SELLER, NOT_FOUND),
)
async def replace_key(
    runtime: RuntimeDep, staff: OperatorStaff, seller_id: SellerId, new: NewKey
) -> SellerView:
    """The new key is tried first, and kept only where it opens the same seller.

    Commands that waited for it go on at once.
    """
    access = await _access(runtime, staff, seller_id)
    key = new.key.get_secret_value()
    about = await client_for(runtime, url=access.url, key=key, trust=access.trust).about()
    async with runtime.staff.write() as session:
        row = await connect.change_access(session, staff, seller_id=seller_id, about=about, key=key)
        return seller_view(row, session.clock)


@_router.put(
    "/{seller_id}/tls",
    summary="Replace how TLS is done",
    responses=declare(*_ASKED, *_CHECKED, OTHER_SELLER, NOT_FOUND),
)
async def replace_tls(
    runtime: RuntimeDep, staff: OperatorStaff, seller_id: SellerId, new: SellerTLS
) -> SellerView:
    """An authority of one's own, a pinned certificate, a certificate to show.

    It is tried first, and kept only where the same seller answers.
    """
    access, trust = await _access(runtime, staff, seller_id), new.trust()
    about = await client_for(runtime, url=access.url, key=access.key, trust=trust).about()
    async with runtime.staff.write() as session:
        row = await connect.change_access(
            session, staff, seller_id=seller_id, about=about, trust=trust
        )
        return seller_view(row, session.clock)


@_router.post(
    "/{seller_id}/check",
    summary="Ask the seller about itself now",
    responses=declare(*_ASKED, *CALL_PROBLEMS, NOT_FOUND),
)
async def check_seller(
    runtime: RuntimeDep, staff: OperatorStaff, seller_id: SellerId
) -> SellerView:
    """The answer, or the failure, is kept with the seller."""
    await ask_about(runtime, await _access(runtime, staff, seller_id))
    async with runtime.staff.read() as session:
        row = await get_seller(session, staff, seller_id=seller_id)
        return seller_view(row, session.clock)


@_router.put(
    "/{seller_id}/webhook",
    summary="Have the seller send hints",
    responses=declare(*_ASKED, *CALL_PROBLEMS, NOT_FOUND),
)
async def add_webhook(runtime: RuntimeDep, staff: OperatorStaff, seller_id: SellerId) -> SellerView:
    """To `RESELLING_PUBLIC_URL`, which the seller must reach over https. Again: a new secret.

    Not needed: events come over the stream. A hint wakes a reader that waits to try again.
    """
    access = await _access(runtime, staff, seller_id)
    url = f"{runtime.settings.public_url.rstrip('/')}{HOOKS_PATH}/{seller_id}"
    endpoint = await client_for(
        runtime, url=access.url, key=access.key, trust=access.trust
    ).add_webhook(url)
    async with runtime.staff.write() as session:
        row = await keep_hook(session, staff, seller_id=seller_id, endpoint=endpoint)
        return seller_view(row, session.clock)


@_router.delete(
    "/{seller_id}/webhook",
    summary="Have the seller send no hints",
    responses=declare(*_ASKED, *CALL_PROBLEMS, NOT_FOUND),
)
async def remove_webhook(
    runtime: RuntimeDep, staff: OperatorStaff, seller_id: SellerId
) -> SellerView:
    """Events come over the stream all the same."""
    async with runtime.staff.read() as session:
        row = await get_seller(session, staff, seller_id=seller_id)
        access, hook_id = access_of(session, row), row.hook_id
    if hook_id is not None:
        await client_for(
            runtime, url=access.url, key=access.key, trust=access.trust
        ).remove_webhook(hook_id)
    async with runtime.staff.write() as session:
        row = await keep_hook(session, staff, seller_id=seller_id, endpoint=None)
        return seller_view(row, session.clock)


@_router.post(
    "/{seller_id}/disable",
    summary="Stop sending to and reading from a seller",
    responses=declare(*_ASKED, NOT_FOUND),
)
async def disable_seller(
    session: StaffWrite, staff: OperatorStaff, seller_id: SellerId
) -> SellerView:
    """Nothing is lost: commands wait, and the feed is read on once it is enabled.

    A seller can't be deleted, since its services live there.
    """
    row = await connect.change_seller(session, staff, seller_id=seller_id, enabled=False)
    return seller_view(row, session.clock)


@_router.post(
    "/{seller_id}/enable", summary="Go on with a seller", responses=declare(*_ASKED, NOT_FOUND)
)
async def enable_seller(
    session: StaffWrite, staff: OperatorStaff, seller_id: SellerId
) -> SellerView:
    """Commands that waited are sent, and its feed is read from where that ended."""
    row = await connect.change_seller(session, staff, seller_id=seller_id, enabled=True)
    return seller_view(row, session.clock)
