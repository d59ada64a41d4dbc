"""Shapes of the catalogue's administration; prices are in minor units (990 is 9.90 EUR)."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic.config import JsonDict

from shared.contract.basics import Capability, Flag, Input, Output, Period, Timestamp, Whole, shown
from shared.kit.moments import Moment
from shared.kit.text import Line

BIGGEST_INT = 2**31 - 1

Code = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$",
        description="Lower-case letters, digits, dots, dashes and underscores.",
        examples=["vps-1"],
    ),
]
# With the set-up fee it stays within what the books can hold.
Price = Annotated[
    Decimal,
    Field(ge=0, le=10**13, max_digits=20, decimal_places=6, examples=["990", "1.388888"]),
]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2, examples=["12.5"])]
Stock = Annotated[Whole, Field(ge=0, le=BIGGEST_INT, examples=[100])]
PlatformName = Literal["simulated", "qemu", "proxmox", "vmmanager6"]
_SIZE: JsonDict = {
    "vcpu": 1,
    "ram_mib": 1024,
    "disk_gib": 10,
    "ipv4": 1,
    "os_templates": ["debian-12"],
    "prices": {"month": {"price": "990", "setup_fee": "0"}},
}


class DataCenterInput(Input):
    """A place where VMs live. Its capacity comes from the platform."""

    model_config = shown({"code": "fra1", "title": "Frankfurt 1", "platform": "simulated"})

    code: Code = Field(examples=["fra1"])
    title: Line = Field(examples=["Frankfurt 1"])
    platform: PlatformName = "simulated"
    open: Flag = True


class DataCenterChangeInput(Input):
    """What shall be different; what is left out or null stays."""

    model_config = shown({"title": "Frankfurt 1 (full)", "open": False})

    title: Line | None = None
    open: Flag | None = Field(default=None, description="false: no new services here.")


class Room(Output):
    """How much of one thing there is, and how much is reserved by services."""

    total: int
    used: int


class DataCenterOutput(Output):
    """A data centre with the room of its platform, which all data centres there share."""

    id: UUID
    code: str
    title: str
    platform: str
    open: bool
    vms: Room
    vcpu: Room
    ram_mib: Room
    disk_gib: Room
    capabilities: list[Capability | str] | None = Field(
        description="What orders may ask of its platform; null until it was asked."
    )
    refreshed_at: Timestamp | None


class OSTemplateInput(Input):
    """An operating system; `image` is its name on the platform."""

    model_config = shown({"code": "debian-12", "title": "Debian 12", "image": "debian-12"})

    code: Code = Field(examples=["debian-12"])
    title: Line = Field(examples=["Debian 12"])
    image: Line = Field(examples=["debian-12"])


class OSTemplateChangeInput(Input):
    """What shall be different; what is left out or null stays."""

    model_config = shown({"image": "debian-12.7"})

    title: Line | None = None
    image: Line | None = None


class OSTemplateOutput(Output):
    """An operating system that tariffs may offer."""

    code: str
    title: str
    image: str


class PriceInput(Input):
    """List price and set-up fee of one period, in minor units with up to six decimals."""

    price: Price
    setup_fee: Price = Decimal(0)


class VersionSpec(Input):
    """What a version sells, and for how much."""

    vcpu: Whole = Field(ge=1, le=1024, examples=[1])
    ram_mib: Whole = Field(ge=1, le=2**24, examples=[1024])
    disk_gib: Whole = Field(ge=1, le=2**20, examples=[10])
    ipv4: Whole = Field(default=1, ge=0, le=256, examples=[1])
    os_templates: list[Code] = Field(min_length=1, max_length=200, examples=[["debian-12"]])
    prices: dict[Period, PriceInput] = Field(
        min_length=1, examples=[{"month": {"price": "990", "setup_fee": "0"}}]
    )


class VersionInput(VersionSpec):
    """A new version. It takes effect now, or later where a time is given."""

    model_config = shown({**_SIZE, "effective_from": "2030-01-01T00:00:00Z"})

    effective_from: Moment | None = Field(default=None, examples=["2030-01-01T00:00:00Z"])


class TariffInput(VersionInput):
    """A new tariff with its first version."""

    model_config = shown(
        {"code": "vps-1", "title": "VPS 1", "data_center": "fra1", "stock": 100, **_SIZE}
    )

    code: Code
    title: Line = Field(examples=["VPS 1"])
    data_center: Code = Field(description="Its code.", examples=["fra1"])
    stock: Stock | None = Field(default=None, description="null: not counted.")


class TariffChangeInput(Input):
    """What shall be different; what is left out or null stays."""

    model_config = shown({"withdrawn": True})

    title: Line | None = None
    withdrawn: Flag | None = Field(
        default=None, description="true: no new orders; services that run are renewed as before."
    )


class StockInput(Input):
    """What may still be sold from now on."""

    model_config = shown({"stock": 50}, {"stock": None})

    stock: Stock | None = Field(description="null: not counted.", examples=[50])


class StockAdjustInput(Input):
    """By how much the stock becomes more (or, negative, less)."""

    model_config = shown({"by": 10})

    by: Whole = Field(ge=-BIGGEST_INT, le=BIGGEST_INT, examples=[10])


class PriceOutput(Output):
    """List price and set-up fee of one period, in minor units with up to six decimals."""

    price: Decimal
    setup_fee: Decimal


class VersionOutput(Output):
    """One version of a tariff."""

    id: UUID
    number: int
    effective_from: Timestamp
    vcpu: int
    ram_mib: int
    disk_gib: int
    ipv4: int
    os_templates: list[str]
    prices: Mapping[Period, PriceOutput]
    created_at: Timestamp


class TariffOutput(Output):
    """A tariff with all its versions; `version` is the one in effect now, null where none is."""

    id: UUID
    code: str
    title: str
    data_center: str
    withdrawn: bool
    stock: int | None
    version: int | None
    versions: list[VersionOutput]
    created_at: Timestamp


class OfferInput(Input):
    """The partner may resell the tariff, with this discount off price and set-up fee."""

    model_config = shown({"discount_percent": "12.5"})

    discount_percent: Percent = Decimal(0)


class OfferOutput(Output):
    """What one partner may resell."""

    partner_id: UUID
    tariff_id: UUID
    tariff: str
    discount_percent: Decimal
    created_at: Timestamp


class TariffDocument(TariffInput):
    """A tariff as a file says it. `stock` counts for a new tariff only: sales have changed it."""

    model_config = shown({"code": "vps-1", "title": "VPS 1", "data_center": "fra1", **_SIZE})

    withdrawn: Flag = False


class OfferDocument(OfferInput):
    """An offer as a file says it, by names."""

    model_config = shown({"partner": "Reseller A", "tariff": "vps-1", "discount_percent": "12.5"})

    partner: Line
    tariff: Code


class CatalogueDocument(Input):
    """A whole catalogue: what it names is made or changed, what it doesn't name is left.

    Each row costs some statements, all in one transaction: a larger catalogue is loaded in parts.
    """

    model_config = shown(
        {
            "data_centers": [{"code": "fra1", "title": "Frankfurt 1"}],
            "os_templates": [{"code": "debian-12", "title": "Debian 12", "image": "debian-12"}],
            "tariffs": [{"code": "vps-1", "title": "VPS 1", "data_center": "fra1", **_SIZE}],
        }
    )

    data_centers: list[DataCenterInput] = Field(default_factory=list, max_length=100)
    os_templates: list[OSTemplateInput] = Field(default_factory=list, max_length=200)
    tariffs: list[TariffDocument] = Field(default_factory=list, max_length=300)
    offers: list[OfferDocument] = Field(default_factory=list, max_length=1000)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        named = {
            "data_centers": [row.code for row in self.data_centers],
            "os_templates": [row.code for row in self.os_templates],
            "tariffs": [row.code for row in self.tariffs],
            "offers": [f"{row.tariff} to {row.partner}" for row in self.offers],
        }
        for part, names in named.items():
            twice = sorted(name for name, times in Counter(names).items() if times > 1)
            if twice:
                message = f"{part} names {', '.join(twice)} more than once"
                raise ValueError(message)
        return self


class LoadOutput(Output):
    """What loading a catalogue did, e.g. `tariff vps-1`."""

    created: list[str]
    changed: list[str]
    unchanged: list[str]


def read_catalogue(text: str) -> CatalogueDocument:
    """Read a YAML (or JSON) file. Raises ValueError that names each place that is wrong."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"this isn't YAML: {error}"
        raise ValueError(message) from error
    try:
        return CatalogueDocument.model_validate(document)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in found['loc']) or 'the file'}: {found['msg']}"
            for found in error.errors()
        ]
        raise ValueError("\n".join(lines)) from error
