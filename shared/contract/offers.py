"""What is for sale: who the seller is, the catalogue, quotes, accounts, balance and statement."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from shared.contract.basics import (
    Capability,
    CurrencyCode,
    Edition,
    Input,
    Money,
    Output,
    Period,
    Scope,
    Timestamp,
    UnitPrice,
    Whole,
    shown,
)


class About(Output):
    """Who answers. Answers whatever the edition and the state of the partner."""

    product: str
    edition: Edition | str
    contract_min: str
    contract_max: str
    capabilities: dict[str, bool]
    currency: CurrencyCode
    server_time: Timestamp
    expiry_slack_seconds: int
    retention_seconds: int
    installation_id: UUID
    partner_state: str
    scopes: list[Scope | str] = Field(description="What the key that asked may do.")


class TariffPrice(Output):
    """What one period costs this partner, discount included."""

    period: Period | str
    price: UnitPrice
    setup_fee: UnitPrice


class Resources(Output):
    """vCPUs, MiB of RAM, GiB of disk, public IPv4 addresses."""

    vcpu: int
    ram_mib: int
    disk_gib: int
    ipv4: int


class OSTemplate(Output):
    """An operating system that can be ordered."""

    code: str
    title: str


class CatalogTariff(Output):
    """A tariff that this partner may resell. `in_stock` is null where stock is not counted."""

    tariff_id: UUID
    version: int
    code: str
    title: str
    data_center: str
    resources: Resources
    os_templates: list[OSTemplate]
    prices: list[TariffPrice]
    in_stock: int | None
    capabilities: list[Capability | str] | None = Field(
        default=None,
        description="What an order of it may ask for; anything else is refused with "
        "`not_supported`. null: not known (yet).",
    )
    orderable: bool
    effective_from: Timestamp


class Catalog(Output):
    """All tariffs of this partner. `version` changes whenever anything in it does."""

    version: str
    currency: CurrencyCode
    tariffs: list[CatalogTariff]


class QuoteKind(StrEnum):
    """What is to be priced."""

    ORDER = "order"
    RENEW = "renew"
    TERMINATE = "terminate"


class QuoteRequest(Input):
    """An order is named by tariff, version and period; the others by `service_ref`."""

    model_config = shown(
        {
            "kind": "order",
            "tariff_id": "0196f0c4-7c1d-7c5e-9c57-3d4f6a1b2c3d",
            "tariff_version": 1,
            "period": "month",
        },
        {"kind": "renew", "service_ref": "5b0c1f0e-8f5e-4c5e-9c57-3d4f6a1b2c3d"},
    )

    kind: QuoteKind
    tariff_id: UUID | None = None
    tariff_version: Annotated[Whole, Field(ge=1, le=2**31 - 1)] | None = None
    period: Period | None = None
    service_ref: UUID | None = None

    @model_validator(mode="after")
    def _named(self) -> "QuoteRequest":
        order = (self.tariff_id, self.tariff_version, self.period)
        if self.kind is QuoteKind.ORDER:
            if None in order or self.service_ref is not None:
                message = "an order is quoted by tariff_id, tariff_version and period"
                raise ValueError(message)
        elif self.service_ref is None or any(part is not None for part in order):
            message = "a renewal or termination is quoted by service_ref alone"
            raise ValueError(message)
        return self


class QuoteLine(Output):
    """One charge line: whole minor units, rounded half-up once."""

    text: str
    amount: Money


class Quote(Output):
    """What it would cost now. `max_price` of the command may be the total."""

    kind: QuoteKind | str
    lines: list[QuoteLine]
    total: Money
    balance_after: Money
    affordable: bool
    term_from: Timestamp | None
    term_to: Timestamp | None


class AccountView(Output):
    """The anonymous stand-in of one client."""

    client_ref: UUID
    installation_id: UUID
    services: int
    created_at: Timestamp


class Balance(Output):
    """`available` is balance minus held plus credit limit."""

    balance: Money
    held: Money
    credit_limit: Money
    available: Money


class StatementLine(Output):
    """One movement of the partner's balance, or one hold's life."""

    id: UUID
    at: Timestamp
    kind: str
    service_ref: UUID | None
    operation_id: UUID | None
    amount: Money
    balance_after: Money
    text: str
