"""Judges what is ordered and says how an order stands; knows no database and no HTTP."""

from collections.abc import Collection
from enum import StrEnum

from reselling_service.tariffs.rules import SellableTariff
from shared.contract.basics import Capability
from shared.contract.problems import NOT_SUPPORTED, TARIFF_UNAVAILABLE, UNKNOWN_OS, ProblemType


class OrderState(StrEnum):
    """Where an order stands. `cancelled`: it came to nothing and its money is free again."""

    PENDING = "pending"
    DONE = "done"
    CANCELLED = "cancelled"


def order_state(*, settled: bool, succeeded: bool) -> OrderState:
    """How an order stands, by its command."""
    if not settled:
        return OrderState.PENDING
    return OrderState.DONE if succeeded else OrderState.CANCELLED


def why_not_sold(
    tariff: SellableTariff, *, os: str | None, asks_for: Collection[Capability], currency: str
) -> tuple[ProblemType, str] | None:
    """The refusal of an order of this tariff with these options by a client with this currency."""
    if not tariff.enabled or tariff.withdrawn or tariff.currency != currency:
        return TARIFF_UNAVAILABLE, "This tariff isn't sold. Choose another one."
    able = tariff.capabilities
    if os is not None and os not in tariff.os_templates:
        offered = ", ".join(tariff.os_templates)
        return UNKNOWN_OS, f"This tariff doesn't offer that system. It offers: {offered}."
    if able is not None and (missing := sorted(set(asks_for) - able)):
        given = ", ".join(missing)
        return NOT_SUPPORTED, f"VMs of this tariff can't be given: {given}. Leave it out."
    return None
