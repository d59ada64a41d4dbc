"""Shapes of the partners' administration. No client of a partner has a place in them."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork

from selling_service.partners.models import Installation, Partner, PartnerKey
from selling_service.partners.rules import PartnerState
from shared.contract.basics import GivenTime, Input, Output, Scope, Timestamp, Whole, shown
from shared.kit.text import Line
from shared.kit.tls import read_pin

DEFAULT_OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=90)


def _a_text(value: object) -> object:
    if isinstance(value, int):
        raise ValueError("a network is written as text: 192.0.2.0/24")  # noqa: TRY004 (for pydantic)
    return value


Networks = Annotated[
    list[Annotated[IPvAnyNetwork, BeforeValidator(_a_text)]],
    Field(
        max_length=50,
        description="Networks that the key may be used from; none means from everywhere.",
        examples=[["192.0.2.0/24"]],
    ),
]
Scopes = Annotated[
    set[Scope],
    Field(min_length=1, examples=[["services:read", "services:order", "events:read"]]),
]


Fingerprint = Annotated[
    str,
    Field(max_length=100, description="SHA-256 of a client certificate, as hex."),
    AfterValidator(read_pin),
]


class PartnerInput(Input):
    """A new partner."""

    model_config = shown({"name": "Reseller A"})

    name: Line = Field(examples=["Reseller A"])


class PartnerChangeInput(Input):
    """What shall be different; what is left out or null stays."""

    model_config = shown({"state": "no_new_orders"})

    name: Line | None = Field(default=None, examples=["Reseller A"])
    state: PartnerState | None = Field(default=None, examples=["no_new_orders"])


class PartnerOutput(Output):
    """A partner. Blocked: it may read, suspend and terminate, and nothing else."""

    id: UUID
    name: str
    state: PartnerState
    created_at: Timestamp


class InstallationInput(Input):
    """A new reselling installation of a partner."""

    model_config = shown({"name": "shop-1"})

    name: Line = Field(examples=["shop-1"])


class InstallationOutput(Output):
    """A reselling installation. Each key belongs to one, and so does each service."""

    id: UUID
    partner_id: UUID
    name: str
    created_at: Timestamp


class KeyInput(Input):
    """A new key."""

    model_config = shown(
        {
            "installation_id": "0196f0c4-7c1d-7c5e-9c57-3d4f6a1b2c3d",
            "name": "production",
            "scopes": [
                "services:read",
                "services:order",
                "services:manage",
                "events:read",
                "money:read",
            ],
            "allowed_networks": [],
            "expires_at": None,
        }
    )

    installation_id: UUID
    name: Line = Field(examples=["production"])
    scopes: Scopes
    allowed_networks: Networks = Field(default_factory=list)
    client_certificate: Fingerprint | None = Field(
        default=None, description="SHA-256 of the client certificate that the key then needs."
    )
    expires_at: GivenTime | None = Field(
        default=None, description="Within ten years; null for a key without an end."
    )


class RotationInput(Input):
    """For how long the old key is good beside the new one."""

    model_config = shown({"overlap_seconds": 3600})

    overlap_seconds: Whole = Field(
        default=int(DEFAULT_OVERLAP.total_seconds()),
        ge=0,
        le=int(LONGEST_OVERLAP.total_seconds()),
        description="0 ends the old key at once.",
    )
    client_certificate: Fingerprint | None = Field(
        default=None, description="Another client certificate for the new key; null: as before."
    )


class KeyOutput(Output):
    """A key without its secret, which nobody can see again."""

    id: UUID
    partner_id: UUID
    installation_id: UUID
    name: str
    scopes: list[str]
    allowed_networks: list[str]
    client_certificate: str | None
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    created_at: Timestamp


class NewKeyOutput(KeyOutput):
    """A key just made. `token` is shown this once."""

    token: str = Field(repr=False, examples=["tps_0197c7a0…_6dZf…"])


def partner_output(row: Partner) -> PartnerOutput:
    """As it is shown to staff."""
    return PartnerOutput(
        id=row.id, name=row.name, state=PartnerState(row.state), created_at=row.created_at
    )


def installation_output(row: Installation) -> InstallationOutput:
    """As it is shown to staff."""
    return InstallationOutput(
        id=row.id, partner_id=row.partner_id, name=row.name, created_at=row.created_at
    )


def key_output(row: PartnerKey) -> KeyOutput:
    """As it is shown to staff."""
    return KeyOutput(
        id=row.id,
        partner_id=row.partner_id,
        installation_id=row.installation_id,
        name=row.name,
        scopes=row.scopes,
        allowed_networks=row.allowed_networks,
        client_certificate=row.client_certificate,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        created_at=row.created_at,
    )


def new_key_output(row: PartnerKey, token: str) -> NewKeyOutput:
    """With its secret."""
    return NewKeyOutput(**key_output(row).model_dump(), token=token)
