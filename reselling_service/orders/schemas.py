"""Shapes of orders and quotes. A password comes in over TLS and is never shown or kept."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from reselling_service.commands.models import Command
from reselling_service.orders.models import Order
from reselling_service.orders.rules import OrderState, order_state
from reselling_service.services.models import Service
from reselling_service.services.rules import order_words
from shared.contract.basics import Capability, Flag, Input, Money, Output, Period, Timestamp
from shared.contract.services import Hostname, OSCode, SSHKey, capabilities_for
from shared.kit.text import Line, Password

_TARIFF_ID = "0196f0c4-7c1d-7c5e-9c57-3d4f6a1b2c3d"
_ORDER: JsonDict = {
    "tariff_id": _TARIFF_ID,
    "period": "month",
    "name": "Web shop",
    "auto_renew": True,
    "options": {
        "os": "debian-12",
        "hostname": "web-1.example.com",
        "ssh_keys": [
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlaXNwaWVsYmVpc3BpZWxiZWlzcGllbGJlaXNw"
        ],
    },
}


class Options(Input):
    """What the VM shall be like inside. Comments of SSH keys are cut."""

    os: OSCode = Field(examples=["debian-12"])
    hostname: Hostname = Field(examples=["web-1.example.com"])
    ssh_keys: list[SSHKey] = Field(default=[], max_length=20)
    password: Password | None = Field(
        default=None, repr=False, description="Of the VM's first user; only its hash is kept."
    )
    user_data: Annotated[str, StringConstraints(max_length=65536)] | None = Field(
        default=None, repr=False, description="For cloud-init, as it is."
    )

    def asks_for(self) -> set[Capability]:
        """What the platform must be able to do beside size and system."""
        return capabilities_for(self.ssh_keys, self.password, self.user_data)


class NewOrder(Input):
    """What to buy. `name` is for your own list and stays here; without it, the host name is."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ORDER]})

    tariff_id: UUID
    period: Period
    name: Line | None = None
    auto_renew: Flag = True
    options: Options


class NewQuote(Input):
    """What a price is asked for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tariff_id": _TARIFF_ID, "period": "month"}]}
    )

    tariff_id: UUID
    period: Period


class QuoteLine(Output):
    """One charge."""

    text: str = Field(examples=["Small, month"])
    amount: Money


class QuoteView(Output):
    """What it would cost now: the first term with set-up, and each term after that."""

    lines: list[QuoteLine]
    total: Money
    renewal: Money
    balance_after: Money = Field(description="What is available once the total is held.")
    affordable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An order with the command that carries it and the service it made."""

    order: Order
    command: Command
    service: Service


class OrderView(Output):
    """An order as its client sees it."""

    id: UUID
    service_id: UUID
    tariff_id: UUID
    tariff_name: str
    period: str
    total: Money
    state: OrderState
    problem: str | None = Field(description="Why it came to nothing, in plain words.")
    created_at: Timestamp


class StaffOrderView(OrderView):
    """An order as staff see it, with its command. `problem_code` is the seller's."""

    client_id: UUID
    seller_id: UUID
    command_id: UUID
    command_state: str
    ordered_by: str
    problem_code: str | None
    problem_detail: str | None


def order_view(placed: Placed) -> OrderView:
    """The shape for the client."""
    order, command = placed.order, placed.command
    state = order_state(
        settled=command.settled_at is not None, succeeded=command.state == "succeeded"
    )
    code = placed.service.order_problem or _code(placed)
    return OrderView(
        id=order.id,
        service_id=order.service_id,
        tariff_id=order.tariff_id,
        tariff_name=placed.service.tariff_name,
        period=order.period,
        total=Money(amount=order.total, currency=order.currency),
        state=state,
        problem=order_words(code) if state is OrderState.CANCELLED else None,
        created_at=order.created_at,
    )


def staff_order_view(placed: Placed) -> StaffOrderView:
    """The shape for staff."""
    problem = placed.command.problem or {}
    return StaffOrderView(
        **dict(order_view(placed)),
        client_id=placed.order.client_id,
        seller_id=placed.service.seller_id,
        command_id=placed.command.id,
        command_state=placed.command.state,
        ordered_by=placed.order.ordered_by,
        problem_code=problem.get("code"),
        problem_detail=problem.get("detail"),
    )


def _code(placed: Placed) -> str:
    problem = placed.command.problem or {}
    return str(problem.get("code") or placed.command.state)
