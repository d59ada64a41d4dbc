"""Shapes of the ledger's API. Amounts are minor units of the house's one currency."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from shared.contract.basics import CurrencyCode, Input, Money, Output, Timestamp, Whole
from shared.kit.text import Line

_TOP_UP: JsonDict = {
    "reference": "0196f0c4-7c1d-4c5e-9c57-3d4f6a1b2c3d",
    "amount": {"amount": 5000, "currency": "EUR"},
    "text": "Bank transfer of 3 May",
}
_LINE: JsonDict = {
    "id": "0196f0c4-8d2e-7d6f-8a68-4e5f7b2c3d4e",
    "at": "2026-05-03T10:15:00Z",
    "kind": "top_up",
    "service_id": None,
    "amount": {"amount": 5000, "currency": "EUR"},
    "balance_after": {"amount": 5000, "currency": "EUR"},
    "text": "Bank transfer of 3 May",
}


class TopUpAmount(Input):
    """What was paid in: above zero, at most a million millions."""

    amount: Annotated[Whole, Field(ge=1, le=10**12)]
    currency: CurrencyCode


class TopUpRequest(Input):
    """Money that a client has paid. `reference` is made once per payment by whoever enters it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TOP_UP]})

    reference: UUID = Field(description="Sent again with the same content, nothing is added again.")
    amount: TopUpAmount
    text: Line = Field(default="Top-up", description="The client reads it on the statement.")


class BalanceView(Output):
    """What the client has: `available` is `balance` minus `held`."""

    balance: Money
    held: Money
    available: Money


class StatementLine(Output):
    """One movement of a client's balance: what came in is above zero, what was charged below."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LINE]})

    id: UUID
    at: Timestamp
    kind: str
    service_id: UUID | None
    amount: Money
    balance_after: Money
    text: str


class HoldView(Output):
    """Money set aside for a command until it has succeeded (captured) or not (released)."""

    id: UUID
    client_id: UUID
    service_id: UUID | None
    command_id: UUID
    amount: Money
    state: str = Field(examples=["open"])
    text: str
    created_at: Timestamp
    closed_at: Timestamp | None
