"""Shapes of commands in the staff's API. What a client wrote (the body) is never shown."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import Field

from reselling_service.commands.models import Attempt, Command
from reselling_service.commands.rules import CommandStatus
from shared.contract.basics import CommandKind, Output, Timestamp


class AttemptView(Output):
    """One sending and what came back. `nothing`: the answer said nothing of the command."""

    number: int
    at: Timestamp
    milliseconds: int
    outcome: str = Field(examples=["nothing"])
    status: int | None
    code: str | None
    detail: str | None
    request_id: str | None


class CommandView(Output):
    """A wish sent to a seller, and how far it came."""

    id: UUID
    sequence: int = Field(description="Its place among the commands of its service.")
    seller_id: UUID
    client_id: UUID
    service_id: UUID
    service_ref: UUID
    kind: CommandKind
    state: CommandStatus
    asked_by: str
    summary: dict[str, Any]
    attempts: int
    deadline_at: Timestamp | None
    next_attempt_at: Timestamp | None
    operation_id: UUID | None
    operation_state: str | None
    problem: dict[str, Any] | None
    traceparent: str | None
    created_at: Timestamp
    answered_at: Timestamp | None
    settled_at: Timestamp | None


class CommandDetail(CommandView):
    """A command with its last attempts, newest first."""

    attempt_list: list[AttemptView]


def command_view(row: Command) -> CommandView:
    """Show a command's row."""
    return CommandView.model_validate(row, from_attributes=True)


def command_detail(row: Command, attempts: Sequence[Attempt]) -> CommandDetail:
    """Show a command's row with its attempts."""
    shown = [AttemptView.model_validate(each, from_attributes=True) for each in attempts]
    return CommandDetail(**command_view(row).model_dump(), attempt_list=shown)
