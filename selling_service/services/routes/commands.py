"""Orders and commands of partners: each is accepted with 202 and an operation."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from selling_service.partners.routes import FOR_KEYS, PartnerWrite, needs
from selling_service.partners.rules import PartnerPrincipal
from selling_service.services.actions.commands import cancel_command, read_command
from selling_service.services.actions.operations import Wish
from selling_service.services.actions.order import Buyer, order
from selling_service.services.actions.power import rename, switch_power
from selling_service.services.actions.suspend import resume, suspend
from selling_service.services.actions.terminate import restore, terminate
from selling_service.services.actions.terms import renew
from selling_service.services.errors import check_edition
from selling_service.services.models import OperationRow, ServiceRow
from selling_service.services.routes.once import COMMAND_PROBLEMS, Caller, calling
from selling_service.services.rules import Side
from shared.contract import problems as catalogue
from shared.contract.basics import Actor, CommandKind, Scope
from shared.contract.operations import CommandRecord, Operation
from shared.contract.services import (
    OrderRequest,
    PowerRequest,
    RenameRequest,
    RenewRequest,
    RestoreRequest,
    ResumeRequest,
    SuspendRequest,
    TerminateRequest,
)
from shared.kit.idempotency import CommandRoute
from shared.kit.problems import declare

router = APIRouter(tags=["services"], route_class=CommandRoute)
Orderer = Annotated[Caller, calling(Scope.SERVICES_ORDER)]
Manager = Annotated[Caller, calling(Scope.SERVICES_MANAGE)]
UrgentManager = Annotated[Caller, calling(Scope.SERVICES_MANAGE, urgent=True)]


def _taken(*types: catalogue.ProblemType) -> dict[str, Any]:
    """The common part of a commanding route: 202, an operation, and the declared problems."""
    return {
        "status_code": 202,
        "response_model": Operation,
        "response_description": "Accepted. Watch the operation, or wait for its event.",
        "responses": declare(*COMMAND_PROBLEMS, *types),
    }


def _on_service(*types: catalogue.ProblemType) -> dict[str, Any]:
    return _taken(catalogue.NOT_FOUND, catalogue.WRONG_STATE, *types)


@router.post(
    "/services",
    summary="Order a service",
    description="Accepted orders hold the first charge; it is captured at activation and "
    "released if the order fails. The same order under a new key is the service that exists.",
    **_taken(
        catalogue.EDITION_NOT_SUPPORTED,
        catalogue.ORDERS_CLOSED,
        catalogue.SERVICE_REF_TAKEN,
        catalogue.CLIENT_REF_TAKEN,
        catalogue.TARIFF_UNAVAILABLE,
        catalogue.PERIOD_NOT_OFFERED,
        catalogue.UNKNOWN_OS,
        catalogue.NOT_SUPPORTED,
        catalogue.PRICE_ABOVE_MAX,
        catalogue.OUT_OF_STOCK,
        catalogue.NO_CAPACITY,
        catalogue.INSUFFICIENT_BALANCE,
    ),
)
async def order_service(caller: Orderer, body: OrderRequest) -> JSONResponse:
    """Take an order."""
    settings = caller.runtime.settings

    async def action(wish: Wish) -> OperationRow:
        check_edition(settings.edition)
        buyer = Buyer(
            partner_id=caller.principal.partner_id,
            installation_id=caller.principal.installation_id,
            currency=settings.currency,
        )
        return await order(caller.session, buyer, body, wish)

    return await caller.order(action)


@router.post(
    "/services/{service_ref}/renew",
    summary="Renew by one period",
    description="`from` is the `paid_until` that is prolonged; another one is `term_moved`.",
    **_on_service(catalogue.TERM_MOVED, catalogue.PRICE_ABOVE_MAX, catalogue.INSUFFICIENT_BALANCE),
)
async def renew_service(caller: Manager, service_ref: UUID, body: RenewRequest) -> JSONResponse:
    """Prolong the paid term."""
    currency = caller.runtime.settings.currency

    async def action(service: ServiceRow, wish: Wish) -> OperationRow:
        return await renew(caller.session, service, body, wish, currency=currency)

    return await caller.on_service(service_ref, CommandKind.RENEW, action)


@router.post(
    "/services/{service_ref}/suspend",
    summary="Suspend",
    description="The VM is stopped and locked until everybody who suspended it has resumed it.",
    **_on_service(),
)
async def suspend_service(
    caller: UrgentManager, service_ref: UUID, body: SuspendRequest
) -> JSONResponse:
    """Suspend in the client's or the partner's name."""
    actor = Actor(body.actor)

    async def action(service: ServiceRow, wish: Wish) -> OperationRow:
        return await suspend(caller.session, service, actor=actor, reason=body.reason, wish=wish)

    return await caller.on_service(service_ref, CommandKind.SUSPEND, action, actor=actor)


@router.post(
    "/services/{service_ref}/resume",
    summary="Lift one's own suspension",
    description="Where others' suspensions remain, it succeeds with `running: false`.",
    **_on_service(catalogue.BLOCKED_BY_SUSPENSIONS),
)
async def resume_service(caller: Manager, service_ref: UUID, body: ResumeRequest) -> JSONResponse:
    """Lift the client's or the partner's suspension."""
    actor = Actor(body.actor)

    async def action(service: ServiceRow, wish: Wish) -> OperationRow:
        return await resume(caller.session, service, actor=actor, wish=wish)

    return await caller.on_service(service_ref, CommandKind.RESUME, action, actor=actor)


def _power_route(kind: CommandKind, summary: str) -> None:
    @router.post(
        f"/services/{{service_ref}}/{kind}",
        summary=summary,
        name=f"{kind}_service",
        **_on_service(catalogue.BLOCKED_BY_SUSPENSIONS),
    )
    async def switch(caller: Manager, service_ref: UUID, _body: PowerRequest) -> JSONResponse:
        async def action(service: ServiceRow, wish: Wish) -> OperationRow:
            return await switch_power(caller.session, service, kind, wish)

        return await caller.on_service(service_ref, kind, action)


_power_route(CommandKind.START, "Start the VM")
_power_route(CommandKind.STOP, "Stop the VM")
_power_route(CommandKind.RESTART, "Restart the VM")


@router.post(
    "/services/{service_ref}/rename",
    summary="Change the host name",
    description="The guest sees it at its next start.",
    **_on_service(),
)
async def rename_service(caller: Manager, service_ref: UUID, body: RenameRequest) -> JSONResponse:
    """Give the VM another host name."""

    async def action(service: ServiceRow, wish: Wish) -> OperationRow:
        return await rename(caller.session, service, hostname=body.hostname, wish=wish)

    return await caller.on_service(service_ref, CommandKind.RENAME, action)


@router.post(
    "/services/{service_ref}/terminate",
    summary="Terminate now or when the term ends",
    description="Stopped and locked at once, kept for the retention, then deleted. No refund.",
    **_on_service(),
)
async def terminate_service(
    caller: UrgentManager, service_ref: UUID, body: TerminateRequest
) -> JSONResponse:
    """End the service."""

    async def action(service: ServiceRow, wish: Wish) -> OperationRow:
        return await terminate(
            caller.session, service, when=body.when, side=Side.PARTNER, wish=wish
        )

    return await caller.on_service(service_ref, CommandKind.TERMINATE, action)


@router.post(
    "/services/{service_ref}/restore",
    summary="Take a termination back",
    description="Needs a term beyond the present, or `renew: true`. A renewal follows a term that "
    "still runs; where it is over, a new one begins when the restore is carried out.",
    **_on_service(catalogue.PRICE_ABOVE_MAX, catalogue.INSUFFICIENT_BALANCE),
)
async def restore_service(caller: Manager, service_ref: UUID, body: RestoreRequest) -> JSONResponse:
    """Build a terminated service up again, or forget a scheduled termination."""
    currency = caller.runtime.settings.currency

    async def action(service: ServiceRow, wish: Wish) -> OperationRow:
        return await restore(
            caller.session, service, body, side=Side.PARTNER, wish=wish, currency=currency
        )

    return await caller.on_service(service_ref, CommandKind.RESTORE, action)


@router.post(
    "/commands/{command_id}/cancel",
    name="cancel_command",
    summary="Cancel a command",
    description="One that never arrived is burned: if it comes later, it is refused as "
    "`command_cancelled`. A queued one is taken back and its hold released. Works for a blocked "
    "partner too: it undoes, and starts nothing.",
    responses=declare(
        *FOR_KEYS,
        catalogue.IN_PROGRESS,
        catalogue.COMMAND_NOT_CANCELLABLE,
        catalogue.INVALID_REQUEST,
    ),
)
async def cancel(
    principal: Annotated[PartnerPrincipal, needs(Scope.SERVICES_MANAGE)],
    session: PartnerWrite,
    command_id: UUID,
) -> CommandRecord:
    """Cancel what can still be cancelled; what became of the command."""
    await cancel_command(session, principal.partner_id, command_id=command_id)
    return await read_command(session, principal.partner_id, command_id=command_id)
