"""What a reader of the feed may be told."""

from shared.contract import problems as catalogue
from shared.kit.problems import ProblemError


def cursor_invalid() -> ProblemError:
    """The cursor can't be read."""
    detail = "Use the `cursor` of the last event you applied, or leave it out to begin anew."
    return ProblemError(catalogue.CURSOR_INVALID, detail)


def cursor_lost() -> ProblemError:
    """The cursor isn't of this feed: the seller's data was put back, or it is another seller."""
    detail = "Go through /inventory, and read on from the `head` of its first page."
    return ProblemError(catalogue.CURSOR_LOST, detail)


def cursor_expired() -> ProblemError:
    """What came after this cursor is no longer kept."""
    detail = "Events are kept for 90 days. Go through /inventory, and read on from its `head`."
    return ProblemError(catalogue.CURSOR_EXPIRED, detail)


def too_many_streams(most: int) -> ProblemError:
    """The key has as many open streams as it may."""
    detail = f"A key may have {most} open streams. Close one, or read by long poll."
    return ProblemError(catalogue.TOO_MANY_STREAMS, detail, headers={"Retry-After": "5"})


def webhook_exists() -> ProblemError:
    """The installation has an endpoint at this address."""
    detail = "Hints are sent to this address already. Rotate its secret, or remove it first."
    return ProblemError(catalogue.WEBHOOK_EXISTS, detail)


def too_many_webhooks(most: int) -> ProblemError:
    """The installation has as many endpoints as it may."""
    detail = f"An installation may have {most} endpoints. Remove one first."
    return ProblemError(catalogue.TOO_MANY_WEBHOOKS, detail)


def webhook_address(detail: str) -> ProblemError:
    """The address is one that isn't called."""
    return ProblemError(catalogue.WEBHOOK_ADDRESS, detail)
