"""Shapes of services: in plain words for their client, with everything for staff.

The client's shape names no provider and holds nothing of what the provider charges.
"""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from reselling_service.commands.models import Command
from reselling_service.services.models import Service, WantedSuspension, heard_of
from reselling_service.services.rules import (
    GONE,
    Blocker,
    Cause,
    Life,
    ShownState,
    Wanted,
    client_state,
    find_blockers,
    order_words,
    renewal_words,
    state_words,
    wanted_agrees,
)
from shared.contract.basics import (
    Flag,
    GivenTime,
    Input,
    Money,
    Output,
    SuspensionReason,
    TerminateWhen,
    Timestamp,
    Whole,
    shown,
)
from shared.contract.services import Hostname, ServiceStatus
from shared.kit.bookkeeping import MOST
from shared.kit.text import Line, Lines
from shared.kit.vault import Vault


class ServiceChange(Input):
    """What stays at home: display name and renewal. Fields left out stay."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Web shop", "auto_renew": True}]}
    )

    name: Line | None = None
    auto_renew: Flag | None = None


class StaffSuspend(Input):
    """A suspension by staff. The note stays at home; the reason goes to the seller as a code."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"cause": "client_debt", "reason": "unpaid", "note": "Invoice 17"}]
        }
    )

    cause: Cause = Cause.STAFF
    reason: SuspensionReason = SuspensionReason.OTHER
    note: Lines | None = None


class StaffResume(Input):
    """Which of our suspensions is to be lifted."""

    model_config = shown({"cause": "staff"})

    cause: Cause = Field(default=Cause.STAFF, examples=["staff"])


class Rename(Input):
    """Another host name; the VM sees it at its next start."""

    model_config = shown({"hostname": "web-2.example.com"})

    hostname: Hostname = Field(examples=["web-2.example.com"])


class Terminate(Input):
    """End the service now, or when the paid term is over."""

    model_config = shown({"when": "period_end"})

    when: TerminateWhen = Field(default=TerminateWhen.PERIOD_END, examples=["period_end"])


class Restore(Input):
    """Take a termination back. `renew` agrees to pay for a term where the paid one is over."""

    model_config = shown({"renew": False})

    renew: Flag = Field(default=False, examples=[False])


class Renew(Input):
    """Prolong by one term. `paid_until`, as it was shown, keeps a repeated click from a second."""

    model_config = shown({"paid_until": "2030-02-01T10:00:00Z"}, {})

    paid_until: GivenTime | None = Field(default=None, examples=["2026-06-01T10:00:00Z"])


_Amount = Annotated[Whole, Field(ge=0, le=MOST, examples=[990])]


class PriceChange(Input):
    """What another term costs, in minor units of the service's currency (990 is 9.90 EUR)."""

    model_config = shown({"price": 990, "upstream_max_price": 700})

    price: _Amount = Field(description="For the client.")
    upstream_max_price: _Amount = Field(description="What the seller may charge us at the most.")


class TermPrice(Output):
    """What another term of a service costs."""

    price: Money
    upstream_max_price: Money


class Reprice(Input):
    """Whose services get the prices of today."""

    model_config = shown({"tariff_id": "0197c7a4-55d0-7b6e-9d53-3a4f2f1f7c11"})

    tariff_id: UUID


class Repriced(Output):
    """How many services have other prices now."""

    changed: int


class SuspensionView(Output):
    """Who keeps the service stopped, and what to do about it."""

    by: str = Field(examples=["client"])
    reason: str | None = Field(examples=["requested"])
    text: str = Field(examples=["You suspended it; resume it first."])


class PendingView(Output):
    """A wish that is under way."""

    command_id: UUID
    kind: str = Field(examples=["restart"])
    since: Timestamp


class ClientServiceView(Output):
    """A service as its client sees it. `addresses` and sizes are null until it is built."""

    id: UUID
    name: str
    tariff_id: UUID
    tariff_name: str
    state: ShownState
    text: str = Field(description="The state in plain words.", examples=["It is active."])
    suspended_by: list[SuspensionView]
    power: str | None = Field(description="What was last seen: running or stopped.")
    hostname: str
    os: str
    addresses: list[str] | None
    vcpu: int | None
    ram_mib: int | None
    disk_gib: int | None
    period: str
    price: Money = Field(description="What another term costs.")
    auto_renew: bool = Field(description="Off also while its end is wanted.")
    renewal_problem: str | None
    order_problem: str | None
    paid_until: Timestamp | None
    terminate_at: Timestamp | None
    delete_at: Timestamp | None
    pending: list[PendingView]
    created_at: Timestamp


class WantedSuspensionView(Output):
    """One of our own suspensions, with the note that stays at home."""

    cause: str
    reason: str
    note: str | None
    since: Timestamp


class StaffServiceView(ClientServiceView):
    """A service as staff see it: what is wanted, what was heard, and whether they agree."""

    client_id: UUID
    seller_id: UUID
    service_ref: UUID
    client_ref: UUID
    upstream_max_price: Money = Field(description="What the seller may charge for another term.")
    wanted_life: str
    wanted_power: str
    wanted_suspensions: list[WantedSuspensionView]
    terminated_by: str | None
    terminate_when: str | None
    renewed_from: Timestamp | None
    renewal_problem_code: str | None
    order_problem_code: str | None
    heard: ServiceStatus | None
    heard_at: Timestamp | None
    agrees: bool
    parked: str | None


def client_view(
    service: Service,
    suspensions: Sequence[WantedSuspension],
    commands: Sequence[Command],
    *,
    vault: Vault,
) -> ClientServiceView:
    """The shape for the client."""
    heard = heard_of(service)
    facts = heard.facts if heard else None
    blockers = find_blockers([(row.cause, row.reason) for row in suspensions], heard)
    state = client_state(_wanted(service, suspensions), heard, suspended=bool(blockers))
    return ClientServiceView(
        id=service.id,
        name=service.name,
        tariff_id=service.tariff_id,
        tariff_name=service.tariff_name,
        state=state,
        text=state_words(state, heard, blockers),
        suspended_by=[_suspension(blocker) for blocker in blockers]
        if state is ShownState.SUSPENDED
        else [],
        power=service.heard_power,
        hostname=vault.decrypt_text(service.hostname),
        os=service.os,
        addresses=facts.ipv4 if facts else None,
        vcpu=facts.vcpu if facts else None,
        ram_mib=facts.ram_mib if facts else None,
        disk_gib=facts.disk_gib if facts else None,
        period=service.period,
        price=Money(amount=service.price, currency=service.currency),
        auto_renew=service.auto_renew and service.wanted_life == Life.ACTIVE,
        renewal_problem=renewal_words(service.renewal_problem),
        order_problem=order_words(service.order_problem),
        paid_until=service.heard_paid_until,
        terminate_at=heard.terminate_at if heard else None,
        delete_at=heard.delete_at if heard and heard.state in GONE else None,
        pending=[
            PendingView(command_id=row.id, kind=row.kind, since=row.created_at) for row in commands
        ],
        created_at=service.created_at,
    )


def staff_view(
    service: Service,
    suspensions: Sequence[WantedSuspension],
    commands: Sequence[Command],
    *,
    vault: Vault,
) -> StaffServiceView:
    """The shape for staff."""
    heard = heard_of(service)
    shown = client_view(service, suspensions, commands, vault=vault)
    max_price = Money(amount=service.upstream_max_price, currency=service.currency)
    return StaffServiceView(
        **dict(shown),
        client_id=service.client_id,
        seller_id=service.seller_id,
        service_ref=service.service_ref,
        client_ref=service.client_ref,
        upstream_max_price=max_price,
        wanted_life=service.wanted_life,
        wanted_power=service.wanted_power,
        wanted_suspensions=[
            WantedSuspensionView(cause=row.cause, reason=row.reason, note=row.note, since=row.since)
            for row in suspensions
        ],
        terminated_by=service.terminated_by,
        terminate_when=service.terminate_when,
        renewed_from=service.renewed_from,
        renewal_problem_code=service.renewal_problem,
        order_problem_code=service.order_problem,
        heard=heard,
        heard_at=service.heard_at,
        agrees=wanted_agrees(_wanted(service, suspensions), heard),
        parked=service.parked,
    )


def _wanted(service: Service, suspensions: Sequence[WantedSuspension]) -> Wanted:
    return Wanted(
        life=service.wanted_life,
        power=service.wanted_power,
        causes=frozenset(row.cause for row in suspensions),
        terminate_when=service.terminate_when,
    )


def _suspension(blocker: Blocker) -> SuspensionView:
    return SuspensionView(by=blocker.by, reason=blocker.reason, text=blocker.text)
