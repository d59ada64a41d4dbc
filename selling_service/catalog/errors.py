"""Problems of the catalogue's administration. Only the provider's staff meets them."""

from shared.contract.problems import INVALID_REQUEST, FieldError, ProblemType
from shared.kit.problems import ProblemError

CODE_TAKEN = ProblemType("code_taken", 409, "The code is in use")
STOCK_NOT_COUNTED = ProblemType("stock_not_counted", 409, "The tariff's stock isn't counted")
STOCK_TOO_LOW = ProblemType("stock_too_low", 409, "The stock can't become less than nothing")
EFFECTIVE_TOO_EARLY = ProblemType(
    "effective_too_early", 409, "A version can't take effect before the one it follows"
)


def unknown(field: str, message: str) -> ProblemError:
    """A field of the body names what doesn't exist or doesn't fit."""
    detail = "Some fields are missing or wrong; see errors."
    found = [FieldError(path=f"body.{field}", message=message)]
    return ProblemError(INVALID_REQUEST, detail, errors=found)
