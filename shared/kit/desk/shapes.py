"""The shapes of a desk: what needs a person, who holds it, and what people send."""

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from shared.contract.basics import Flag, Input, Money, Output, Timestamp, shown
from shared.kit.desk.words import Action, Words

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$"),
    Field(description="Why, for whoever reads the audit later."),
]


class DeskReason(Input):
    """Why somebody does this."""

    model_config = shown({"reason": "The platform is back since 9:40."})

    reason: Reason


class DeskHandOver(DeskReason):
    """To whom something is handed over; null: to nobody, it is free again."""

    model_config = shown(
        {"to": "0197c7a4-55d0-7b6e-9d53-3a4f2f1f7c11", "reason": "You know this node."}
    )

    to: UUID | None


class DeskUnpark(DeskReason):
    """Why it may go on. Where the books still don't agree, that was made good by hand, or not."""

    model_config = shown({"reason": "Corrected by hand, entry 4711.", "settled_by_hand": True})

    settled_by_hand: Flag = Field(
        default=False,
        description="The fault that is found stays in the books, and is made good otherwise.",
    )


class HeldMoney(Output):
    """Money that waits for the end of this."""

    amount: Money
    state: str = Field(description="open, captured or released", examples=["open"])


class Holder(Output):
    """Who holds it, since when, and what was said."""

    staff_id: UUID
    name: str
    note: str | None
    since: Timestamp


class DeskItem(Output):
    """Something that needs a person."""

    kind: str
    id: UUID
    state: str
    what: str = Field(description="The kind of the command or job.", examples=["order"])
    code: str | None = Field(examples=["unavailable"])
    why: str = Field(description="What happened, in plain words.")
    to_do: str = Field(description="What to do about it.")
    detail: str | None = Field(
        description="The words of whoever failed; of a difference what would put it right."
    )
    attempts: int
    next_attempt_at: Timestamp | None
    since: Timestamp
    holder: Holder | None
    money: HeldMoney | None
    service_id: UUID | None
    trace_id: str | None = Field(description="Read the trail of this id.")
    actions: list[str] = Field(description="What can be done here.", examples=[["retry"]])


def item_fields(row: Any, words: Words, actions: Iterable[Action]) -> dict[str, Any]:  # noqa: ANN401
    """The fields of a `DeskItem` from a row of the desk's statement, with words and actions."""
    money = holder = None
    if row.hold_amount is not None:
        amount = Money(amount=row.hold_amount, currency=row.currency)
        money = HeldMoney(amount=amount, state=row.hold_state)
    if row.holder_id is not None:
        holder = Holder(
            staff_id=row.holder_id, name=row.holder_name, note=row.note, since=row.handed_at
        )
    return {
        "kind": row.kind,
        "id": row.id,
        "state": row.state,
        "what": row.what,
        "code": row.code,
        "why": words.why,
        "to_do": words.to_do,
        "detail": row.detail,
        "attempts": row.attempts,
        "next_attempt_at": row.next_attempt_at,
        "since": row.since,
        "holder": holder,
        "money": money,
        "service_id": row.service_id,
        "trace_id": row.trace_id,
        "actions": sorted(actions),
    }
