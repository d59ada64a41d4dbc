"""What a reseller can set, from variables that begin with `RESELLING_`."""

from functools import cache

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.contract.basics import Edition
from shared.kit.settings import ServiceSettings


class ResellingSettings(ServiceSettings):
    """Settings of the reselling service. Any edition may resell."""

    model_config = SettingsConfigDict(
        env_prefix="RESELLING_", extra="ignore", hide_input_in_errors=True
    )

    port: int = Field(default=8002, ge=1, le=65535)
    edition: Edition = Edition.STANDALONE
    client_sign_up: bool = True
    seller_private_addresses: bool = Field(
        default=False,
        description="Sellers may be called at private addresses and over http. For halves that "
        "stand side by side only.",
    )
    sign_ups_per_address: int = Field(
        default=20, ge=1, description="Sign-ups from one address before it must wait."
    )
    taken_sign_ups_per_address: int = Field(
        default=5, ge=1, description="Those of them that met an e-mail address that is taken."
    )
    call_timeout_seconds: float = Field(default=15.0, gt=0)
    stream_silence_seconds: float = Field(default=15.0, gt=0)
    longest_back_off_seconds: float = Field(default=60.0, gt=0)


@cache
def get_settings() -> ResellingSettings:
    """The settings of this process."""
    return ResellingSettings()
