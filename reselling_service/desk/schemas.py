"""The shapes of the reseller's desk. Of a client they show the id alone."""

from typing import Any
from uuid import UUID

from pydantic import Field

from reselling_service.desk.rules import DeskKind, DeskState, actions_of, explain
from shared.contract.basics import Output
from shared.contract.trail import Trail
from shared.kit.desk import DeskItem, item_fields


class ResellingDeskItem(DeskItem):
    """Something at the reseller that needs a person."""

    kind: DeskKind
    state: DeskState
    seller_id: UUID | None
    seller_name: str | None
    client_id: UUID | None


class TrailSource(Output):
    """A seller whom the trace led to, and whether its part is here."""

    seller_id: UUID
    seller_name: str
    told: bool
    problem: str | None = Field(description="Why its part is missing.")
    clock_ahead_milliseconds: int = Field(
        description="How far the seller's clock is ahead of ours, for certain (negative: behind). "
        "Its items keep its own times; their place in the list has this taken off.",
    )


class WholeTrail(Trail):
    """What both sides know of a trace, oldest first, each item with its own side's time."""

    sellers: list[TrailSource]


def desk_item(row: Any) -> ResellingDeskItem:  # noqa: ANN401 - a row of the desk's statement
    """A row in plain words."""
    words = explain(kind=row.kind, state=row.state, what=row.what, code=row.code)
    actions = actions_of(kind=row.kind, state=row.state, what=row.what)
    return ResellingDeskItem(
        **item_fields(row, words, actions),
        seller_id=row.seller_id,
        seller_name=row.seller_name,
        client_id=row.client_id,
    )
