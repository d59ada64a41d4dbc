"""Problems of services that only the reseller's own APIs answer; codes are frozen."""

from shared.contract.problems import ProblemType

SERVICE_SUSPENDED = ProblemType("service_suspended", 409, "The service is suspended")
NOT_YOURS_TO_RESUME = ProblemType(
    "not_yours_to_resume", 409, "The suspension was set by somebody else"
)
NOT_YOURS_TO_RESTORE = ProblemType(
    "not_yours_to_restore", 409, "The service was terminated by somebody else"
)
NOT_IN_THIS_STATE = ProblemType("not_in_this_state", 409, "The service's state doesn't allow this")
UNDER_WAY = ProblemType("under_way", 409, "The same wish is still under way")
RENEWAL_NEEDED = ProblemType(
    "renewal_needed", 409, "The paid term is over: a restore needs a renewal"
)
PAID_UNTIL_MOVED = ProblemType("paid_until_moved", 409, "The service was renewed in the meantime")
