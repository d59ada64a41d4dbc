"""What can be set for either service, from the environment: databases, secrets, logs, sandbox."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, IPvAnyNetwork, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.contract.basics import CurrencyCode

StaffRole = Literal["owner", "operator", "finance", "read_only"]


class ServiceSettings(BaseSettings):
    """Settings that both services have. The prefix of the variables is the service's.

    `app_database_url` and `staff_database_url` are SQLAlchemy URLs whose logins are members of one
    role each, `tandem_app` and `tandem_staff`, and can't become another; `database_url`, for
    wake-ups, is the first of them. With `database_url` alone its login is a member of both roles,
    which each connection takes on: it could also take on the other one, and so is refused outside
    the sandbox.
    """

    # Compose can't leave a variable out: one that is empty counts as not set.
    model_config = SettingsConfigDict(
        env_file=None, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    database_url: SecretStr
    app_database_url: SecretStr | None = None
    staff_database_url: SecretStr | None = None
    allow_powerful_login: bool = Field(
        default=False,
        description="Serve with a database login that could switch row-level security off. For "
        "development only.",
    )
    secret_keys: Annotated[list[SecretStr], NoDecode] = Field(
        min_length=1, description="Fernet keys, newest first, separated by commas."
    )
    trusted_proxies: Annotated[list[IPvAnyNetwork], NoDecode] = Field(
        default_factory=list,
        description="Addresses or networks, by commas, whose X-Forwarded-For is believed.",
    )
    currency: CurrencyCode = Field(
        default="EUR", description="What all money is counted in. Fixed before the first money."
    )
    host: str = "127.0.0.1"
    public_url: str = "http://127.0.0.1"
    log_level: str = "INFO"
    log_json: bool = True
    sandbox: bool = Field(
        default=False, description="The clock can be moved on by staff. Never in production."
    )
    pool_size: int = Field(default=10, ge=1, le=200)
    worker_concurrency: int = Field(default=16, ge=1, le=200)
    worker_lease_seconds: float = Field(default=30.0, gt=0.1)
    worker_metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Where a worker shows /metrics; 0: nowhere."
    )
    worker_metrics_host: str = "127.0.0.1"
    max_body_bytes: int = 1_000_000
    max_connections: int = Field(
        default=1000, ge=1, description="Open connections of one process; more are turned away."
    )
    max_connections_per_address: int = Field(
        default=500, ge=1, description="Of these from one address that is no trusted proxy's."
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM: the certificate with its chain. Set: HTTPS is spoken."
    )
    tls_key: Path | None = Field(default=None, description="PEM: the key of the certificate.")
    tls_client_ca: Path | None = Field(
        default=None, description="PEM: who signs clients' certificates. They may be shown, then."
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="How long the API, told to stop, answers on while /readyz says 503.",
    )
    login_attempts_per_address: int = Field(
        default=100,
        ge=1,
        description="Wrong logins from one address before it must wait; an IPv6 /64 is one.",
    )
    session_seconds: int = Field(
        default=12 * 3600, ge=60, description="How long a login lasts at the most."
    )
    session_idle_seconds: int = Field(
        default=2 * 3600, ge=60, description="How long a login lasts that nobody uses."
    )
    keep_attempts_days: int = Field(
        default=30, ge=30, description="How long attempts at logins are kept, as HMACs."
    )
    keep_audit_content_days: int = Field(
        default=1096,
        ge=30,
        description="How long the audit says what was changed; that it was is kept for ever.",
    )
    keep_ended_content_days: int = Field(
        default=30,
        ge=0,
        description="How long names and host names of services that have ended are kept.",
    )
    second_factor_roles: Annotated[list[StaffRole], NoDecode] = Field(
        default_factory=list,
        description="Roles of the staff, by commas, that can do nothing without a second factor.",
    )
    reconciliation_every_seconds: int = Field(default=3600, ge=10)
    reconciliation_recheck_seconds: float = Field(
        default=5.0, ge=0, description="What looks different is looked at again after this time."
    )
    reconciliation_grace_seconds: int = Field(
        default=3 * 86400,
        ge=0,
        description="Nothing unknown is deleted before it was seen so long.",
    )
    reconciliation_most_alone: int = Field(
        default=100,
        ge=0,
        description="More commands than this aren't sent again at once without people.",
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: object) -> object:
        if isinstance(values, dict):
            for name in ("secret_keys", "trusted_proxies", "second_factor_roles"):
                given = values.get(name)
                if isinstance(given, str):
                    values[name] = [part.strip() for part in given.split(",") if part.strip()]
        return values

    @model_validator(mode="after")
    def _tls_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            message = "tls_certificate and tls_key belong together: set both or neither"
            raise ValueError(message)
        if self.tls_client_ca is not None and self.tls_certificate is None:
            message = "tls_client_ca needs tls_certificate and tls_key"
            raise ValueError(message)
        return self

    @property
    def guards_walls(self) -> bool:
        """Whether logins that could switch row-level security off are refused."""
        return not (self.sandbox or self.allow_powerful_login)

    @property
    def prefix(self) -> str:
        """How the names of this service's variables begin, e.g. `SELLING_`."""
        return self.model_config["env_prefix"]

    @property
    def session_life(self) -> timedelta:
        """How long a login lasts at the most."""
        return timedelta(seconds=self.session_seconds)

    @property
    def session_idle(self) -> timedelta:
        """How long a login lasts that nobody uses."""
        return timedelta(seconds=self.session_idle_seconds)

    @property
    def reconciliation_grace(self) -> timedelta:
        """How long the owner of something unknown may still turn up."""
        return timedelta(seconds=self.reconciliation_grace_seconds)

    @property
    def proxies(self) -> list[str]:
        """The trusted proxies as text."""
        return [str(network) for network in self.trusted_proxies]

    @model_validator(mode="after")
    def _asyncpg_only(self) -> Self:
        if not self.database_url.get_secret_value().startswith("postgresql+asyncpg://"):
            message = "database URLs must begin with postgresql+asyncpg://"
            raise ValueError(message)
        return self
