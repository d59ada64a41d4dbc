"""What the room of privacy may refuse."""

from shared.contract.problems import ProblemType

ERASURE_BLOCKED = ProblemType(
    "erasure_blocked", 409, "Something keeps the client from being erased"
)
