"""Breaks one thing after the other at random, and counts by kind what it has broken."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from shared.kit.db import DATABASE_AWAY
from tests.faults.lab import Lab
from tests.faults.wire_faults import ON_COMMANDS, ON_READS, is_command
from tests.journeys.behind import behave, on_platform
from tests.journeys.proxy import Fault as WireFault
from tests.journeys.proxy import Sent

COMMANDS_HIT, READS_HIT = 0.12, 0.04
PAUSE = 4.0  # seconds between two faults, by half more or less
# Longer than every patience there is: nobody waits any more for what was frozen so long.
VERY_LONG = (60.0, 60.0)
# Shorter and longer than a lease of the lab (3 s), a call (3 s) and a stream's silence (8 s).
SHORT, LONG = (0.2, 1.5), (0.5, 5.0)
_CALLS = ("ensure_user", "create_vm", "lock_vm", "unlock_vm", "start_vm", "stop_vm", "*")


@dataclass
class Mischief:
    """Everything that can be broken in a lab; each is over before the next one begins."""

    lab: Lab
    chance: random.Random
    pause: float = PAUSE
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, over: threading.Event) -> None:
        """Break things until it is over."""
        kinds = self._kinds()
        while not over.wait(self.pause * self.chance.uniform(0.5, 1.5)):
            weights = [weight for _, weight, _ in kinds]
            name, _, act = self.chance.choices(kinds, weights)[0]
            # A server whose disk was full may have given up, or recover, only now.
            self.lab.revive_postgres()
            with suppress(*DATABASE_AWAY):
                act()
                self.counts[name] += 1

    def on_wire(self, sent: Sent) -> WireFault | None:
        """What becomes of a request: mostly nothing."""
        command = is_command(sent)
        faults, share = (ON_COMMANDS, COMMANDS_HIT) if command else (ON_READS, READS_HIT)
        with self._lock:
            if self.chance.random() >= share:
                return None
            name = self.chance.choice(sorted(faults))
            self.counts[name] += 1
        return faults[name]

    def _kinds(self) -> list[tuple[str, float, Callable[[], None]]]:
        programs = self.lab.chain.programs()
        crashes = [(f"SIGKILL {name}", 2.0, self._crash(name)) for name in programs]
        freezes = [(f"SIGSTOP {name}", 0.6, self._freeze(name)) for name in programs]
        freezes += [
            (f"SIGSTOP {name}, 60 s", 0.02, self._freeze(name, VERY_LONG)) for name in programs
        ]
        cables = [
            (f"cable of {name} cut", 1.0, cable.cut) for name, cable in self.lab.cables.items()
        ]
        disk = [("disk full", 0.3, self._fill_the_disk)] if self.lab.disk.is_small else []
        return [
            *crashes,
            *freezes,
            *cables,
            *disk,
            ("partition, requests", 0.7, lambda: self._partition(up=True, down=False)),
            ("partition, answers", 0.7, lambda: self._partition(up=False, down=True)),
            ("partition, both ways", 0.7, lambda: self._partition(up=True, down=True)),
            ("wire pulled out", 0.7, self._pull_out),
            ("PostgreSQL SIGKILL", 0.5, self.lab.kill_postgres),
            ("platform late", 1.0, lambda: self._platform(delay_ms=self.chance.randint(50, 900))),
            ("platform answers twice", 1.0, lambda: self._meet(FaultKind.ANSWER_LOST)),
            ("platform half done", 1.0, lambda: self._meet(FaultKind.HALF_DONE)),
            ("platform away", 1.0, lambda: self._meet(FaultKind.UNAVAILABLE)),
            ("platform never answers", 0.2, self._never),
            ("node restarted", 0.7, self._restart_node),
        ]

    def _crash(self, name: str) -> Callable[[], None]:
        return lambda: self.lab.chain.crash(name)

    def _freeze(self, name: str, span: tuple[float, float] = LONG) -> Callable[[], None]:
        def act() -> None:
            self.lab.chain.freeze(name)
            self._last(span)
            self.lab.chain.thaw(name)

        return act

    def _partition(self, *, up: bool, down: bool) -> None:
        self.lab.wire.hold(up=up, down=down)
        self._last(LONG)
        self.lab.wire.heal()

    def _pull_out(self) -> None:
        self.lab.wire.pull_out()
        self._last(SHORT)
        self.lab.wire.heal()

    def _fill_the_disk(self) -> None:
        self.lab.disk.fill()
        self._last(SHORT)
        self.lab.disk.free()

    def _platform(self, *, delay_ms: int) -> None:
        behave(self.lab.chain.selling_database, Behaviour(delay_ms=delay_ms))
        self._last(LONG)
        behave(self.lab.chain.selling_database, Behaviour())

    def _meet(self, kind: FaultKind) -> None:
        """The next few calls of one kind meet this fault, sooner or later."""
        faults = {self.chance.choice(_CALLS): Fault(kind=kind, times=self.chance.randint(1, 4))}
        behave(self.lab.chain.selling_database, Behaviour(faults=faults))

    def _never(self) -> None:
        self._platform(delay_ms=3_600_000)

    def _restart_node(self) -> None:
        database = self.lab.chain.selling_database
        on_platform(database, lambda platform: platform.restart_node(), name="simulated")

    def _last(self, span: tuple[float, float]) -> None:
        time.sleep(self.chance.uniform(*span))
