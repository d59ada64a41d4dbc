"""Shapes of the sync in the staff's API."""

from uuid import UUID

from pydantic import Field

from shared.contract.basics import Output, Timestamp


class SyncView(Output):
    """How a seller's feed is being read."""

    seller_id: UUID
    mode: str = Field(
        description="idle, stream, poll, catching_up or waiting.", examples=["stream"]
    )
    cursor: str | None
    number: int = Field(description="Number of the last event that was applied.")
    last_read_at: Timestamp | None
    last_event_at: Timestamp | None = Field(description="By the seller's clock.")
    lag_ms: int | None = Field(description="From the last event to its being applied.")
    parked: int = Field(description="Services that are to be read again.")
    problem: str | None
