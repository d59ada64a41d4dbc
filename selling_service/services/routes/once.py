"""Runs a partner's command exactly once: what every commanding route has in common."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from selling_service.database import RuntimeDep, SellingRuntime
from selling_service.partners.routes import FOR_KEYS, PartnerWrite, needs
from selling_service.partners.rules import PartnerPrincipal, check_may_manage
from selling_service.services import queries
from selling_service.services.actions.commands import accepted, replay
from selling_service.services.actions.operations import Wish
from selling_service.services.errors import check_not_parked
from selling_service.services.models import OperationRow, ReceivedCommand, ServiceRow
from shared.contract import problems as catalogue
from shared.contract.basics import CommandKind, PartnerActor, Scope
from shared.kit import idempotency
from shared.kit.db import WriteSession
from shared.kit.idempotency import Answer, CommandId
from shared.kit.problems import ProblemError, not_found

# Every code that each commanding route may answer, besides those of its own.
COMMAND_PROBLEMS = (
    *FOR_KEYS,
    catalogue.MALFORMED_REQUEST,
    catalogue.IDEMPOTENCY_KEY_MISSING,
    catalogue.PARTNER_BLOCKED,
    catalogue.IN_PROGRESS,
    catalogue.COMMAND_CANCELLED,
    catalogue.PARKED,
    catalogue.BODY_TOO_LARGE,
    catalogue.INVALID_REQUEST,
    catalogue.IDEMPOTENCY_KEY_REUSED,
)


Action = Callable[[Wish], Awaitable[OperationRow]]
ServiceAction = Callable[[ServiceRow, Wish], Awaitable[OperationRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A partner that sends a command: who it is, its transaction, and the command's id."""

    request: Request
    runtime: SellingRuntime
    session: WriteSession
    principal: PartnerPrincipal
    command_id: UUID

    async def order(self, action: Action, *, actor: str = PartnerActor.PARTNER) -> JSONResponse:
        """The answer to an order."""
        return await self._once(CommandKind.ORDER, actor, action)

    async def on_service(
        self,
        service_ref: UUID,
        kind: CommandKind,
        action: ServiceAction,
        *,
        actor: str = PartnerActor.PARTNER,
    ) -> JSONResponse:
        """The answer to a command on a service of this partner, whose row is locked."""

        async def found(wish: Wish) -> OperationRow:
            service = await queries.find_service(
                self.session, self.principal.partner_id, service_ref=service_ref, lock=True
            )
            if service is None:
                raise not_found("service")
            check_not_parked(service.parked_at, kind)
            return await action(service, wish)

        return await self._once(kind, actor, found)

    async def refuse(self, problem: ProblemError) -> JSONResponse:
        """The answer to a request that isn't valid: also that is remembered with its command."""

        async def act() -> Answer:
            raise problem

        return await self._answer(act)

    async def _once(self, kind: CommandKind, actor: str, action: Action) -> JSONResponse:
        async def act() -> Answer:
            check_may_manage(self.principal, kind)
            return accepted(await action(Wish(actor=actor, command_id=self.command_id)))

        return await self._answer(act)

    async def _answer(self, act: Callable[[], Awaitable[Answer]]) -> JSONResponse:
        """Act, or answer as before."""
        url = self.request.url.path
        parts = (self.request.method.encode(), url.encode(), await self.request.body())
        command = idempotency.Request(
            tenant_id=self.principal.partner_id,
            command_id=self.command_id,
            fingerprint=self.session.vault.fingerprint(*parts),
            path=url,
        )

        async def again(known: ReceivedCommand) -> Answer:
            return await replay(self.session, self.principal.partner_id, known)

        answer = await idempotency.answer_once(
            self.session, ReceivedCommand, command, act, replay=again
        )
        return JSONResponse(
            answer.body,
            status_code=answer.status,
            headers=dict(answer.headers),
            media_type=answer.media_type,
        )


def calling(scope: Scope, *, urgent: bool = False) -> Any:  # noqa: ANN401 - as `Depends`
    """A dependency that gives the Caller of a commanding route."""

    def caller(
        request: Request,
        runtime: RuntimeDep,
        principal: Annotated[PartnerPrincipal, needs(scope, urgent=urgent)],
        session: PartnerWrite,
        command_id: CommandId,
    ) -> Caller:
        found = Caller(
            request=request,
            runtime=runtime,
            session=session,
            principal=principal,
            command_id=command_id,
        )
        idempotency.refuse_with(request, found.refuse)
        return found

    # As long-lived as the transaction that it carries.
    return Depends(caller, scope="function")
