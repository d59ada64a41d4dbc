"""The catalogue of problems that may cross the wire (RFC 9457), and the shape they have.

Codes are frozen: a reader decides by `code` and `outcome`, never by the words.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem. `refused` says that a command answered so is finished for good."""

    code: str
    status: int
    title: str
    refused: bool = False

    @property
    def uri(self) -> str:
        """Stable URI reference, which is also the anchor in the documentation."""
        return f"/problems#{self.code}"


class FieldError(BaseModel):
    """One thing that is wrong with the request. `path` is dotted: `body.options.os`."""

    path: str
    message: str


class Problem(BaseModel):
    """The body of every answer that isn't a success."""

    model_config = ConfigDict(extra="ignore")

    type: str = Field(examples=["/problems#insufficient_balance"])
    title: str
    status: int
    detail: str = Field(description="What happened and what to do about it.")
    instance: str
    code: str = Field(examples=["insufficient_balance"])
    outcome: str | None = Field(
        description="`refused` where the command is thereby finished; null where nothing is said."
    )
    request_id: UUID | None
    # A default, since sellers of an earlier release don't tell it.
    trace_id: str | None = Field(
        default=None,
        description="The same on both services, from the click to the platform: quote it.",
    )
    errors: list[FieldError]
    blockers: list[dict[str, Any]] = Field(
        description="What stands in the way: suspensions, or the state with the allowed commands."
    )


UNAUTHORIZED = ProblemType("unauthorized", 401, "The key or session is missing or not valid")
INSUFFICIENT_SCOPE = ProblemType("insufficient_scope", 403, "The key lacks a scope")
ADDRESS_NOT_ALLOWED = ProblemType(
    "address_not_allowed", 403, "The key may not be used from this address"
)
CERTIFICATE_REQUIRED = ProblemType(
    "certificate_required", 403, "The key is good with its client certificate only"
)
PARTNER_BLOCKED = ProblemType("partner_blocked", 403, "The partner is blocked")
NOT_FOUND = ProblemType("not_found", 404, "Not found", refused=True)
# Not a refusal: it was never looked at, and an earlier attempt may have found its way.
NO_SUCH_ROUTE = ProblemType("no_such_route", 404, "There is nothing at this address")
METHOD_NOT_ALLOWED = ProblemType("method_not_allowed", 405, "Method not allowed")
MALFORMED_REQUEST = ProblemType("malformed_request", 400, "The request can't be read")
INVALID_REQUEST = ProblemType("invalid_request", 422, "The request isn't valid", refused=True)
BODY_TOO_LARGE = ProblemType("body_too_large", 413, "The body is too large")
REQUEST_TOO_SLOW = ProblemType("request_too_slow", 408, "The request came too slowly")
ENCODING_NOT_SUPPORTED = ProblemType(
    "encoding_not_supported", 415, "The body may not be compressed"
)
HEADERS_TOO_LARGE = ProblemType("headers_too_large", 431, "The headers are too many or too large")
RATE_LIMITED = ProblemType("rate_limited", 429, "Too many requests")
TOO_MANY_STREAMS = ProblemType("too_many_streams", 429, "Too many open streams")
INTERNAL_ERROR = ProblemType("internal_error", 500, "Something went wrong at our side")
UNAVAILABLE = ProblemType("unavailable", 503, "Not available right now")

IDEMPOTENCY_KEY_MISSING = ProblemType(
    "idempotency_key_missing", 400, "The Idempotency-Key header is missing or isn't a UUID"
)
IN_PROGRESS = ProblemType("in_progress", 409, "The same command is being handled right now")
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency_key_reused", 422, "The Idempotency-Key belongs to another request"
)
COMMAND_CANCELLED = ProblemType(
    "command_cancelled", 409, "The command was cancelled before it arrived", refused=True
)
COMMAND_NOT_CANCELLABLE = ProblemType(
    "command_not_cancellable", 409, "The command is running or done"
)

EDITION_NOT_SUPPORTED = ProblemType(
    "edition_not_supported", 409, "This edition may not be resold", refused=True
)
ORDERS_CLOSED = ProblemType("orders_closed", 409, "No new orders are taken", refused=True)
WRONG_STATE = ProblemType(
    "wrong_state", 409, "The service's state doesn't allow this", refused=True
)
PARKED = ProblemType("parked", 409, "Set aside until its books are put right", refused=True)
TERM_MOVED = ProblemType(
    "term_moved", 409, "The term to be prolonged isn't the current one", refused=True
)
BLOCKED_BY_SUSPENSIONS = ProblemType(
    "blocked_by_suspensions", 409, "Others' suspensions stand", refused=True
)
SERVICE_REF_TAKEN = ProblemType(
    "service_ref_taken", 409, "The service_ref belongs to another order", refused=True
)
CLIENT_REF_TAKEN = ProblemType(
    "client_ref_taken", 409, "The client_ref belongs to another installation", refused=True
)
PRICE_ABOVE_MAX = ProblemType("price_above_max", 409, "The price is above max_price", refused=True)
INSUFFICIENT_BALANCE = ProblemType(
    "insufficient_balance", 402, "The balance doesn't cover this", refused=True
)
TARIFF_UNAVAILABLE = ProblemType(
    "tariff_unavailable", 409, "The tariff or its version isn't sold", refused=True
)
PERIOD_NOT_OFFERED = ProblemType(
    "period_not_offered", 422, "The tariff has no price for this period", refused=True
)
UNKNOWN_OS = ProblemType("unknown_os", 422, "The tariff has no such OS template", refused=True)
NOT_SUPPORTED = ProblemType(
    "not_supported", 422, "The tariff's platform can't do this", refused=True
)
OUT_OF_STOCK = ProblemType("out_of_stock", 409, "The tariff is sold out", refused=True)
NO_CAPACITY = ProblemType("no_capacity", 409, "The data centre has no room", refused=True)
ACCOUNT_IN_USE = ProblemType("account_in_use", 409, "The account still has services", refused=True)
WEBHOOK_EXISTS = ProblemType("webhook_exists", 409, "Hints are sent to this address already")
WEBHOOK_ADDRESS = ProblemType("webhook_address", 422, "Hints can't be sent to this address")
TOO_MANY_WEBHOOKS = ProblemType("too_many_webhooks", 409, "There are as many endpoints as may be")
CURSOR_INVALID = ProblemType("cursor_invalid", 400, "The cursor can't be read")
CURSOR_LOST = ProblemType("cursor_lost", 410, "The cursor is not of this feed")
CURSOR_EXPIRED = ProblemType("cursor_expired", 410, "The cursor is older than the kept events")

# Problems that an operation may end with. They never are an answer's status.
PLATFORM_FULL = ProblemType("platform_full", 409, "The platform turned out to be full")
PLATFORM_REFUSED = ProblemType("platform_refused", 409, "The platform refused for good")
GIVEN_UP = ProblemType("given_up", 409, "The provider has given it up")

# A new code also gets plain words for the reseller's staff, in `reselling_service/desk/rules.py`.
WIRE_PROBLEMS: dict[str, ProblemType] = {
    value.code: value for value in list(globals().values()) if isinstance(value, ProblemType)
}
