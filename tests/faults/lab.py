"""A pair with everything between its parts in a test's hands: both databases, and the wire."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from local_stack import migrations
from local_stack.postgres import SOCKET_NAME, EmbeddedPostgres
from tests.conftest import SMALL
from tests.faults.chain import Chain
from tests.faults.disk import Disk, small_disk
from tests.faults.launch import DEATHS, POOL_PATIENCE
from tests.faults.lives import wait
from tests.faults.relay import Relay

SERVICES = ("selling", "reselling")
# What was committed outlives a SIGKILL of the server; a power cut of the machine isn't tried.
HONEST = {**SMALL, "synchronous_commit": "on", "full_page_writes": "on"}
# Calls that nobody answers, and workers that stand still, shall not take half a minute each.
HASTY = {
    "RESELLING_CALL_TIMEOUT_SECONDS": "3",
    "RESELLING_STREAM_SILENCE_SECONDS": "8",
    "RESELLING_LONGEST_BACK_OFF_SECONDS": "5",
    "SELLING_PLATFORM_PATIENCE_SECONDS": "4",
    POOL_PATIENCE: "2",
    DEATHS: "1000",
    "SELLING_WORKER_LEASE_SECONDS": "3",
    "RESELLING_WORKER_LEASE_SECONDS": "3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """`cables` by what they lead to: the databases `selling`, `reselling`, and the `wire`."""

    chain: Chain
    server: EmbeddedPostgres
    disk: Disk
    cables: dict[str, Relay]

    @property
    def wire(self) -> Relay:
        """What lies between the proxy and the seller."""
        return self.cables["wire"]

    def kill_postgres(self) -> None:
        """SIGKILL of the server that both databases live on; another one recovers."""
        os.kill(self.server.pid, signal.SIGKILL)
        wait(lambda: not self.server.is_running, what="the end of PostgreSQL")
        self.server.start()

    def revive_postgres(self) -> None:
        """Start the server where it has given up."""
        if not self.server.is_running:
            self.server.start()

    @contextmanager
    def skewed(self, service: str, *, seconds: float) -> Iterator[None]:
        """Let all processes of a service live in another time than the other one's."""
        self._restart(service, {service: seconds} if seconds else {})
        try:
            yield
        finally:
            self._restart(service, {})

    def _restart(self, service: str, skew: dict[str, float]) -> None:
        if skew == self.chain.skew:
            return
        names = [name for name in self.chain.programs() if name.startswith(service)]
        self.chain.skew = skew
        self.chain.stop(*names)
        self.chain.start(*names)
        self.chain.wait_until_ready()

    def heal(self) -> None:
        """Let everything through again, free the disk, thaw and start what doesn't run."""
        for cable in self.cables.values():
            cable.heal()
        self.disk.free()
        for name in self.chain.programs():
            self.chain.thaw(name)
        self.revive_postgres()
        self.chain.wait_until_ready()


@contextmanager
def lab_in(
    folder: Path, *, environment: dict[str, str] | None = None, **options: Any
) -> Iterator[Lab]:
    """Give a lab with a server of its own; `options` are those of `Chain`."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk())
        server = stack.enter_context(EmbeddedPostgres(disk.folder, durable=False, settings=HONEST))
        cables, variables = {}, {}
        for service in SERVICES:
            server.create_database(service)
            migrations.upgrade(service, url=server.url(service))
            cables[service] = stack.enter_context(Relay(server.socket_folder / SOCKET_NAME))
            variables[f"{service.upper()}_DATABASE_URL"] = _through(cables[service], service)
        chain = Chain(
            selling_database=server.url("selling"),
            reselling_database=server.url("reselling"),
            folder=folder,
            environment={**HASTY, **variables, **(environment or {})},
            **options,
        )
        cables["wire"] = stack.enter_context(Relay(chain.urls["selling"]))
        lab = Lab(chain=stack.enter_context(chain), server=server, disk=disk, cables=cables)
        try:
            yield lab
        finally:
            lab.disk.free()


def _through(cable: Relay, database: str) -> str:
    url = make_url("postgresql+asyncpg://postgres@127.0.0.1").set(
        port=cable.port, database=database
    )
    return url.render_as_string(hide_password=False)
