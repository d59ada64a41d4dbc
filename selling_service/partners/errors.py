"""Problems of the partners' administration. Only the provider's staff meets them."""

from shared.contract.problems import ProblemType

NAME_TAKEN = ProblemType("name_taken", 409, "The name is in use")
KEY_ENDED = ProblemType("key_ended", 409, "The key is revoked or has expired")
EXPIRY_OUT_OF_RANGE = ProblemType("expiry_out_of_range", 422, "The expiry isn't in range")
