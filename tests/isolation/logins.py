"""Logins as production has them, on a test's database: each a member of one role only."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
from sqlalchemy import make_url

from shared.kit.hints import asyncpg_arguments
from shared.kit.logins import make_logins

ROLES = ("app", "staff")


@asynccontextmanager
async def connected(url: str, **more: Any) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of its own to what a SQLAlchemy URL names."""
    connection = await asyncpg.connect(**asyncpg_arguments(url), **more)
    try:
        yield connection
    finally:
        await connection.close()


async def execute(url: str, *statements: str) -> None:
    """Run statements one by one."""
    async with connected(url) as connection:
        for statement in statements:
            await connection.execute(statement)


def as_login(url: str, name: str, password: str = "a password") -> str:
    """The same database for another login."""
    return make_url(url).set(username=name, password=password).render_as_string(hide_password=False)


@contextmanager
def proper_logins(url: str, service: str = "selling") -> Iterator[dict[str, str]]:
    """The service's variables for a database that a superuser's URL names; the logins go after."""
    tag, prefix = secrets.token_hex(4), service.upper()
    names = {role: f"test_{role}_{tag}" for role in ROLES}
    found = {
        f"{prefix}_{role.upper()}_DATABASE_URL": as_login(url, name) for role, name in names.items()
    }
    owner = {f"{prefix}_OWNER_DATABASE_URL": url}
    asyncio.run(make_logins(prefix, found | owner))
    try:
        yield {**found, f"{prefix}_DATABASE_URL": found[f"{prefix}_APP_DATABASE_URL"]}
    finally:
        asyncio.run(forget(url, *names.values()))


async def forget(url: str, *names: str) -> None:
    """Drop logins, whose rights in this database go with them."""
    for name in names:
        await execute(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
