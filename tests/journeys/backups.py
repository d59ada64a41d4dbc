"""Backs a side's database up and puts the copy in its place later, as after a lost disk.

The platform isn't restored with the books: the simulated one, whose tables lie in the seller's
database, is carried over as it was last.
"""

import asyncio
from dataclasses import dataclass
from io import BytesIO

import asyncpg
from sqlalchemy import URL, make_url

from tests.journeys.behind import rows
from tests.journeys.stack import Stack

PLATFORM = ("simulated_platforms", "simulated_users", "simulated_vms")
PROCESSES = {
    "selling": ("selling-api", "selling-worker"),
    "reselling": ("reselling-api", "reselling-worker"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy of one side's database."""

    stack: Stack
    side: str
    url: URL

    @classmethod
    def take(cls, stack: Stack, side: str) -> "Backup":
        """Copy the database while its processes are down: a template takes no other sessions."""
        live = make_url(getattr(stack, f"{side}_database")).set(drivername="postgresql")
        copy = live.set(database=f"{live.database}_backup")
        stack.kill(*PROCESSES[side])
        asyncio.run(
            _administer(
                live,
                f'DROP DATABASE IF EXISTS "{copy.database}"',
                f'CREATE DATABASE "{copy.database}" TEMPLATE "{live.database}"',
            )
        )
        stack.start(*PROCESSES[side])
        stack.wait_until_ready()
        return cls(stack=stack, side=side, url=copy)

    def restore(self) -> None:
        """Put the copy in the place of the live database, which is lost but for the platform."""
        live = make_url(getattr(self.stack, f"{self.side}_database"))
        live = live.set(drivername="postgresql")
        self.stack.kill(*PROCESSES[self.side])
        kept = asyncio.run(_read(live)) if self.side == "selling" else {}
        asyncio.run(
            _administer(
                live,
                f'DROP DATABASE "{live.database}" WITH (FORCE)',
                f'ALTER DATABASE "{self.url.database}" RENAME TO "{live.database}"',
            )
        )
        asyncio.run(_write(live, kept))
        self.stack.start(*PROCESSES[self.side])
        self.stack.wait_until_ready()


def carry_platform_over(old: str, new: str) -> None:
    """Put the platform as it was last, in the old database, beside restored books in the new."""
    source, target = (make_url(url).set(drivername="postgresql") for url in (old, new))
    asyncio.run(_write(target, asyncio.run(_read(source))))


def machines(stack: Stack) -> dict[str, object]:
    """How every VM stands on the platform, and how often it was started."""
    found = rows(
        stack.selling_database,
        "SELECT vm_id, power, locked, boots, deleted FROM simulated_vms ORDER BY vm_id",
    )
    return {str(row.pop("vm_id")): row for row in found}


async def _administer(url: URL, *statements: str) -> None:
    connection = await _connect(url.set(database="postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _connect(url: URL) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(url.render_as_string(hide_password=False))


async def _read(url: URL) -> dict[str, bytes]:
    connection, found = await _connect(url), {}
    try:
        for table in PLATFORM:
            sink = BytesIO()
            await connection.copy_from_table(table, output=sink)
            found[table] = sink.getvalue()
    finally:
        await connection.close()
    return found


async def _write(url: URL, kept: dict[str, bytes]) -> None:
    connection = await _connect(url)
    try:
        for table in reversed(kept):
            await connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of our own
        for table, content in kept.items():
            await connection.copy_to_table(table, source=BytesIO(content))
    finally:
        await connection.close()
