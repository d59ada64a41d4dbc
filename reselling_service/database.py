"""The base of the reseller's tables, the jobs, the runtime and clients' transactions.

Rows of a client carry `client_id`, an opaque id: nothing here knows who that is.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import BigInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from reselling_service.settings import ResellingSettings
from shared.kit.db import ReadSession, WriteSession, new_metadata
from shared.kit.fingerprints import FingerprintKeyColumns
from shared.kit.jobs import JobColumns, WorkerColumns
from shared.kit.principals import CurrentClient
from shared.kit.runtime import Runtime

TENANT_COLUMN = "client_id"
TENANT_SETTING = "tandem.client"

ResellingRuntime = Runtime[ResellingSettings]


class Base(DeclarativeBase):
    """Every table of the reselling service. Tables with `client_id` are walled off by policies."""

    metadata = new_metadata()


class Job(JobColumns, Base):
    """Jobs of the reselling worker."""


class WorkerRow(WorkerColumns, Base):
    """Workers that were seen alive."""


class FingerprintKey(FingerprintKeyColumns, Base):
    """What fingerprints are made with, encrypted; the staff's login alone reads it."""


class SandboxClockRow(Base):
    """How far the sandbox's clock has been moved on. One row at the most."""

    __tablename__ = "sandbox_clock"

    only: Mapped[bool] = mapped_column(primary_key=True, default=True)
    offset_seconds: Mapped[int] = mapped_column(BigInteger)


def get_runtime(request: Request) -> ResellingRuntime:
    """The runtime of this process."""
    runtime: ResellingRuntime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[ResellingRuntime, Depends(get_runtime)]


async def _client_read(request: Request, client_id: CurrentClient) -> AsyncIterator[ReadSession]:
    async with get_runtime(request).app.read(tenant=client_id) as session:
        yield session


async def _client_write(request: Request, client_id: CurrentClient) -> AsyncIterator[WriteSession]:
    async with get_runtime(request).app.write(tenant=client_id) as session:
        yield session


# The scope makes the commit happen before the answer is sent.
ClientRead = Annotated[ReadSession, Depends(_client_read, scope="function")]
ClientWrite = Annotated[WriteSession, Depends(_client_write, scope="function")]
