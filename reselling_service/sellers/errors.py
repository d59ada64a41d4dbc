"""What can go wrong between a reseller and its sellers, as problems of the staff's API.

None of these crosses the wire to a seller.
"""

from shared.contract.problems import ProblemType
from shared.kit.problems import ProblemError

# 424 and not 5xx: it is the seller who failed, this service is well.
SELLER_UNREACHABLE = ProblemType("seller_unreachable", 424, "The seller can't be reached")
NOT_A_SELLER = ProblemType("not_a_seller", 424, "What answers isn't a Tandem seller")
SELLER_KEY_REFUSED = ProblemType("seller_key_refused", 424, "The seller refuses the key")
SELLER_UNWILLING = ProblemType("seller_unwilling", 424, "The seller answered with a problem")
CONTRACT_NOT_SUPPORTED = ProblemType(
    "contract_not_supported", 409, "The seller speaks another contract"
)
KEY_LACKS_SCOPES = ProblemType("key_lacks_scopes", 409, "The key may do too little")
SELLER_EXISTS = ProblemType("seller_exists", 409, "This seller is connected already")
OTHER_SELLER = ProblemType("other_seller", 409, "This is another seller or installation")
SELLER_ADDRESS = ProblemType("seller_address", 422, "The seller's address isn't one to be called")
SELLER_DISABLED = ProblemType("seller_disabled", 409, "The seller is disabled")

CALL_PROBLEMS = (SELLER_UNREACHABLE, NOT_A_SELLER, SELLER_KEY_REFUSED, SELLER_UNWILLING)


class SellerProblem(ProblemError):
    """A call that brought no answer. `status` and `code` are the seller's, where it gave any.

    `retry_after` is in seconds, where the seller asked for patience.
    """

    def __init__(
        self,
        type_: ProblemType,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(type_, detail)
        self.status = status
        self.code = code
        self.retry_after = retry_after
