"""What may be done with feeds: write facts into them, forget old ones, and hint at news."""

from selling_service.events.actions.deliveries import (
    begin_attempt,
    disable,
    record_failure,
    record_success,
    redeliver,
)
from selling_service.events.actions.endpoints import (
    add_endpoint,
    enable_endpoint,
    remove_endpoint,
    rotate_secret,
)
from selling_service.events.actions.feed import (
    EVENTS_CHANNEL,
    WEBHOOK_JOB,
    emit,
    prune_deliveries,
    prune_events,
)

__all__ = [
    "EVENTS_CHANNEL",
    "WEBHOOK_JOB",
    "add_endpoint",
    "begin_attempt",
    "disable",
    "emit",
    "enable_endpoint",
    "prune_deliveries",
    "prune_events",
    "record_failure",
    "record_success",
    "redeliver",
    "remove_endpoint",
    "rotate_secret",
]
