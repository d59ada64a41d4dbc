"""Shapes of what is held about a client, and of the wish to be forgotten."""

from typing import Any
from uuid import UUID

from pydantic import Field

from shared.contract.basics import Input, Money, Output, Timestamp, shown


class ExportedProfile(Output):
    """Who they are, and what staff noted of them."""

    id: UUID
    email: str
    name: str
    phone: str | None
    address: str | None
    note: str | None
    state: str
    has_password: bool
    created_at: Timestamp


class ExportedSession(Output):
    """A login, open or over."""

    created_at: Timestamp
    seen_at: Timestamp | None
    expires_at: Timestamp
    address: str | None
    agent: str | None


class ExportedService(Output):
    """A service that there is or was. What was sent to its VM at the order isn't kept."""

    id: UUID
    name: str
    hostname: str
    tariff: str
    os: str
    period: str
    price: Money
    wanted: str
    state: str | None
    paid_until: Timestamp | None
    addresses: list[str]
    created_at: Timestamp


class ExportedSuspension(Output):
    """A suspension that stands, with what staff noted."""

    service_id: UUID
    cause: str
    reason: str
    note: str | None
    since: Timestamp


class ExportedOrder(Output):
    """An order."""

    id: UUID
    service_id: UUID
    period: str
    total: Money
    ordered_by: str
    created_at: Timestamp


class ExportedCommand(Output):
    """A wish that was sent for them."""

    id: UUID
    service_id: UUID
    kind: str
    asked_by: str
    state: str
    created_at: Timestamp


class ExportedEntry(Output):
    """One movement of the balance."""

    at: Timestamp
    kind: str
    text: str
    service_id: UUID | None
    amount: Money
    balance_after: Money


class ExportedHold(Output):
    """Money that was or is set aside."""

    created_at: Timestamp
    text: str
    amount: Money
    state: str


class ExportedAudit(Output):
    """What staff or the house did about them. Which person it was is the house's affair."""

    at: Timestamp
    by: str = Field(examples=["staff"])
    action: str
    object_type: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class ClientExport(Output):
    """Everything that is held about a client here. Sellers know a random name and the VMs."""

    made_at: Timestamp
    profile: ExportedProfile
    sessions: list[ExportedSession]
    balance: Money
    statement: list[ExportedEntry]
    holds: list[ExportedHold]
    services: list[ExportedService]
    suspensions: list[ExportedSuspension]
    orders: list[ExportedOrder]
    commands: list[ExportedCommand]
    audit: list[ExportedAudit]


class ErasureWish(Input):
    """Forget a client. `paid_out` is what was paid back to them: exactly their balance, or null."""

    model_config = shown({"paid_out": None}, {"paid_out": {"amount": 990, "currency": "EUR"}})

    paid_out: Money | None = None


class ErasureView(Output):
    """That it is done, and since when."""

    client_id: UUID
    erased_at: Timestamp
