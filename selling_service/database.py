"""The base of the provider's tables, the jobs, and the runtime."""

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import BigInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from selling_service.settings import SellingSettings
from shared.kit.db import new_metadata
from shared.kit.fingerprints import FingerprintKeyColumns
from shared.kit.jobs import JobColumns, WorkerColumns
from shared.kit.runtime import Runtime

TENANT_COLUMN = "partner_id"
TENANT_SETTING = "tandem.partner"

SellingRuntime = Runtime[SellingSettings]


class Base(DeclarativeBase):
    """Every table of the selling service. Tables with `partner_id` are walled off by policies."""

    metadata = new_metadata()


class Job(JobColumns, Base):
    """Jobs of the selling worker; claimed across partners, so without a policy."""


class WorkerRow(WorkerColumns, Base):
    """Workers that were seen alive."""


class FingerprintKey(FingerprintKeyColumns, Base):
    """What fingerprints are made with, encrypted; the staff's login alone reads it."""


class SandboxClockRow(Base):
    """How far the sandbox's clock has been moved on. One row at the most."""

    __tablename__ = "sandbox_clock"

    only: Mapped[bool] = mapped_column(primary_key=True, default=True)
    offset_seconds: Mapped[int] = mapped_column(BigInteger)


def get_runtime(request: Request) -> SellingRuntime:
    """The runtime of this process."""
    runtime: SellingRuntime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[SellingRuntime, Depends(get_runtime)]
