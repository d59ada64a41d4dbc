"""Words that every part of the wire uses: money, ids, times, enumerations, header names.

Input models forbid unknown fields, output models ignore them, so that a newer seller may say more.
"""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
)
from pydantic.config import JsonDict

CONTRACT_MAJOR = 1
CONTRACT_VERSION = "1.0"
BASE_PATH = "/partner/v1"

CONTRACT_HEADER = "Tandem-Contract"
IDEMPOTENCY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
REQUEST_ID_HEADER = "X-Request-Id"
TRACE_ID_HEADER = "X-Trace-Id"


Item = TypeVar("Item")


class Input(BaseModel):
    """What a caller sends. Unknown fields are refused: nothing slips through unseen."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def shown(*examples: JsonDict) -> ConfigDict:
    """What the documentation shows of a model: whole bodies that can be sent as they are."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class Output(BaseModel):
    """What a service answers. Every field is always present; readers ignore unknown ones."""

    model_config = ConfigDict(extra="ignore")


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[AwareDatetime, PlainSerializer(_rfc3339, when_used="json")]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])]


def _a_number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("a whole number is wanted")  # noqa: TRY004 (pydantic takes this for wrong data)
    return value


def _a_time(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and "-" in value[1:]):
        return value
    raise ValueError("a time as RFC 3339 writes it is wanted: 2030-01-01T00:00:00Z")


# Seconds since 1970 are nobody's way to write a time here, and a number sent by mistake isn't one.
GivenTime = Annotated[AwareDatetime, BeforeValidator(_a_time)]
# In JSON `true` is no number and `1` no yes; Python, left alone, takes one for the other.
Whole = Annotated[int, BeforeValidator(_a_number)]
Flag = Annotated[bool, Strict()]
# Amounts stay exact in every JSON reader (2**53) and sums of them fit a PostgreSQL bigint.
MinorUnits = Annotated[Whole, Field(ge=-(2**53) + 1, le=2**53 - 1)]


class Money(BaseModel):
    """An amount in minor units of its ISO 4217 currency: `{"amount": 990, "currency": "EUR"}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: MinorUnits
    currency: CurrencyCode


class UnitPrice(BaseModel):
    """A price per unit in minor units with up to six decimals, written as a string."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: Annotated[Decimal, Field(ge=0, max_digits=20, decimal_places=6)]
    currency: CurrencyCode


class Edition(StrEnum):
    """Editions of a provider's installation. Only `hosting_cloud` may be resold."""

    STANDALONE = "standalone"
    HOSTING = "hosting"
    HOSTING_CLOUD = "hosting_cloud"


class Period(StrEnum):
    """How long one charge lasts."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"


class Scope(StrEnum):
    """What a partner's key may do."""

    SERVICES_READ = "services:read"
    SERVICES_ORDER = "services:order"
    SERVICES_MANAGE = "services:manage"
    EVENTS_READ = "events:read"
    MONEY_READ = "money:read"


class Capability(StrEnum):
    """What an order may ask of the platform beside size and system, where it can do it."""

    SSH_KEYS = "ssh_keys"
    PASSWORD = "password"  # noqa: S105 - a word
    USER_DATA = "user_data"


class Actor(StrEnum):
    """Who set a suspension. A partner's key may name `client` or `partner` only."""

    CLIENT = "client"
    PARTNER = "partner"
    PARTNER_DEBT = "partner_debt"
    EXPIRED = "expired"
    PROVIDER = "provider"
    ABUSE = "abuse"


class PartnerActor(StrEnum):
    """The actors that a partner's key may name."""

    CLIENT = "client"
    PARTNER = "partner"


class SuspensionReason(StrEnum):
    """Why a service was suspended. Codes only: free text would carry what must stay at home."""

    REQUESTED = "requested"
    UNPAID = "unpaid"
    ABUSE = "abuse"
    SECURITY = "security"
    MAINTENANCE = "maintenance"
    LEGAL = "legal"
    OTHER = "other"


class ServiceState(StrEnum):
    """Where a service stands in its life."""

    ORDERED = "ordered"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    DELETED = "deleted"
    FAILED = "failed"


class PowerState(StrEnum):
    """Whether the VM runs."""

    RUNNING = "running"
    STOPPED = "stopped"


class OperationState(StrEnum):
    """Where an operation stands. The last four are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class CommandKind(StrEnum):
    """What can be wished of a service."""

    ORDER = "order"
    RENEW = "renew"
    SUSPEND = "suspend"
    RESUME = "resume"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RENAME = "rename"
    TERMINATE = "terminate"
    RESTORE = "restore"


class TerminateWhen(StrEnum):
    """When a termination takes effect."""

    NOW = "now"
    PERIOD_END = "period_end"


class Page(Output, Generic[Item]):
    """One page of a list. Ask again with `after=<next>` until `next` is null."""

    items: list[Item]
    next: str | None

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """The name that the documentation shows: `PartnerOutputPage`."""
        return f"{params[0].__name__}Page"
