"""A Docker engine for tests: the one that runs, or one of our own that goes with all its data.

It knows how to speak with Docker and Compose, and nothing of what is in the containers.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack.demo.callers import wait_for
from local_stack.processes import tail
from tests.requirements import require

START_SECONDS = 60.0
STOP_SECONDS = 60.0


class CommandFailed(AssertionError):
    """A command ended with an error; the text is what it said."""


def run(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    text_in: str = "",
    seconds: float = 400.0,
) -> str:
    """Run a command; what it printed. Raises CommandFailed."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        [str(part) for part in command],
        env={**known, **(environment or {})},
        input=text_in,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise CommandFailed(f"{' '.join(map(str, command))}: exit {done.returncode}\n{said}")
    return done.stdout


def compose_command() -> list[str]:
    """Return how Compose is called here: the old program, or the newer plugin."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    plugin = (
        shutil.which("docker")
        and not subprocess.run(
            ["docker", "compose", "version"],  # noqa: S607 - whichever Docker the machine has
            capture_output=True,
            check=False,
        ).returncode
    )
    require(plugin, "docker-compose is not installed")
    return ["docker", "compose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A Docker engine that answers at `host`; None for the usual place."""

    host: str | None = None

    def docker(self, *arguments: str | Path, text_in: str = "") -> str:
        """Run a command of Docker."""
        return run("docker", *arguments, environment=self.variables, text_in=text_in)

    @property
    def variables(self) -> dict[str, str]:
        """What Docker's programs must see to find this engine."""
        return {} if self.host is None else {"DOCKER_HOST": self.host}

    def answers(self) -> bool:
        """Whether the engine is there."""
        try:
            self.docker("info")
        except CommandFailed:
            return False
        return True

    def has_image(self, name: str) -> bool:
        """Whether an image of this name is at hand."""
        return bool(self.docker("image", "ls", "--quiet", name).strip())


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Give an engine. One of our own is started where none runs, and ends with the block."""
    require(shutil.which("docker"), "docker is not installed")
    if Engine().answers():
        yield Engine()
        return
    require(shutil.which("dockerd") and os.geteuid() == 0, "no Docker engine runs, nor can we")
    with tempfile.TemporaryDirectory(prefix="tandem-docker-") as folder:
        place = Path(folder)
        engine = Engine(host=f"unix://{place}/docker.sock")
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(_daemon(place), stdout=log, stderr=log)
        try:
            wait_for("dockerd", lambda: _is_up(engine, process, place), seconds=START_SECONDS)
            yield engine
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _daemon(place: Path) -> list[str]:
    options = {
        "data-root": place / "data",
        "exec-root": place / "exec",
        "pidfile": place / "pid",
        "host": f"unix://{place}/docker.sock",
    }
    return ["dockerd", *(f"--{name}={value}" for name, value in options.items())]


def _is_up(engine: Engine, process: subprocess.Popen[bytes], place: Path) -> bool:
    assert process.poll() is None, f"dockerd ended:\n{tail(place / 'log')}"
    return engine.answers()
