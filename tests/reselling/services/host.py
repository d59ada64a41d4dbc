"""A seller in miniature: carries commands out by the contract's rules and tells what happened."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reselling_service.commands.models import Command
from shared.contract.events import Event
from tests.reselling.services.voice import Voice

MONTH = timedelta(days=31)
LIVE = {"active", "suspended"}


class Refuses(Exception):
    """The seller's answer: a code, and nothing was done."""


@dataclass
class Host:
    """One service at its seller, and what was told of it."""

    voice: Voice
    told: list[Event] = field(default_factory=list)

    def carry_out(self, command: Command) -> None:
        """Do what the command wishes and tell so. Raises Refuses."""
        carry_out = {
            "order": self._build,
            "renew": self._renew,
            "suspend": self._suspend,
            "resume": self._resume,
            "start": self._start,
            "stop": self._stop,
            "restart": self._start,
            "terminate": self._terminate,
            "restore": self._restore,
        }[command.kind]
        carry_out(command)
        self._tell(command)

    def fail(self, command: Command) -> None:
        """Accept the command and fail to carry it out."""
        if command.kind == "order":
            self.voice.state = "failed"
        self.told.append(
            self.voice.says("operation.failed", command=command, end="failed", problem="broken")
        )

    def provider(self, *, suspends: bool) -> None:
        """The provider's staff suspend or resume."""
        if self.voice.state in LIVE:
            if suspends:
                self.voice.suspensions["provider"] = "other"
            else:
                self.voice.suspensions.pop("provider", None)
            self._settle_power()
            self._tell(None)

    def panel(self, *, power: str) -> None:
        """The end user starts or stops in the provider's panel."""
        if self.voice.state == "active":
            self.voice.wanted_power = power
            self._settle_power()
            self._tell(None)

    def delete(self) -> None:
        """What was terminated is deleted in the end."""
        if self.voice.state == "terminated":
            self.voice.state = "deleted"
            self._tell(None)

    def _tell(self, command: Command | None) -> None:
        self.told.append(self.voice.says("something", command=command))

    def _require(self, *states: str) -> None:
        if self.voice.state not in states:
            code = "wrong_state"
            raise Refuses(code)

    def _settle_power(self) -> None:
        voice = self.voice
        voice.state = "suspended" if voice.suspensions else "active"
        voice.power = "stopped" if voice.suspensions else voice.wanted_power

    def _build(self, _command: Command) -> None:
        self._require("ordered")
        self.voice.paid_until = self.voice.clock.now() + MONTH
        self._settle_power()

    def _renew(self, command: Command) -> None:
        self._require(*LIVE)
        if self.voice.terminate_at is not None:
            code = "wrong_state"
            raise Refuses(code)
        if self.voice.paid_until != datetime.fromisoformat(command.summary["from"]):
            code = "term_moved"
            raise Refuses(code)
        self.voice.paid_until += MONTH

    def _suspend(self, command: Command) -> None:
        self._require(*LIVE)
        self.voice.suspensions[command.summary["actor"]] = "requested"
        self._settle_power()

    def _resume(self, command: Command) -> None:
        self._require(*LIVE)
        actor = command.summary["actor"]
        if actor not in self.voice.suspensions and self.voice.suspensions:
            code = "blocked_by_suspensions"
            raise Refuses(code)
        self.voice.suspensions.pop(actor, None)
        self._settle_power()

    def _start(self, _command: Command) -> None:
        self._require("active")
        self.voice.wanted_power = "running"
        self._settle_power()

    def _stop(self, _command: Command) -> None:
        self._require(*LIVE)
        self.voice.wanted_power = "stopped"
        self._settle_power()

    def _terminate(self, command: Command) -> None:
        self._require(*LIVE, "terminated", "deleted")
        if self.voice.state not in LIVE:
            return
        if command.summary["when"] == "period_end":
            self.voice.terminate_at = self.voice.paid_until
        else:
            self.voice.state, self.voice.power = "terminated", "stopped"
            self.voice.terminate_at = None

    def _restore(self, command: Command) -> None:
        self._require(*LIVE, "terminated")
        if command.summary["from"] is not None and self.voice.paid_until is not None:
            self.voice.paid_until += MONTH
        self.voice.terminate_at = None
        self._settle_power()
