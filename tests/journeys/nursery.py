"""Starts programs of ours out of a process that has imported them once: that takes them seconds.

What is started is a process like any other, with an environment and a log of its own. It dies with
the nursery, which dies with the tests' process.
"""

import ctypes
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_stack.home import PROGRAMS

PR_SET_PDEATHSIG = 1
INIT = 1
_NURSERY = multiprocessing.get_context("forkserver")
_NURSERY.set_forkserver_preload([*PROGRAMS.values()])


class Started:
    """A process that was started; speaks as `subprocess.Popen` does."""

    def __init__(self, process: "multiprocessing.context.ForkServerProcess") -> None:
        self._process = process

    @property
    def returncode(self) -> int | None:
        """Its exit code, -N where signal N ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its end; TimeoutExpired after so many seconds."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self._process.name), timeout)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, where it still runs."""
        if self.returncode is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def start(module: str, *arguments: str, environment: Mapping[str, str], log: Path) -> Started:
    """Run the `main` of a module as `python -m` does; it writes to the log."""
    told = (module, arguments, dict(environment), str(log))
    process = _NURSERY.Process(target=_become, args=told, name=module, daemon=True)
    process.start()
    return Started(process)


def _become(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], log: str
) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == INIT:
        sys.exit("the nursery is gone already")
    os.setsid()
    sink = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(sink, stream.fileno())
    os.close(sink)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    program = importlib.import_module(module)
    program.main(*([list(arguments)] if arguments else []))
