"""Keeps the processes of a local pair running, as one process itself; refuses to know who asks.

`python -m local_stack.supervisor FOLDER`, with the services' variables in its environment. It holds
the folder's lock, writes what it does to `state.json`, and takes everything with it when it goes,
also when it is killed.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from local_stack import migrations
from local_stack.first_owners import make_first_owner
from local_stack.home import PROGRAMS, SERVICES, SUPERVISOR, Home
from local_stack.postgres import EmbeddedPostgres
from local_stack.processes import Known, spawn, write_whole
from shared.kit.logins import make_logins

LOOK_SECONDS = 0.1
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
CALM_SECONDS = 20.0
PATIENCE = 15.0


@dataclass(slots=True)
class Program:
    """One child: it is started again after a crash, later and later while it keeps crashing."""

    name: str
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    crashes: int = 0
    exit_code: int | None = None
    _began: float = 0.0
    _next: float = field(default_factory=time.monotonic)

    def look(self) -> bool:
        """Start it where it is due; whether anything changed."""
        if self.process is None:
            if time.monotonic() < self._next:
                return False
            # Who owns the databases is no affair of those who serve.
            known = {
                name: os.environ[name] for name in os.environ if "_OWNER_DATABASE_" not in name
            }
            self.process = spawn(PROGRAMS[self.name], environment=known, log=self.log)
            self._began = time.monotonic()
            return True
        code = self.process.poll()
        if code is None:
            return False
        calm = time.monotonic() - self._began > CALM_SECONDS
        self.crashes = 1 if calm else self.crashes + 1
        self.exit_code, self.process = code, None
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.crashes - 1))
        self._next = time.monotonic() + pause
        _say(f"{self.name} ended with {code}, started again in {pause:.1f} s")
        return True

    def written(self) -> dict[str, object]:
        """As `state.json` holds it."""
        known: dict[str, object] = {}
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                word = PROGRAMS[self.name]
                known = Known.of(self.process.pid, word=word).written()
        return {**known, "crashes": self.crashes, "exit_code": self.exit_code}


class Supervisor:
    """Everything that runs on one folder."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._phase = ""
        self._stop = threading.Event()
        self._programs = [Program(name, home.log(name)) for name in PROGRAMS]
        self._postgres: EmbeddedPostgres | None = None

    def run(self) -> None:
        """Prepare, then keep things running until SIGTERM or SIGINT; raises what went wrong."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        try:
            for step in (self._start_postgres, self._migrate, self._make_owners):
                if self._stop.is_set():
                    return
                step()
            self._write("running")
            while not self._stop.wait(LOOK_SECONDS):
                self._look()
        except Exception as error:
            self._write("failed", problem=f"{type(error).__name__}: {error}")
            raise
        finally:
            self._end()

    def _start_postgres(self) -> None:
        wanted = self._home.needs_postgres(os.environ)
        if wanted:
            self._write("starting PostgreSQL")
            self._postgres = self._home.postgres()
            self._postgres.start()
            for name in wanted:
                self._postgres.create_database(name)

    def _migrate(self) -> None:
        self._write("migrating the databases")
        for name in SERVICES:
            prefix = name.upper()
            url = os.environ.get(f"{prefix}_OWNER_DATABASE_URL")
            migrations.upgrade(name, url=url or os.environ[f"{prefix}_DATABASE_URL"])
            if url and os.environ.get(f"{prefix}_APP_DATABASE_URL"):
                asyncio.run(make_logins(prefix, os.environ))

    def _make_owners(self) -> None:
        self._write("making the first logins")
        for name in SERVICES:
            make_first_owner(name, os.environ, login=partial(self._home.first_password, name))

    def _look(self) -> None:
        if self._postgres is not None and not self._postgres.is_running:
            _say("PostgreSQL ended, started again")
            self._postgres.start()
        changed = [program.look() for program in self._programs]
        if any(changed):
            self._write("running")

    def _end(self) -> None:
        """End the services together, then the database that they write to."""
        running = [program.process for program in self._programs if program.process]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                _say(f"process {process.pid} did not end in {PATIENCE:.0f} s and was killed")
                process.kill()
                process.wait()
        if self._postgres is not None:
            self._postgres.stop()

    def _write(self, phase: str, *, problem: str | None = None) -> None:
        if phase != self._phase:
            _say(phase)
        self._phase = phase
        state = {
            "supervisor": Known.of(os.getpid(), word=SUPERVISOR).written(),
            "phase": phase,
            "problem": problem,
            "sandbox": os.environ.get("SELLING_SANDBOX") == "true",
            "platform": os.environ.get("SELLING_PLATFORM", "simulated"),
            "programs": {program.name: program.written() for program in self._programs},
            "ports": {
                name: {
                    "host": os.environ[f"{name.upper()}_HOST"],
                    "port": os.environ[f"{name.upper()}_PORT"],
                }
                for name in SERVICES
            },
        }
        write_whole(self._home.state, json.dumps(state, indent=1))


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} supervisor: {text}", flush=True)


def main(arguments: list[str]) -> None:
    """Run on the folder; exits with a message when it is held by another."""
    (folder,) = arguments
    home = Home(Path(folder))
    with home.held():
        Supervisor(home).run()


if __name__ == "__main__":
    main(sys.argv[1:])
