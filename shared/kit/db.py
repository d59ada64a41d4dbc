"""Opens databases and transactions: who reads, who writes, for which tenant, and when it commits.

Only this module commits. Hints to other processes are sent after the commit, never inside it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shared.kit.clock import Clock
from shared.kit.hints import Hints, asyncpg_arguments
from shared.kit.vault import Vault

# What is raised when the database can't be reached or drops us; asyncpg's own come from connecting.
DATABASE_AWAY = (
    DBAPIError,
    PoolTimeoutError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What asyncpg says of a server that dies in the middle of a statement.
    asyncpg.InternalClientError,
)
NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def new_metadata() -> MetaData:
    """Metadata in which every constraint has a name that migrations can rely on."""
    return MetaData(naming_convention=NAMING)


class ReadSession(AsyncSession):
    """A transaction that reads. Carries the clock, the vault and the currency of its process."""

    clock: Clock
    vault: Vault
    currency: str


class WriteSession(ReadSession):
    """A transaction that may write. It commits when its block ends without an error."""

    def hint(self, channel: str, payload: str = "") -> None:
        """Wake whoever waits on this channel, once this transaction has committed."""
        self.info.setdefault("hints", set()).add((channel, payload))


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every session of a process carries."""

    clock: Clock
    vault: Vault
    hints: Hints
    currency: str
    # What must have been read before anything is written; raises DATABASE_AWAY.
    before_writing: Callable[[], Awaitable[None]] | None = None


class Database:
    """One database as one role.

    `tenant_setting` is the setting that row-level security reads, e.g. `tandem.partner`.
    """

    def __init__(
        self,
        url: str,
        *,
        context: Context,
        role: str | None,
        tenant_setting: str,
        pool_size: int = 10,
    ) -> None:
        server_settings = {"timezone": "UTC", "application_name": "tandem"}
        if role is not None:
            server_settings["role"] = role
        self.context = context
        self._connect = {**asyncpg_arguments(url), "server_settings": server_settings}
        self._setting = tenant_setting
        self.most_connections = 2 * pool_size
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            # Statements carry content and secrets, which must not reach logs through errors.
            hide_parameters=True,
            connect_args={"server_settings": server_settings},
        )

    @asynccontextmanager
    async def read(self, *, tenant: UUID | None = None) -> AsyncIterator[ReadSession]:
        """A read-only transaction, rolled back at the end."""
        engine = self.engine.execution_options(postgresql_readonly=True)
        async with ReadSession(engine, expire_on_commit=False) as session:
            await self._prepare(session, tenant)
            yield session

    @asynccontextmanager
    async def write(self, *, tenant: UUID | None = None) -> AsyncIterator[WriteSession]:
        """A transaction: commits when the block ends, rolls back when it raises."""
        if self.context.before_writing is not None:
            await self.context.before_writing()
        async with WriteSession(self.engine, expire_on_commit=False) as session:
            await self._prepare(session, tenant)
            yield session
            await session.commit()
            for channel, payload in session.info.pop("hints", ()):
                self.context.hints.send(channel, payload)

    async def _prepare(self, session: ReadSession, tenant: UUID | None) -> None:
        session.clock = self.context.clock
        session.vault = self.context.vault
        session.currency = self.context.currency
        if tenant is not None:
            await use_tenant(session, self._setting, tenant)

    def connect_arguments(self) -> dict[str, Any]:
        """Arguments of `asyncpg.connect` for a connection of one's own, as the same role."""
        return self._connect

    async def aclose(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


async def use_tenant(session: AsyncSession, setting: str, tenant: UUID) -> None:
    """Name the tenant for the rest of this transaction."""
    await session.execute(
        text("SELECT set_config(:setting, :tenant, true)"),
        {"setting": setting, "tenant": str(tenant)},
    )
