"""A database with nothing but jobs and a diary, for what the kit does without a service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.fernet import Fernet
from sqlalchemy import BigInteger, Identity, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.kit.db import Context, Database, ReadSession, WriteSession, new_metadata
from shared.kit.hints import Hints
from shared.kit.jobs import JobColumns, WorkerColumns
from shared.kit.vault import Vault

START = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = new_metadata()


class Job(JobColumns, Base):
    pass


class WorkerRow(WorkerColumns, Base):
    pass


class Diary(Base):
    """What completions wrote, in the order in which they did."""

    __tablename__ = "diary"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    lane: Mapped[UUID | None]
    number: Mapped[int]
    worker: Mapped[int] = mapped_column(BigInteger)


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


def open_database(url: str, *, clock: ManualClock | None = None, listen: bool = True) -> Database:
    """A database as its owner, without tenants; its hints aren't running yet."""
    context = Context(
        clock=clock or ManualClock(),
        vault=Vault([Fernet.generate_key().decode()]),
        hints=Hints(url if listen else None),
        currency="EUR",
    )
    return Database(url, context=context, role=None, tenant_setting="tandem.partner", pool_size=5)


@asynccontextmanager
async def stage(url: str, *, clock: ManualClock | None = None) -> AsyncIterator[Database]:
    """The database with its tables, and hints that run."""
    database = open_database(url, clock=clock)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await database.context.hints.start()
    try:
        yield database
    finally:
        await database.context.hints.aclose()
        await database.aclose()


async def write_diary(
    session: WriteSession, *, lane: UUID | None, number: int, worker: int
) -> None:
    session.add(Diary(lane=lane, number=number, worker=worker))
    await session.flush()


async def count(database: Database, table: str) -> int:
    async with database.read() as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608


async def eventually(
    check: Callable[[], Awaitable[bool]], *, seconds: float = 10.0, what: str = "it"
) -> float:
    """Wait until the check holds; the seconds that it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not await check():
        if loop.time() - began > seconds:
            raise AssertionError(f"{what} did not come about within {seconds} s")
        await asyncio.sleep(0.02)
    return loop.time() - began


async def states(session: ReadSession) -> list[str]:
    """The states of all jobs, in the order of their ids."""
    return list((await session.scalars(text("SELECT state FROM jobs ORDER BY id"))).all())
