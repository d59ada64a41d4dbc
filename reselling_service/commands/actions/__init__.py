"""What may be done with commands: make one, settle it once, cancel one that never left."""

from reselling_service.commands.actions.ending import (
    SETTLED_JOB,
    cancel_unsent,
    settle,
    settle_by_record,
    tell,
)
from reselling_service.commands.actions.sending import (
    CANCEL_JOB,
    FORWARD_JOB,
    LOOK_UP_JOB,
    begin_attempt,
    record_attempt,
    send_command,
    wait_until,
    wake,
    wish_job,
)
from reselling_service.commands.actions.waiting import (
    accept,
    go_on_waiting,
    note_progress,
    send_again,
    wish_cancelled,
)

__all__ = [
    "CANCEL_JOB",
    "FORWARD_JOB",
    "LOOK_UP_JOB",
    "SETTLED_JOB",
    "accept",
    "begin_attempt",
    "cancel_unsent",
    "go_on_waiting",
    "note_progress",
    "record_attempt",
    "send_again",
    "send_command",
    "settle",
    "settle_by_record",
    "tell",
    "wait_until",
    "wake",
    "wish_cancelled",
    "wish_job",
]
