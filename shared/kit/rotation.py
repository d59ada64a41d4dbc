"""Encrypts everything anew under the newest secret key, while the services run.

It finds the columns by their kind, takes only rows that nobody holds, and never waits while it
holds some: it can't be part of a deadlock. What it didn't get it finds the next time.
"""

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    MetaData,
    RowMapping,
    Table,
    and_,
    bindparam,
    or_,
    select,
    text,
    tuple_,
    update,
)

from shared.kit.columns import Encrypted, Hashed
from shared.kit.db import Database
from shared.kit.fingerprints import FingerprintKeyColumns
from shared.kit.vault import Vault, VaultError

BATCH = 500
_BYTES = text("""
SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND atttypid = 'bytea'::regtype AND NOT attisdropped
""")
PASSES = 5
_BETWEEN_PASSES_SECONDS = 0.2


class UnknownColumns(Exception):
    """The database has bytes of which this release doesn't know whether they are encrypted."""


@dataclass(slots=True)
class Count:
    """Values of one column: all, those under older keys, and those that no key opens."""

    values: int = 0
    older: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """One Count for each encrypted column, by `table.column`."""

    columns: dict[str, Count] = field(default_factory=dict)

    @property
    def older(self) -> int:
        """How many values stop being readable when the older keys go."""
        return sum(count.older for count in self.columns.values())

    @property
    def unreadable(self) -> int:
        """How many no key at hand opens."""
        return sum(count.unreadable for count in self.columns.values())


def encrypted_tables(metadata: MetaData) -> dict[Table, list[str]]:
    """Every table with encrypted columns, and their names; the fingerprints' key comes last.

    While that key is under an older one, a process that starts says that rotation isn't finished.
    """
    found = {
        table: [column.name for column in table.columns if isinstance(column.type, Encrypted)]
        for table in metadata.sorted_tables
    }
    last = FingerprintKeyColumns.__tablename__
    tables = sorted((table for table in found if found[table]), key=lambda one: one.name == last)
    return {table: found[table] for table in tables}


async def _check_known(database: Database, metadata: MetaData) -> None:
    known = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Encrypted | Hashed)
    }
    async with database.read() as session:
        there = {(table, column) for table, column in await session.execute(_BYTES)}
    if there - known:
        names = ", ".join(f"{table}.{column}" for table, column in sorted(there - known))
        raise UnknownColumns(f"this release doesn't know {names}: use the one that runs here")


def load_models(package: str) -> None:
    """Import the models of all of a service's rooms: only then its metadata names every table."""
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if found.name.endswith(".models"):
            importlib.import_module(found.name)


async def count_secrets(database: Database, metadata: MetaData) -> Counts:
    """Look at every encrypted value; changes nothing. Raises UnknownColumns."""
    await _check_known(database, metadata)
    vault, counts = database.context.vault, Counts()
    for table, names in encrypted_tables(metadata).items():
        own = {name: Count() for name in names}
        counts.columns.update({f"{table.name}.{name}": count for name, count in own.items()})
        async for rows in _pages(database, table, names):
            for row in rows:
                for name in names:
                    if row[name]:
                        _count(own[name], row[name], vault)
    return counts


def _count(count: Count, cipher: bytes, vault: Vault) -> None:
    count.values += 1
    try:
        count.older += vault.renew(cipher) is not None
    except VaultError:
        count.unreadable += 1


async def rotate_secrets(database: Database, metadata: MetaData) -> int:
    """Encrypt anew whatever is under an older key; how many rows were changed.

    It may be ended at any time and begun anew. Rows that others hold are tried again a few times.
    Raises UnknownColumns.
    """
    await _check_known(database, metadata)
    changed = 0
    for table, names in encrypted_tables(metadata).items():
        for left in reversed(range(PASSES)):
            done, busy = await _rotate_table(database, table, names)
            changed += done
            if not busy or not left:
                break
            await asyncio.sleep(_BETWEEN_PASSES_SECONDS)
    return changed


async def _rotate_table(database: Database, table: Table, names: Sequence[str]) -> tuple[int, int]:
    """How many rows were changed, and how many somebody held."""
    done = busy = 0
    async for rows in _pages(database, table, names):
        stale = [row for row in rows if _renewed(row, names, database.context.vault)]
        if stale:
            changed = await _rotate_rows(database, table, names, stale)
            done, busy = done + changed, busy + len(stale) - changed
    return done, busy


async def _rotate_rows(
    database: Database, table: Table, names: Sequence[str], stale: Sequence[RowMapping]
) -> int:
    """One short transaction: lock those that are free, look again, write."""
    keys = [column.name for column in table.primary_key]
    wanted = or_(*(and_(*(table.c[key] == row[key] for key in keys)) for row in stale))
    async with database.write() as session:
        locked = await session.execute(
            _columns(table, names).where(wanted).with_for_update(skip_locked=True, key_share=True)
        )
        changes = [
            {f"_{key}": row[key] for key in keys}
            | {name: row[name] for name in names}
            | _renewed(row, names, database.context.vault)
            for row in locked.mappings()
        ]
        if changes:
            mine = and_(*(table.c[key] == bindparam(f"_{key}") for key in keys))
            connection = await session.connection()
            await connection.execute(update(table).where(mine), changes)
    return len(changes)


def _renewed(row: RowMapping, names: Sequence[str], vault: Vault) -> dict[str, bytes]:
    """The values that must be written; what can't be read stays as it is."""
    found: dict[str, bytes] = {}
    for name in names:
        if not row[name]:
            continue
        try:
            renewed = vault.renew(row[name])
        except VaultError:
            continue
        if renewed is not None:
            found[name] = renewed
    return found


async def _pages(
    database: Database, table: Table, names: Sequence[str]
) -> AsyncIterator[Sequence[RowMapping]]:
    """All rows with a value, by primary key, each page in a transaction of its own.

    No bytes at all are no value: what a command said is emptied when it has ended.
    """
    keys = list(table.primary_key)
    some = or_(*(table.c[name] != b"" for name in names))
    statement = _columns(table, names).where(some).order_by(*keys).limit(BATCH)
    after: RowMapping | None = None
    while True:
        page = statement
        if after is not None:
            page = page.where(tuple_(*keys) > tuple(after[key.name] for key in keys))
        async with database.read() as session:
            rows = (await session.execute(page)).mappings().all()
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        after = rows[-1]


def _columns(table: Table, names: Sequence[str]) -> Any:  # noqa: ANN401 (a Select of what varies)
    return select(*table.primary_key, *(table.c[name] for name in names))
