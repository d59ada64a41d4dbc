"""Shapes of the reseller's desk that the kit doesn't have."""

from uuid import UUID

from pydantic import Field

from shared.contract.basics import Flag, shown
from shared.kit.reconciling.schemas import DecisionInput


class AdoptInput(DecisionInput):
    """Why it is adopted; for a service that nobody here knows, also whose it is."""

    model_config = shown(
        {"reason": "The client has shown us the invoice."},
        {
            "reason": "Ordered after the backup was made.",
            "client_id": "0196f0c4-7c1d-7c5e-9c57-3d4f6a1b2c3d",
            "charge": True,
        },
    )

    client_id: UUID | None = Field(
        default=None, description="Of a service that is unknown here: whose it is."
    )
    charge: Flag = Field(
        default=True,
        description="Charge that client at our prices for what the seller has charged us.",
    )
