"""Runs the command `tandem` on a folder of its own, as a person at a terminal would."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from local_stack.home import Home
from local_stack.stack import Status, read_status
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
TANDEM = (sys.executable, "-m", "local_stack")
LONGEST = 150


@dataclass
class Pair:
    """One folder, and two ports that nobody else uses."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = Home(self.folder)
        self.ports = {"selling": free_port(), "reselling": free_port()}

    def tandem(self, *arguments: str, expect: int | None = 0) -> str:
        """Run `tandem`; what it printed. AssertionError for another exit code than expected."""
        ran = subprocess.run(
            [*TANDEM, *arguments],
            cwd=self.folder.parent,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        said = ran.stdout + ran.stderr
        assert expect is None or ran.returncode == expect, said
        return said

    def variables(self) -> dict[str, str]:
        """Return the environment of a terminal in which nobody has set anything but our ports."""
        unset = ("SELLING_", "RESELLING_", "TANDEM_")
        known = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
        return {
            **known,
            **{f"{name.upper()}_PORT": str(port) for name, port in self.ports.items()},
            "TANDEM_FOLDER": str(self.folder),
            "COLUMNS": "200",
            "PYTHONPATH": str(ROOT),
            **self.environment,
        }

    @property
    def status(self) -> Status:
        """What the supervisor last wrote."""
        return read_status(self.home)

    def pid(self, name: str) -> int:
        """A child's process id."""
        process = self.status.process(name)
        assert process is not None, self.status.state
        return process.pid

    def answers(self, service: str) -> bool:
        """Whether `/readyz` is 200."""
        try:
            url = f"http://127.0.0.1:{self.ports[service]}/readyz"
            return httpx.get(url, timeout=3, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def log_in(self, service: str) -> int:
        """Log in as the first owner; the answer's status."""
        path = {"selling": "/admin/v1/login", "reselling": "/staff/v1/login"}[service]
        email, password = self.home.read_logins()[service]
        url = f"http://127.0.0.1:{self.ports[service]}{path}"
        body = {"email": email, "password": password}
        return httpx.post(url, json=body, timeout=10, trust_env=False).status_code
