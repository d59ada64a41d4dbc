"""Gives every test a real PostgreSQL: one server per test process, one fresh database per test.

With TEST_POSTGRES_URL (a superuser's) the server is that one, shared by all test processes; with
TEST_POSTGRES_MAJOR it is the embedded kind, but of that major version, from wherever it is found.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg
import hypothesis
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import make_url

from local_stack import migrations
from local_stack.postgres import EmbeddedPostgres
from local_stack.postgres_binaries import find_binaries
from shared.kit import passwords
from tests.compiling import compile_once

# A test that hangs ends sometime; one on a busy machine isn't stopped in the midst of its work.
SLOWEST_SECONDS = 1200
MEMORY = Path("/dev/shm")  # noqa: S108 (a private folder is made in it)
ENOUGH_MEMORY = 1 << 30
SMALL = {"max_wal_size": "96MB", "min_wal_size": "32MB"}

# Tests open their databases as a superuser, which no service accepts; tests of the walls don't.
for _service in ("SELLING", "RESELLING"):
    os.environ.setdefault(f"{_service}_ALLOW_POWERFUL_LOGIN", "true")
# Sellers of tests live on this machine; tests of who may be called say so themselves.
os.environ.setdefault("RESELLING_SELLER_PRIVATE_ADDRESSES", "true")

# A busy machine is no failure, so examples have no deadline of their own.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

compile_once()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow ones, or one of them would run alone at the end. Otherwise at random."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOWEST_SECONDS))


@pytest.fixture(autouse=True, scope="session")
def product_hasher() -> Iterator[PasswordHash]:
    """The hasher of passwords that the product has; tests in this process get a cheap one.

    Thousands of people log in here, and each would take a tenth of a second of both cores.
    """
    cheap = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))
    with pytest.MonkeyPatch.context() as patch:
        product = passwords._HASHER
        patch.setattr(passwords, "_HASHER", cheap)
        yield product


@pytest.fixture(autouse=True)
def no_handler_stays() -> Iterator[None]:
    """A program that ran in this process logs to a stream that ends with its test."""
    before = list(logging.root.handlers)
    yield
    for handler in list(logging.root.handlers):
        if type(handler) is logging.StreamHandler and handler not in before:
            logging.root.removeHandler(handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A server for tests; `admin_url` is a superuser's, `prefix` keeps test processes apart."""

    admin_url: str
    prefix: str
    lock: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        """Return the superuser's SQLAlchemy URL of a database."""
        return make_url(self.admin_url).set(database=database).render_as_string(hide_password=False)

    @contextmanager
    def database(self, *, template: str = "template0") -> Iterator[str]:
        """Give the name of a new database; it and what is still connected to it go afterwards."""
        name = f"{self.prefix}_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def template(self, service: str) -> Iterator[str]:
        """Give the name of a database with all migrations of `selling` or `reselling`."""
        with self.database() as name:
            with self._one_at_a_time():
                migrations.upgrade(service, url=self.url(name))
            yield name

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Keep other test processes out: roles belong to the whole server."""
        with self.lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _execute(self, statement: str) -> None:
        asyncio.run(_execute(self.admin_url, statement))


async def _execute(url: str, statement: str) -> None:
    # Without SQLAlchemy, whose engine asks a server five things before it does the first.
    plain = make_url(url).set(drivername="postgresql")
    connection = await asyncpg.connect(plain.render_as_string(hide_password=False))
    await connection.execute(statement)
    await connection.close()


@contextmanager
def data_folder() -> Iterator[Path]:
    """Give a folder in memory where there is room: a clone takes 15 ms there, on a disk up to 300.

    What a killed test process left there goes first.
    """
    for leftover in MEMORY.glob("tandem-test-*"):
        if not Path("/proc", leftover.name.split("-")[2]).exists():
            shutil.rmtree(leftover, ignore_errors=True)
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH_MEMORY
    place = MEMORY if roomy else None
    with tempfile.TemporaryDirectory(prefix=f"tandem-test-{os.getpid()}-", dir=place) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The server of this test process."""
    prefix = f"tandem_test_{os.getpid()}"
    lock = tmp_path_factory.getbasetemp().parent / "migrations.lock"
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield PostgresServer(admin_url=given, prefix=prefix, lock=lock)
        return
    major = os.environ.get("TEST_POSTGRES_MAJOR")
    binaries = find_binaries(major=int(major)) if major else None
    with (
        data_folder() as folder,
        EmbeddedPostgres(folder, durable=False, settings=SMALL, binaries=binaries) as server,
    ):
        yield PostgresServer(admin_url=server.url("postgres"), prefix=prefix, lock=lock)


@pytest.fixture(scope="session")
def selling_template(postgres: PostgresServer) -> Iterator[str]:
    """Name of a migrated, empty database of the selling service; nobody connects to it."""
    with postgres.template("selling") as name:
        yield name


@pytest.fixture(scope="session")
def reselling_template(postgres: PostgresServer) -> Iterator[str]:
    """Name of a migrated, empty database of the reselling service; nobody connects to it."""
    with postgres.template("reselling") as name:
        yield name


@pytest.fixture
def selling_database_url(postgres: PostgresServer, selling_template: str) -> Iterator[str]:
    """Superuser's URL of a fresh database of the selling service, with the three roles."""
    with postgres.database(template=selling_template) as name:
        yield postgres.url(name)


@pytest.fixture
def reselling_database_url(postgres: PostgresServer, reselling_template: str) -> Iterator[str]:
    """Superuser's URL of a fresh database of the reselling service, with the three roles."""
    with postgres.database(template=reselling_template) as name:
        yield postgres.url(name)


@pytest.fixture
def empty_database_url(postgres: PostgresServer) -> Iterator[str]:
    """Superuser's URL of a fresh database with nothing in it, for what stands on no service."""
    with postgres.database() as name:
        yield postgres.url(name)
