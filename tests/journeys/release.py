"""An earlier release of this repository, taken from its history and run as real processes."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from local_stack.home import PROGRAMS
from tests.journeys.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


def has_commit(commit: str) -> bool:
    """Whether the history is here, and holds it."""
    git = shutil.which("git")
    if git is None:
        return False
    look = [git, "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(look, cwd=ROOT, capture_output=True, check=False).returncode == 0


def has_history() -> bool:
    """Whether this is a whole clone; an archive or a shallow one can't be made so by a tool."""
    look = [shutil.which("git") or "git", "rev-parse", "--is-shallow-repository"]
    ran = subprocess.run(look, cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout.strip() == "false"


def unpack(commit: str, folder: Path) -> Path:
    """Lay the files of a commit into a folder."""
    git = shutil.which("git") or "git"
    packed = subprocess.run(
        [git, "archive", "--format=tar", commit], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def run(source: Path, *command: str, environment: Mapping[str, str], typed: str = "") -> str:
    """Run a Python module of the release to its end; what it printed."""
    ran = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=source,
        env=dict(environment),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def migrate(source: Path, service: str, *, url: str) -> None:
    """Bring a database to the release's tables."""
    command = ("alembic", "-n", service, "-x", f"url={url}", "upgrade", "head")
    run(source, *command, environment=os.environ)


@dataclass
class ReleasedStack(Stack):
    """A pair of an earlier release, from its files in `source`."""

    source: Path = field(default_factory=Path)

    def __enter__(self) -> Self:
        try:
            for service, (email, password) in self.logins.items():
                command = (f"{service}_service.cli", "create-staff", email, "--password-stdin")
                run(self.source, *command, environment=self.variables(), typed=f"{password}\n")
            self.start(*PROGRAMS)
            for service in self.ports:  # all of its code is compiled for the first time
                self.wait_until(partial(self._is_ready, service), seconds=200)
            self.admin.log_in(*self.logins["selling"])
            self.staff.log_in(*self.logins["reselling"])
        except BaseException:
            self.close()
            raise
        return self

    def variables(self) -> dict[str, str]:
        """As ever; but that its code is compiled once, and not by each process."""
        return {**super().variables(), "PYTHONDONTWRITEBYTECODE": ""}

    def start(self, *names: str) -> None:
        """Start processes of the release."""
        for name in names:
            with self.log(name).open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", PROGRAMS[name]],
                    cwd=self.source,
                    env=self.variables(),
                    stdout=log,
                    stderr=log,
                )
