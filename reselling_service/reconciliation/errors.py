"""What the desk may be told of differences with sellers."""

from shared.contract.problems import ProblemType

TARIFF_NOT_IMPORTED = ProblemType(
    "tariff_not_imported", 409, "The service's tariff isn't among ours"
)
NO_COMMAND_KNOWN = ProblemType("no_command_known", 409, "No command of ours is known for this")
CLIENT_NEEDED = ProblemType("client_needed", 422, "Name the client whose service it is")
