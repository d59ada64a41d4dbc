"""Problems of services: which code, and words that say what to do."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from shared.contract import problems as catalogue
from shared.contract.basics import CommandKind, Edition, Money, ServiceState
from shared.contract.problems import ProblemType
from shared.contract.services import Suspension
from shared.kit.problems import ProblemError

OPERATION_NOT_RETRYABLE = ProblemType(
    "operation_not_retryable", 409, "The operation isn't waiting for a retry"
)
NOT_THE_PROVIDERS = ProblemType(
    "not_the_providers", 422, "That suspension isn't the provider's to set or lift"
)
# Carried out also while a service is parked: a VM that must not run never does.
DESPITE_PARKING = frozenset({CommandKind.SUSPEND, CommandKind.TERMINATE})
# What a partner reads of a platform's trouble. The platform's own words are for staff.
PLATFORM_WORDS = {
    catalogue.UNAVAILABLE.code: "The platform is away or busy. It is held and tried again.",
    catalogue.PLATFORM_FULL.code: "The platform has no room for this VM.",
    catalogue.PLATFORM_REFUSED.code: "The platform refused for good. Ask the provider about it.",
    catalogue.PARKED.code: "The provider looks at the books of this service, and goes on then.",
    catalogue.GIVEN_UP.code: "The provider's staff gave it up. The money is back; ask again.",
}


def check_edition(edition: Edition) -> None:
    """Raise `edition_not_supported` where nothing new may be resold."""
    if edition is not Edition.HOSTING_CLOUD:
        detail = f"This provider runs the edition {edition}; it can't be resold."
        raise ProblemError(catalogue.EDITION_NOT_SUPPORTED, detail)


def wrong_state(
    kind: CommandKind, state: ServiceState, *, allowed: Iterable[str], why: str = ""
) -> ProblemError:
    """The state, and what it allows."""
    detail = why or f"`{kind}` isn't possible while the service is {state}."
    blocker = {"state": state, "allowed": sorted(allowed)}
    return ProblemError(catalogue.WRONG_STATE, detail, blockers=[blocker])


def check_not_parked(parked_at: datetime | None, kind: CommandKind) -> None:
    """Raise `parked` where the service is set aside; a suspension and an end go through."""
    if parked_at is not None and kind not in DESPITE_PARKING:
        detail = (
            "The provider's staff look at the books of this service. Until then it can only be "
            "suspended or terminated; ask again later."
        )
        raise ProblemError(catalogue.PARKED, detail)


def blocked_by(suspensions: Iterable[Suspension]) -> ProblemError:
    """Others' suspensions, named."""
    blockers = [item.model_dump(mode="json") for item in suspensions]
    actors = ", ".join(str(item["actor"]) for item in blockers)
    detail = f"The service is suspended by {actors}; only they can lift it."
    return ProblemError(catalogue.BLOCKED_BY_SUSPENSIONS, detail, blockers=blockers)


def price_above_max(total: Money, most: Money) -> ProblemError:
    """The price now, and the price that was expected."""
    detail = (
        f"It costs {total.amount} {total.currency} (minor units), max_price is {most.amount} "
        f"{most.currency}. Ask for a quote and order again."
    )
    return ProblemError(catalogue.PRICE_ABOVE_MAX, detail)


def not_one_of(what: str, value: str, offered: Sequence[str]) -> str:
    """Words for a choice that isn't offered."""
    return f"There is no {what} {value}. Offered: {', '.join(offered) or 'none'}."
