"""Shapes of the ledger's administration; amounts are minor units (990 is 9.90 EUR)."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from shared.contract.basics import Input, Whole, shown
from shared.kit.bookkeeping import MOST
from shared.kit.text import Line

_REFERENCE = "0197c7a4-55d0-4b6e-9d53-3a4f2f1f7c11"
_Reference = Annotated[
    UUID,
    Field(
        description="Yours, new for each posting. Sent again with the same content, it is booked "
        "once and answered the same.",
        examples=[_REFERENCE],
    ),
]


class MoneyInput(Input):
    """A top-up or a pay-out."""

    model_config = shown(
        {"reference": _REFERENCE, "amount": 100_000, "text": "Bank transfer, March"}
    )

    reference: _Reference
    amount: Whole = Field(ge=1, le=MOST, examples=[100_000])
    text: Line = Field(description="The partner reads it.", examples=["Bank transfer, March"])


class CorrectionInput(Input):
    """A correction: positive in the partner's favour, negative in the provider's."""

    model_config = shown(
        {"reference": _REFERENCE, "amount": -250, "text": "Charged twice in March"}
    )

    reference: _Reference
    amount: Whole = Field(ge=-MOST, le=MOST, examples=[-250])
    text: Line = Field(description="The partner reads it.", examples=["Charged twice in March"])


class CreditLimitInput(Input):
    """How far the balance may go below zero."""

    model_config = shown({"credit_limit": 50_000})

    credit_limit: Whole = Field(ge=0, le=MOST, examples=[50_000])
