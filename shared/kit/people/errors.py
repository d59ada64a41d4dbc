"""Problems that only staff meet. They never cross the wire between the services."""

from shared.contract.problems import (
    BODY_TOO_LARGE,
    INVALID_REQUEST,
    MALFORMED_REQUEST,
    UNAUTHORIZED,
    UNAVAILABLE,
    ProblemType,
)

ROLE_REQUIRED = ProblemType("role_required", 403, "Your role doesn't allow this")
LOGIN_TAKEN = ProblemType("login_taken", 409, "Somebody has this e-mail address already")
LAST_OWNER = ProblemType("last_owner", 409, "The last owner can't be removed")
WRONG_PASSWORD = ProblemType("wrong_password", 403, "The current password is wrong")

SECOND_FACTOR_REQUIRED = ProblemType(
    "second_factor_required", 401, "The password is right; a code is wanted, too"
)
SECOND_FACTOR_WRONG = ProblemType("second_factor_wrong", 403, "The code is wrong or was used")
SECOND_FACTOR_ENROLMENT = ProblemType(
    "second_factor_enrolment", 403, "Your role needs a second factor first"
)
SECOND_FACTOR_ACTIVE = ProblemType("second_factor_active", 409, "There is a second factor already")
SECOND_FACTOR_MISSING = ProblemType("second_factor_missing", 409, "There is no second factor")

# What routes declare: every one, one with parameters, one with a body.
FOR_EVERY_ROUTE = (UNAUTHORIZED, UNAVAILABLE)
FOR_SOME_ROLES = (*FOR_EVERY_ROUTE, ROLE_REQUIRED)
WITH_BODY = (MALFORMED_REQUEST, BODY_TOO_LARGE, INVALID_REQUEST)
