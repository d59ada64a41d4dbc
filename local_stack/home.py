"""Owns the folder of a local pair (`.tandem`) and the environment that follows from it.

What a variable means is the services' affair: here are only the ones without which they don't run.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dotenv import dotenv_values

from local_stack.guest.build import guest
from local_stack.postgres import EmbeddedPostgres
from local_stack.processes import wait_until, write_whole
from shared.kit.vault import Vault

SERVICES = ("selling", "reselling")
SUPERVISOR = "local_stack.supervisor"
PROGRAMS = {
    "selling-api": "selling_service.main",
    "selling-worker": "selling_service.worker",
    "reselling-api": "reselling_service.main",
    "reselling-worker": "reselling_service.worker",
}
DEFAULT_PORTS = {"selling": 8001, "reselling": 8002}
FIRST_OWNER = {"selling": "owner@provider.example.com", "reselling": "owner@reseller.example.com"}


class HomeError(Exception):
    """The folder or a setting is not as it must be; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one local pair lies."""

    folder: Path

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.folder / "logs"

    @property
    def state(self) -> Path:
        """What the supervisor last wrote of itself."""
        return self.folder / "state.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.folder / "lock"

    @property
    def secrets(self) -> Path:
        """The generated keys, as variables."""
        return self.folder / "secrets.env"

    @property
    def logins(self) -> Path:
        """The generated first logins: `service e-mail password` per line."""
        return self.folder / "first-logins.txt"

    @property
    def backups(self) -> Path:
        """One folder per backup."""
        return self.folder / "backups"

    @property
    def wal(self) -> Path:
        """The archive of the write-ahead log; where there is none, nothing is archived."""
        return self.folder / "wal"

    def log(self, name: str) -> Path:
        """Return the log of one process."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the folder and its secrets where they are missing.

        Others may pass through it (as root, PostgreSQL may have to be somebody else); what is in it
        they can't read.
        """
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        if not self.secrets.exists():
            keys = (f"{name.upper()}_SECRET_KEYS={Vault.new_key()}\n" for name in SERVICES)
            write_whole(self.secrets, "".join(keys))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder while the block runs, however it ends; HomeError when another does."""
        handle = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Whoever only looks whether it is held does so for a moment.
            if not wait_until(partial(_locked, handle), seconds=2.0):
                raise HomeError(f"another supervisor holds {self.lock}")
            yield
        finally:
            os.close(handle)

    def postgres(self) -> EmbeddedPostgres:
        """Return the embedded server, not started."""
        archive = self.wal if self.wal.is_dir() else None
        return EmbeddedPostgres(self.folder / "postgres", archive=archive)

    def first_password(self, service: str) -> tuple[str, str]:
        """Return the first owner's e-mail and password, generated and written down at first."""
        logins = self.read_logins()
        if service not in logins:
            logins[service] = (FIRST_OWNER[service], secrets.token_urlsafe(12))
            lines = (f"{name} {email} {word}\n" for name, (email, word) in logins.items())
            write_whole(self.logins, "".join(lines))
        return logins[service]

    def read_logins(self) -> dict[str, tuple[str, str]]:
        """Return the generated logins by service; empty where none were needed."""
        if not self.logins.exists():
            return {}
        lines = (line.split() for line in self.logins.read_text().splitlines())
        return {service: (email, password) for service, email, password in lines}

    def environment(self, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return what the services' processes see.

        Weakest first: defaults, generated secrets, the file `.env` beside us, `given` (by default
        this process's own variables). Without a database's URL it is the embedded one's, with a
        login of its own for each role; whoever owns the server migrates, and does nothing else.
        """
        given = os.environ if given is None else given
        known = {
            **self._defaults(),
            **_file_values(self.secrets),
            **_file_values(Path(".env")),
            **given,
        }
        for name in SERVICES:
            prefix = name.upper()
            host, port = known[f"{prefix}_HOST"], read_port(known, name)
            known.setdefault(f"{prefix}_PUBLIC_URL", f"http://{reachable(host)}:{port}")
            if not known.get(f"{prefix}_DATABASE_URL"):
                known.update(self._embedded(name))
        return {**guest_variables(known), **known}

    def needs_postgres(self, environment: Mapping[str, str]) -> list[str]:
        """Return the services whose database is the embedded one."""
        return [
            name
            for name in SERVICES
            if environment.get(f"{name.upper()}_OWNER_DATABASE_URL") == self.postgres().url(name)
        ]

    def _embedded(self, name: str) -> dict[str, str]:
        server, prefix = self.postgres(), name.upper()
        app = server.url(name, user=f"{name}_app")
        return {
            f"{prefix}_DATABASE_URL": app,
            f"{prefix}_APP_DATABASE_URL": app,
            f"{prefix}_STAFF_DATABASE_URL": server.url(name, user=f"{name}_staff"),
            f"{prefix}_OWNER_DATABASE_URL": server.url(name),
        }

    def _defaults(self) -> dict[str, str]:
        found = {
            "SELLING_QEMU_DIRECTORY": str(self.folder.resolve() / "qemu"),
            # Both halves stand on this machine.
            "RESELLING_SELLER_PRIVATE_ADDRESSES": "true",
        }
        for name in SERVICES:
            found[f"{name.upper()}_HOST"] = "127.0.0.1"
            found[f"{name.upper()}_PORT"] = str(DEFAULT_PORTS[name])
        return found


def guest_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what makes QEMU start the test guest, where no other image is named.

    HomeError where the guest isn't built.
    """
    own = ("SELLING_QEMU_KERNEL", "SELLING_QEMU_BASE_IMAGE")
    if environment.get("SELLING_PLATFORM") != "qemu" or any(map(environment.get, own)):
        return {}
    made = guest()
    if not made.present:
        raise HomeError(
            "SELLING_PLATFORM is qemu: build the test guest with `python -m local_stack.guest`, "
            f"or name an image of your own with {' or '.join(own)}"
        )
    return {
        "SELLING_QEMU_KERNEL": str(made.kernel),
        "SELLING_QEMU_INITRD": str(made.initrd),
        "SELLING_QEMU_BOOT_ARGS": made.boot_args,
        "SELLING_QEMU_MEMORY_FLOOR_MIB": str(made.least_ram_mib),
    }


def read_port(environment: Mapping[str, str], service: str) -> int:
    """Return the port of a service; HomeError for something else than a port."""
    variable = f"{service.upper()}_PORT"
    text = environment[variable]
    if not text.isdigit() or not 0 < int(text) < 2**16:
        raise HomeError(f"{variable} must be a port between 1 and 65535, not {text!r}")
    return int(text)


def reachable(host: str) -> str:
    """Return the address under which a listener on `host` is reached from here."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _file_values(path: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(path).items() if value}
