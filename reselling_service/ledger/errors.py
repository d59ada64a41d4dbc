"""What the ledger may refuse, besides `insufficient_balance` of the catalogue."""

from shared.contract.problems import ProblemType

WRONG_CURRENCY = ProblemType("wrong_currency", 422, "The house doesn't take this currency")
REFERENCE_TAKEN = ProblemType("reference_taken", 409, "The reference belongs to another top-up")
