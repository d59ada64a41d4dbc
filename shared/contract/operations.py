"""Operations (what a seller does for a command) and what is remembered of commands."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from shared.contract.basics import CommandKind, OperationState, Output, Timestamp
from shared.contract.problems import Problem


class OperationProblem(Output):
    """Why an operation failed or waits."""

    code: str
    title: str
    detail: str


class Operation(Output):
    """One execution. `result` says what a reader must know of it, for instance `running`."""

    id: UUID
    command_id: UUID | None
    service_ref: UUID
    kind: CommandKind | str
    state: OperationState | str
    progress: int = Field(description="Percent, 0 to 100.")
    attempts: int
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    result: dict[str, object] | None
    problem: OperationProblem | None


class CommandState(StrEnum):
    """What became of a command at the seller."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class CommandRecord(Output):
    """A command as it is remembered, for ever: its operation, or the refusal."""

    command_id: UUID
    state: CommandState | str
    received_at: Timestamp
    operation: Operation | None
    problem: Problem | None
