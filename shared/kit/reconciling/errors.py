"""What the desk may be told."""

from shared.contract.problems import ProblemType

NOT_DECIDABLE = ProblemType(
    "not_decidable", 409, "This difference can't be put right in this way (now)"
)
