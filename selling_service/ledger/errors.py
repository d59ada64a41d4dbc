"""Problems of the ledger's administration. Only the provider's staff meets them."""

from shared.contract.problems import ProblemType

REFERENCE_USED = ProblemType("reference_used", 409, "The reference belongs to another posting")
