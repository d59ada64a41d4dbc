"""Problems of commands that only the staff's API answers."""

from shared.contract.problems import ProblemType

COMMAND_SETTLED = ProblemType("command_settled", 409, "The command has ended")
