"""What an order may be refused for at home, besides the codes of the catalogue."""

from shared.contract.problems import ProblemType

CLIENT_CLOSED = ProblemType("client_closed", 409, "The client's account is closed")
