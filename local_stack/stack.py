"""Brings a local pair up and down and says how it does; the work itself is the supervisor's."""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx

from local_stack.home import SERVICES, SUPERVISOR, Home, reachable, read_port
from local_stack.postgres_process import end_orphans
from local_stack.processes import Known, read_json, spawn_detached, tail

UP_TIMEOUT = 120.0
READY_TIMEOUT = 3.0
CRASHES_BEFORE_GIVING_UP = 3
PATIENCE = 40.0


class StackError(Exception):
    """The pair can't be brought up or down; the text says why, and what helps."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the supervisor last wrote, and whether it still lives."""

    home: Home
    state: Mapping[str, Any]

    @property
    def supervisor(self) -> Known | None:
        """The supervisor's process, dead or alive; None where there never was one."""
        found = self.state.get("supervisor")
        return Known.read(found) if found else None

    @property
    def runs(self) -> bool:
        """Whether the supervisor lives."""
        return self.supervisor is not None and self.supervisor.is_alive()

    @property
    def phase(self) -> str:
        """What the supervisor last began to do."""
        return cast("str", self.state.get("phase", "never started"))

    @property
    def problem(self) -> str | None:
        """Why the supervisor gave up."""
        return cast("str | None", self.state.get("problem"))

    @property
    def sandbox(self) -> bool:
        """Whether the clocks can be moved."""
        return bool(self.state.get("sandbox"))

    @property
    def platform(self) -> str:
        """Where the provider's VMs are made: `simulated` or `qemu`."""
        return cast("str", self.state.get("platform", "simulated"))

    @property
    def programs(self) -> dict[str, dict[str, Any]]:
        """What is known of each child: pid where it runs, crashes, last exit code."""
        return cast("dict[str, dict[str, Any]]", self.state.get("programs", {}))

    def process(self, name: str) -> Known | None:
        """One child's process, dead or alive; None where it isn't started."""
        found = self.programs.get(name, {})
        return Known.read(found) if "pid" in found else None

    def url(self, service: str) -> str:
        """Where a service answers."""
        listens = self.state["ports"][service]
        return f"http://{reachable(listens['host'])}:{listens['port']}"


def read_status(home: Home) -> Status:
    """Return what is known of the pair on this folder."""
    return Status(home, read_json(home.state) or {})


def bring_up(home: Home, environment: Mapping[str, str], *, say: Callable[[str], None]) -> Status:
    """Start everything and return when both services are ready; nothing happens when they are.

    `say` is told each phase. Raises StackError with the end of the log that explains it.
    """
    status = read_status(home)
    if not status.runs:
        _end_leftovers(status)
        home.make()
        check_ports(environment)
        _start_supervisor(home, environment)
    try:
        return _wait_until_ready(home, say=say)
    except StackError:
        take_down(home)
        raise


def take_down(home: Home) -> bool:
    """Stop everything, also what a dead supervisor left; whether anything ran."""
    status = read_status(home)
    supervisor = status.supervisor
    ran = supervisor is not None and supervisor.end(patience=PATIENCE)
    left = _end_leftovers(status)
    home.state.unlink(missing_ok=True)
    return ran or left


def _end_leftovers(status: Status) -> bool:
    """End the children of a dead supervisor that the kernel has not ended; whether there were."""
    left = False
    for name in status.programs:
        process = status.process(name)
        left = (process is not None and process.end(patience=5.0)) or left
    if status.home.lock.exists():
        with status.home.held():
            end_orphans(status.home.postgres().data)
    return left


def check_ports(environment: Mapping[str, str]) -> None:
    """Raise StackError where a port can't be listened on."""
    for service in SERVICES:
        variable = f"{service.upper()}_PORT"
        host, port = environment[f"{service.upper()}_HOST"], read_port(environment, service)
        problem = port_problem(host, port)
        if problem:
            raise StackError(
                f"{service} can't listen on {host}:{port}: {problem}. Free the port, or choose "
                f"another with --{service}-port or {variable}."
            )


def port_problem(host: str, port: int) -> str | None:
    """Why nobody could listen there now; None where one could."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
    except OSError as error:
        return error.strerror or str(error)
    return None


def _start_supervisor(home: Home, environment: Mapping[str, str]) -> None:
    home.state.unlink(missing_ok=True)
    process = spawn_detached(
        SUPERVISOR, str(home.folder), environment=environment, log=home.log("supervisor")
    )
    while process.poll() is None and not read_status(home).state:
        time.sleep(0.02)
    if process.poll() is not None and not read_status(home).runs:
        raise StackError(f"the supervisor did not start:\n{tail(home.log('supervisor'))}")


def _wait_until_ready(home: Home, *, say: Callable[[str], None]) -> Status:
    deadline = time.monotonic() + UP_TIMEOUT
    shown = ""
    while True:
        status = read_status(home)
        if not status.runs:
            log = tail(home.log("supervisor"))
            raise StackError(f"{status.problem or 'the supervisor ended'}\n{log}")
        if status.phase != shown:
            shown = status.phase
            say(shown)
        _give_up_on_crashes(status)
        running = status.phase == "running"
        waiting = [name for name in SERVICES if running and not_ready(status, name)]
        if running and not waiting:
            return status
        if time.monotonic() > deadline:
            raise StackError(_late(status, waiting))
        time.sleep(0.1)


def _give_up_on_crashes(status: Status) -> None:
    for name, program in status.programs.items():
        if program["crashes"] >= CRASHES_BEFORE_GIVING_UP:
            raise StackError(
                f"{name} keeps ending with exit code {program['exit_code']}; "
                f"the end of {status.home.log(name)}:\n{tail(status.home.log(name))}"
            )


def _late(status: Status, waiting: list[str]) -> str:
    text = f"not ready after {UP_TIMEOUT:.0f} s, still {status.phase}"
    for service in waiting:
        for name in (f"{service}-api", f"{service}-worker"):
            log = status.home.log(name)
            text += f"\n/readyz of {service} says {not_ready(status, service)}; {log}:\n{tail(log)}"
    return text


def not_ready(status: Status, service: str) -> str | None:
    """What `/readyz` says where it isn't 200; None where the service is ready."""
    try:
        answer = httpx.get(f"{status.url(service)}/readyz", timeout=READY_TIMEOUT, trust_env=False)
    except httpx.HTTPError as error:
        return f"nothing ({type(error).__name__})"
    return None if answer.status_code == httpx.codes.OK else answer.text
