"""The voice of a seller in tests: events made by hand from the contract's models."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from reselling_service.commands.models import Command
from shared.contract.events import Event
from shared.contract.operations import Operation, OperationProblem
from shared.contract.services import ServiceFacts, ServiceStatus, Suspension
from shared.kit.ids import new_id

START = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
MONTH = timedelta(days=31)


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


@dataclass
class Voice:
    """A service as its seller knows it; each `says` is one event, with a higher revision."""

    service_ref: UUID
    client_ref: UUID
    installation_id: UUID
    clock: ManualClock
    revision: int = 0
    number: int = 0
    state: str = "ordered"
    power: str = "stopped"
    wanted_power: str = "running"
    suspensions: dict[str, str] = field(default_factory=dict)
    paid_until: datetime | None = None
    terminate_at: datetime | None = None

    def status(self) -> ServiceStatus:
        now = self.clock.now()
        ended = self.state in {"terminating", "terminated", "deleted"}
        return ServiceStatus(
            service_ref=self.service_ref,
            client_ref=self.client_ref,
            revision=self.revision,
            state=self.state,
            power=self.power,
            wanted_power=self.wanted_power,
            suspensions=[
                Suspension(actor=actor, reason=reason, since=now)
                for actor, reason in sorted(self.suspensions.items())
            ],
            tariff_id=uuid4(),
            tariff_version=1,
            period="month",
            activated_at=now,
            paid_until=self.paid_until,
            terminate_at=self.terminate_at,
            terminated_at=now if ended else None,
            delete_at=now + MONTH if ended else None,
            facts=ServiceFacts(
                vcpu=1, ram_mib=1024, disk_gib=10, ipv4=["192.0.2.7"], os="debian-12"
            ),
        )

    def says(
        self,
        type_: str,
        *,
        command: Command | None = None,
        end: str = "succeeded",
        problem: str | None = None,
        **changes: object,
    ) -> Event:
        """An event that tells these changes; with `command`, also the end of its operation."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.revision += 1
        self.number += 1
        if command is None:
            return self._event(type_, None, None)
        operation = self.operation(command, end=end, problem=problem)
        return self._event(type_, command.id, operation)

    def operation(
        self, command: Command, *, end: str = "succeeded", problem: str | None = None
    ) -> Operation:
        now = self.clock.now()
        found = OperationProblem(code=problem, title=problem, detail="no") if problem else None
        return Operation(
            id=uuid4(),
            command_id=command.id,
            service_ref=self.service_ref,
            kind=command.kind,
            state=end,
            progress=100,
            attempts=1,
            created_at=now,
            started_at=now,
            finished_at=now,
            result=None,
            problem=found,
        )

    def _event(self, type_: str, command_id: UUID | None, operation: Operation | None) -> Event:
        return Event(
            number=self.number,
            id=new_id(),
            cursor=f"{self.number}-0123456789ab",
            type=type_,
            at=self.clock.now(),
            installation_id=self.installation_id,
            client_ref=self.client_ref,
            service_ref=self.service_ref,
            operation_id=operation.id if operation else None,
            command_id=command_id,
            traceparent=None,
            service=self.status(),
            operation=operation,
        )
