"""Puts rows into the contract's shapes, and adds the shapes that only the provider's staff see."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import Field

from selling_service.services.models import OperationRow, ServiceRow, SuspensionRow
from selling_service.services.rules import ALLOWED
from shared.contract.basics import (
    Actor,
    Flag,
    Input,
    Money,
    OperationState,
    PowerState,
    ServiceState,
    SuspensionReason,
    Timestamp,
    shown,
)
from shared.contract.operations import Operation, OperationProblem
from shared.contract.services import (
    InventoryItem,
    ServiceFacts,
    ServiceStatus,
    ServiceView,
    Suspension,
)
from shared.kit.vault import Vault


class StaffServiceView(ServiceStatus):
    """A service as the provider's staff see it: the partner and references, no client."""

    id: UUID
    partner_id: UUID
    installation_id: UUID
    data_center_id: UUID
    created_at: Timestamp


class StaffOperationView(Operation):
    """An operation as the provider's staff see it."""

    partner_id: UUID
    service_id: UUID
    actor: str
    request_id: UUID | None
    traceparent: str | None
    given_up: bool = Field(
        description="Its attempts are used up: it stays as it is until staff retry it."
    )
    platform_detail: str | None = Field(description="The platform's own words on the problem.")


class StaffActor(Input):
    """The actors that the provider's staff may name."""

    model_config = shown({"actor": "provider"})

    actor: Actor = Field(default=Actor.PROVIDER, examples=["provider", "abuse"])


class StaffSuspendRequest(StaffActor):
    """Suspend in the provider's name, or for abuse."""

    model_config = shown({"actor": "abuse", "reason": "abuse"})

    reason: SuspensionReason = SuspensionReason.OTHER


class StaffRestoreRequest(Input):
    """Take the provider's termination back, with one more term for the partner's money or not."""

    model_config = shown({"renew": True})

    renew: Flag = False


def suspension(row: SuspensionRow) -> Suspension:
    """One actor's suspension."""
    return Suspension(actor=row.actor, reason=row.reason, since=row.since)


def status(row: ServiceRow, suspensions: Sequence[SuspensionRow]) -> ServiceStatus:
    """The public state, as it also travels in events."""
    return ServiceStatus(
        service_ref=row.service_ref,
        client_ref=row.client_ref,
        revision=row.revision,
        state=ServiceState(row.state),
        power=PowerState(row.power),
        wanted_power=PowerState(row.wanted_power),
        suspensions=[suspension(item) for item in suspensions],
        tariff_id=row.tariff_id,
        tariff_version=row.tariff_version,
        period=row.period,
        activated_at=row.activated_at,
        paid_until=row.paid_until,
        terminate_at=row.terminate_at,
        terminated_at=row.terminated_at,
        delete_at=row.delete_at,
        facts=ServiceFacts(
            vcpu=row.vcpu,
            ram_mib=row.ram_mib,
            disk_gib=row.disk_gib,
            ipv4=list(row.addresses),
            os=row.os,
        ),
    )


def view(
    row: ServiceRow,
    suspensions: Sequence[SuspensionRow],
    *,
    vault: Vault,
    data_center: str,
    renewal_price: Money,
) -> ServiceView:
    """A service as its partner sees it."""
    return ServiceView(
        **dict(status(row, suspensions)),
        hostname=vault.decrypt_text(row.hostname),
        data_center=data_center,
        installation_id=row.installation_id,
        created_at=row.created_at,
        renewal_price=renewal_price,
        allowed=sorted(ALLOWED[ServiceState(row.state)]),
    )


def staff_view(row: ServiceRow, suspensions: Sequence[SuspensionRow]) -> StaffServiceView:
    """A service as the provider's staff see it."""
    return StaffServiceView(
        **dict(status(row, suspensions)),
        id=row.id,
        partner_id=row.partner_id,
        installation_id=row.installation_id,
        data_center_id=row.data_center_id,
        created_at=row.created_at,
    )


def inventory_item(row: ServiceRow, suspensions: Sequence[SuspensionRow]) -> InventoryItem:
    """One line of the inventory."""
    return InventoryItem(
        service_ref=row.service_ref,
        client_ref=row.client_ref,
        installation_id=row.installation_id,
        revision=row.revision,
        state=ServiceState(row.state),
        power=PowerState(row.power),
        paid_until=row.paid_until,
        suspended_by=[item.actor for item in suspensions],
    )


def operation(row: OperationRow) -> Operation:
    """An operation as its partner sees it."""
    return Operation(
        id=row.id,
        command_id=row.command_id,
        service_ref=row.service_ref,
        kind=row.kind,
        state=OperationState(row.state),
        progress=row.progress,
        attempts=row.attempts,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        result=row.result,
        problem=OperationProblem.model_validate(row.problem) if row.problem else None,
    )


def staff_operation(row: OperationRow, *, given_up: bool = False) -> StaffOperationView:
    """An operation as the provider's staff see it."""
    return StaffOperationView(
        **dict(operation(row)),
        partner_id=row.partner_id,
        service_id=row.service_id,
        actor=row.actor,
        request_id=row.request_id,
        traceparent=row.traceparent,
        given_up=given_up,
        platform_detail=row.problem.get("internal") if row.problem else None,
    )
