"""The whole of docker-compose.yml, up on an engine of the test's; knows no service's insides."""

import json
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_stack.demo.callers import Surprise, wait_for
from tests.compose.engine import Engine, compose_command, run

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
HEALTHY_SECONDS = 120.0
LONG_RUNNING = {
    f"{half}-{part}" for half in ("selling", "reselling") for part in ("db", "api", "worker")
}
ONE_SHOT = {"selling-migrations", "reselling-migrations"}


def write_secrets(folder: Path) -> Path:
    """Return a file with fresh secrets, made by the very lines that .env.example tells."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    first, last = lines.index("#   umask 077"), lines.index("#   done >> .env")
    script = "\n".join(line.removeprefix("#") for line in lines[first : last + 1])
    run("sh", "-euc", f"cd '{folder}'\n{script}")
    return folder / ".env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """A project of Compose. `urls` by `selling`, `reselling`; `seller`: as the reseller sees it."""

    engine: Engine
    secrets: Path
    ports: dict[str, int]
    project: str = field(default_factory=lambda: f"tandem-test-{secrets.token_hex(4)}")
    logins: dict[str, tuple[str, str]] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    @property
    def image(self) -> str:
        """The name of the image that is built."""
        return f"{self.project}:latest"

    @property
    def urls(self) -> dict[str, str]:
        """Where the services answer."""
        found = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        return {**found, "seller": "http://selling-api:8001"}

    def compose(self, *arguments: str) -> str:
        """Run a command of Compose."""
        variables = {
            **self.engine.variables,
            "TANDEM_IMAGE": self.image,
            # Both halves stand in the one file.
            "RESELLING_SELLER_PRIVATE_ADDRESSES": "true",
            **{
                f"TANDEM_{name.upper()}_LISTEN": f"127.0.0.1:{port}"
                for name, port in self.ports.items()
            },
        }
        options = [
            f"--project-name={self.project}",
            f"--env-file={self.secrets}",
            f"--file={FILE}",
        ]
        command = [*compose_command(), *options, *arguments]
        return run(*command, environment=variables)

    def container(self, service: str) -> str:
        """Return the id of a service's container; a restart doesn't change it."""
        if service not in self._known:
            (self._known[service],) = self.compose("ps", "--all", "--quiet", service).split()
        return self._known[service]

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        said = self.engine.docker("inspect", self.container(service))
        found: dict[str, Any] = json.loads(said)[0]
        return found

    def inside(self, service: str, *command: str, text_in: str = "") -> str:
        """Run a command in a service's container; what it printed."""
        words = ("exec", "--interactive", self.container(service), *command)
        return self.engine.docker(*words, text_in=text_in)

    def health(self, service: str) -> str:
        """Return `healthy`, `starting`, `unhealthy`, or the container's state where it has none."""
        state = self.inspect(service)["State"]
        running = state["Status"] == "running"
        return str(state["Health"]["Status"] if running and "Health" in state else state["Status"])

    def wait_until_healthy(self, *services: str) -> None:
        """Return when all are; Surprise with what they said when they aren't."""
        for service in services:
            try:
                wait_for(
                    f"{service} to be healthy",
                    lambda service=service: self.health(service) == "healthy",  # type: ignore[misc]
                    seconds=HEALTHY_SECONDS,
                )
            except Surprise as late:
                log = self.compose("logs", "--tail=40", service)
                raise Surprise(f"{late}, it is {self.health(service)}:\n{log}") from late

    def send(self, service: str, what: signal.Signals) -> None:
        """Send a signal to the service's own process, past the engine, as a fault would."""
        init = self.inspect(service)["State"]["Pid"]
        (child,) = Path(f"/proc/{init}/task/{init}/children").read_text().split()
        os.kill(int(child), what)

    def make_owners(self) -> None:
        """Make the first person of each staff, the way the manual says."""
        for name in self.ports:
            email, password = self.logins[name] = (
                f"owner@{name}.example.com",
                secrets.token_urlsafe(12),
            )
            cli = ("python", "-m", f"{name}_service.cli", "create-staff", email)
            self.inside(f"{name}-api", *cli, "--password-stdin", text_in=f"{password}\n")


@contextmanager
def containers_up(containers: Containers) -> Iterator[Containers]:
    """Build, bring up, wait for health; take down with all data in the end."""
    run("make", "-C", ROOT, "wheelhouse", f"VENV={sys.prefix}")
    try:
        containers.compose("build")
        containers.compose("up", "-d")
        containers.wait_until_healthy(*LONG_RUNNING)
        containers.make_owners()
        yield containers
    finally:
        containers.compose("down", "--volumes", "--remove-orphans")
        if containers.engine.has_image(containers.image):
            containers.engine.docker("image", "rm", "--force", containers.image)
