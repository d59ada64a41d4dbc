"""The places at which a process can be made to kill itself, by the functions that stand there.

Product code has no hook for this: the launcher puts itself around the functions named here. A name
that no longer exists fails the test that resolves all of them.
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.contract.basics import CommandKind

ORDER, SUSPEND, RESUME = CommandKind.ORDER, CommandKind.SUSPEND, CommandKind.RESUME
RENEW, TERMINATE, RESTORE = CommandKind.RENEW, CommandKind.TERMINATE, CommandKind.RESTORE
# What a service lives through, in an order in which each follows from the one before.
LIFE = (ORDER, SUSPEND, RESUME, RENEW, TERMINATE, RESTORE)
# A renewal is done where it is accepted: the seller's worker never sees it.
WORKED = (ORDER, SUSPEND, RESUME, TERMINATE, RESTORE)
POWER = (CommandKind.STOP, CommandKind.START)
PURGE = "service_purge"
HINT = "webhook"


class When(StrEnum):
    """On which side of the function the process ends."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place: `process` dies before or after a call of `target` (`module:attribute`).

    With `step`, only where that function was entered before, in the same request, job or batch.
    `kinds` are the commands that come by here; a job's kind where no command leads to it.
    """

    name: str
    process: str
    target: str
    when: When
    kinds: tuple[str, ...]
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A point, hit by one kind of command. `mark` is the name of the file that arms it."""

    point: Point
    kind: str

    @property
    def mark(self) -> str:
        return f"{EVERY.index(self.point)}.{self.kind}"

    def __str__(self) -> str:
        return f"{self.kind} × {self.point.process}: {self.point.name}"


COMMIT = "shared.kit.db:WriteSession.commit"
# Of one request: its first byte, and its last one.
ANSWER = "tests.faults.launch:Answer.begin"
ANSWERED = "tests.faults.launch:Answer.end"
_ATTEMPT = "shared.kit.jobs.worker:Worker._attempt"
_BOOKS = "shared.kit.bookkeeping.books:Books"
_CAPTURE = f"{_BOOKS}.capture"
_DRIVER = "selling_service.provisioning.drivers.simulated:SimulatedPlatform"
_TASKS = "selling_service.services.tasks"
_BEGIN, _COMPLETE = f"{_TASKS}:begin", f"{_TASKS}:complete"
_COMMANDS = "reselling_service.commands.tasks"
_EMIT = "selling_service.services.actions.operations:emit"
_APPLY = "reselling_service.sync.actions.reading:apply_events"
_WISH = "reselling_service.services.actions.sending:send_command"
_ONCE = "shared.kit.idempotency:answer_once"
_SEND = "reselling_service.sellers.client:SellerClient.send"


def _point(
    process: str,
    name: str,
    when: When,
    target: str,
    kinds: tuple[str, ...],
    *,
    step: str | None = None,
) -> Point:
    return Point(
        name=f"{when} {name}", process=process, target=target, when=when, kinds=kinds, step=step
    )


def _both(
    process: str, name: str, target: str, kinds: tuple[str, ...], *, step: str | None = None
) -> list[Point]:
    return [_point(process, name, when, target, kinds, step=step) for when in When]


def _api(process: str, step: str) -> list[Point]:
    return [
        *_both(process, "its commit", COMMIT, LIFE, step=step),
        _point(process, "the answer", When.BEFORE, ANSWER, LIFE),
        _point(process, "the answer", When.AFTER, ANSWERED, LIFE),
    ]


_RESELLING_WORKER = [
    _point("reselling-worker", "its work, claimed", When.BEFORE, _ATTEMPT, LIFE),
    *_both("reselling-worker", "the call", _SEND, LIFE),
    *_both(
        "reselling-worker",
        "the commit of the answer",
        COMMIT,
        LIFE,
        step=f"{_COMMANDS}:_record_answer",
    ),
    _point("reselling-worker", "events are applied, read", When.BEFORE, _APPLY, LIFE),
    *_both("reselling-worker", "the commit of events", COMMIT, LIFE, step=_APPLY),
    _point(
        "reselling-worker", "a hold is captured", When.AFTER, f"{_BOOKS}.capture", (ORDER, RENEW)
    ),
]
_SELLING_API = [
    *_api("selling-api", _ONCE),
    _point("selling-api", "its event is written", When.AFTER, _EMIT, LIFE),
    _point("selling-api", "money is held", When.AFTER, f"{_BOOKS}.hold", (ORDER,)),
    _point("selling-api", "a term is charged", When.AFTER, f"{_BOOKS}.charge", (RENEW,)),
]
_SELLING_WORKER = [
    _point("selling-worker", "its work, claimed", When.BEFORE, _ATTEMPT, WORKED),
    _point(
        "selling-worker",
        "the commit of its begin",
        When.AFTER,
        COMMIT,
        WORKED,
        step=_BEGIN,
    ),
    _point("selling-worker", "its event is written", When.AFTER, _EMIT, WORKED),
    *_both("selling-worker", "the commit of its end", COMMIT, WORKED, step=_COMPLETE),
    _point("selling-worker", "the hold is captured", When.AFTER, _CAPTURE, (ORDER,)),
]
_CREATION = "selling_service.provisioning.drivers.simulated.creation:_reserve"
_PLATFORM = [
    *_both("selling-worker", "the user is made", f"{_DRIVER}.ensure_user", (ORDER,)),
    *_both("selling-worker", "the VM is made and started", f"{_DRIVER}.create_vm", (ORDER,)),
    _point("selling-worker", "the VM is made, not started", When.AFTER, _CREATION, (ORDER,)),
    *_both("selling-worker", "the VM is locked", f"{_DRIVER}.lock_vm", (SUSPEND, TERMINATE)),
    *_both("selling-worker", "the VM is unlocked", f"{_DRIVER}.unlock_vm", (RESUME, RESTORE)),
    *_both(
        "selling-worker",
        "the VM is started",
        f"{_DRIVER}.start_vm",
        (RESUME, RESTORE, CommandKind.START),
    ),
    *_both("selling-worker", "the VM is stopped", f"{_DRIVER}.stop_vm", (CommandKind.STOP,)),
    *_both("selling-worker", "the VM is deleted", f"{_DRIVER}.delete_vm", (PURGE,)),
]
_SENDER = "selling_service.events.webhooks:Sender.send"
_HINTS = [
    *_both("selling-worker", "a signed hint", _SENDER, (HINT,)),
    _point("reselling-api", "a hint is answered", When.BEFORE, ANSWER, (HINT,)),
]
POINTS: tuple[Point, ...] = (
    *_api("reselling-api", _WISH),
    *_RESELLING_WORKER,
    *_SELLING_API,
    *_SELLING_WORKER,
    *_PLATFORM,
    *_HINTS,
)
CELLS: tuple[Cell, ...] = tuple(
    Cell(point=point, kind=str(kind)) for point in POINTS for kind in point.kinds
)

# Where a worker may stand still, per driver: before its call, and between the driver's check of the
# fence and what it does then.
_START = (str(CommandKind.START),)
_QEMU = "selling_service.provisioning.drivers.qemu"
_STORE = "selling_service.provisioning.drivers.simulated.store:Store"
FREEZES: dict[str, dict[str, Cell]] = {
    driver: {
        place: Cell(
            point=_point("selling-worker", f"{driver}: {place}", When.BEFORE, target, _START),
            kind=_START[0],
        )
        for place, target in targets.items()
    }
    for driver, targets in {
        "simulated": {
            "the call": f"{_DRIVER}.start_vm",
            "what follows its check": f"{_STORE}.change_vm",
        },
        "qemu": {
            "the call": f"{_QEMU}:QemuPlatform.start_vm",
            "what follows its check": f"{_QEMU}.machine:Machine.launch",
        },
    }.items()
}
EVERY: tuple[Point, ...] = (
    *POINTS,
    *(cell.point for places in FREEZES.values() for cell in places.values()),
)
