"""Finds and ends the QEMU machines that a local pair has left running; knows no service."""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from local_stack.processes import wait_until
from selling_service.provisioning.drivers.qemu import process

ENDED_WITHIN = 10.0


def find_machines(environment: Mapping[str, str]) -> list[process.Process]:
    """Return the processes of the machines under `SELLING_QEMU_DIRECTORY`."""
    run = Path(environment["SELLING_QEMU_DIRECTORY"]) / "run"
    folders = run.iterdir() if run.is_dir() else ()
    found = (process.find(folder, UUID(folder.name)) for folder in folders)
    return [machine for machine in found if machine is not None]


def end_machines(environment: Mapping[str, str]) -> int:
    """End them as a power cut does; how many there were."""
    machines = find_machines(environment)
    for machine in machines:
        process.kill(machine)
    wait_until(lambda: not any(machine.alive for machine in machines), seconds=ENDED_WITHIN)
    return len(machines)
