"""The shapes of the provider's desk."""

from typing import Any
from uuid import UUID

from selling_service.desk.rules import DeskKind, DeskState, actions_of, explain
from shared.kit.desk import DeskItem, item_fields


class SellingDeskItem(DeskItem):
    """Something at the provider that needs a person."""

    kind: DeskKind
    state: DeskState
    partner_id: UUID | None
    partner_name: str | None


def desk_item(row: Any) -> SellingDeskItem:  # noqa: ANN401 - a row of the desk's statement
    """A row in plain words."""
    words = explain(kind=row.kind, state=row.state, what=row.what, code=row.code)
    actions = actions_of(kind=row.kind, state=row.state, what=row.what)
    fields = item_fields(row, words, actions)
    return SellingDeskItem(**fields, partner_id=row.partner_id, partner_name=row.partner_name)
