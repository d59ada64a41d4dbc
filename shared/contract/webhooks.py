"""Webhooks: signed hints that a feed has news. They carry no news themselves.

Signed as Standard Webhooks says: headers `webhook-id`, `webhook-timestamp` and `webhook-signature`,
an HMAC-SHA256 over `<id>.<timestamp>.<body>`. Who gets one reads the feed; what the hint says is
never applied.
"""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from shared.contract.basics import Input, Output, Timestamp, shown

HINT_TYPE = "feed.advanced"
_URL = "https://reseller.example.com/hooks/provider-a"


class EndpointState(StrEnum):
    """disabled: nothing is sent until it is enabled again; `problem` says why."""

    ACTIVE = "active"
    DISABLED = "disabled"


class DeliveryState(StrEnum):
    """pending: it is tried again. failed: it isn't, unless it is asked for."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class NewWebhookEndpoint(Input):
    """Where hints are to be sent."""

    model_config = shown({"url": _URL})

    url: Annotated[str, StringConstraints(min_length=1, max_length=500)] = Field(
        examples=[_URL], description="https; an address that the internet reaches."
    )


class WebhookEndpoint(Output):
    """Where hints are sent."""

    id: UUID
    url: str
    state: EndpointState
    problem: str | None = Field(description="Why it is disabled, or why the last hint failed.")
    old_secret_until: Timestamp | None = Field(
        description="Until then hints are signed with the secret before this one too."
    )
    created_at: Timestamp


class WebhookEndpointSecret(WebhookEndpoint):
    """With its secret, which is shown this once."""

    secret: str = Field(repr=False, examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class WebhookDelivery(Output):
    """One hint and what became of it."""

    id: UUID
    state: DeliveryState
    head: int = Field(description="Number of the feed's last event when it was made.")
    attempts: int
    status: int | None = Field(description="The last answer's; null where there was none.")
    problem: str | None
    created_at: Timestamp
    attempted_at: Timestamp | None
    next_attempt_at: Timestamp | None


class HintData(Output):
    """What a hint is about."""

    installation_id: UUID
    head: int


class WebhookHint(Output):
    """The body of a hint."""

    type: str = Field(examples=[HINT_TYPE])
    timestamp: Timestamp
    data: HintData
