"""Puts a reselling service's insides together for tests: runtime, line, a connected seller."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from pydantic import SecretStr

from reselling_service.commands.actions import send_command
from reselling_service.commands.models import Attempt, Command
from reselling_service.commands.queries import list_attempts
from reselling_service.database import TENANT_SETTING, ResellingRuntime
from reselling_service.ledger.models import BOOKS, Hold
from reselling_service.sellers.actions.connect import connect_seller
from reselling_service.sellers.client import SellerClient, client_for, open_line
from reselling_service.sellers.models import Seller
from reselling_service.settings import ResellingSettings
from shared.contract.basics import CommandKind, Input
from shared.contract.offers import About
from shared.contract.services import PowerRequest
from shared.kit.bookkeeping import Posting
from shared.kit.clock import SystemClock
from shared.kit.ids import new_id
from shared.kit.jobs import Task, Worker
from shared.kit.people import Role, StaffPrincipal, Unattended
from shared.kit.runtime import Runtime
from shared.kit.tls import SYSTEM
from tests.reselling.sellers.fake import FakeSeller
from tests.secret_key import SECRET_KEY

Found = TypeVar("Found")
ALICE = StaffPrincipal(id=new_id(), email="alice@example.com", role=Role.OWNER)


class MovableClock:
    """The machine's time, moved on by the test alone."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self._offset = timedelta(0)

    def now(self) -> datetime:
        return self._real.now() + self._offset

    def advance(self, by: timedelta) -> None:
        self._offset += by


@dataclass
class Rig:
    """A runtime with its line open, one client with money, and one connected seller."""

    runtime: ResellingRuntime
    clock: MovableClock
    fake: FakeSeller
    seller_id: UUID
    client_id: UUID

    def client(self) -> SellerClient:
        return client_for(self.runtime, url=self.fake.url, key=self.fake.key, trust=SYSTEM)

    async def seller(self) -> Seller:
        async with self.runtime.staff.read() as session:
            return await session.get_one(Seller, self.seller_id)

    async def send(
        self,
        kind: CommandKind = CommandKind.START,
        *,
        body: Input | None = None,
        service_id: UUID | None = None,
        service_ref: UUID | None = None,
        hold: int | None = None,
        summary: dict[str, Any] | None = None,
    ) -> Command:
        """Wish something of the seller, with money held for it where `hold` says how much."""
        async with self.runtime.staff.write() as session:
            hold_id = None
            if hold is not None:
                posting = Posting(kind=kind, text="a term")
                row = await BOOKS.hold(session, owner=self.client_id, amount=hold, posting=posting)
                hold_id = row.id
            return await send_command(
                session,
                seller_id=self.seller_id,
                client_id=self.client_id,
                service_id=service_id or new_id(),
                service_ref=service_ref or uuid4(),
                kind=kind,
                body=body or PowerRequest(),
                asked_by="staff",
                hold_id=hold_id,
                summary=summary,
            )

    async def command(self, command_id: UUID) -> Command:
        async with self.runtime.staff.read() as session:
            return await session.get_one(Command, command_id)

    async def attempts(self, command_id: UUID) -> list[Attempt]:
        """Oldest first."""
        async with self.runtime.staff.read() as session:
            rows = await list_attempts(session, ALICE, command_id=command_id)
            return list(reversed(rows))

    async def hold_state(self, hold_id: UUID | None) -> str:
        async with self.runtime.staff.read() as session:
            return (await session.get_one(Hold, hold_id)).state

    async def available(self) -> int:
        async with self.runtime.staff.read() as session:
            row = await BOOKS.balance(session, owner=self.client_id)
            return row.balance - row.held

    async def reached(self, command_id: UUID, *states: str) -> Command:
        """Wait until the command stands in one of these states."""

        async def look() -> Command | None:
            row = await self.command(command_id)
            return row if row.state in states else None

        return await until(look)

    @asynccontextmanager
    async def working(self, tasks: Iterable[Task]) -> AsyncIterator[None]:
        """A worker works these tasks while the block runs."""
        worker = Worker(self.runtime.staff, tasks=tasks)
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await running


async def until(look: Callable[[], Awaitable[Found | None]], *, seconds: float = 15.0) -> Found:
    """Wait for something; the first answer that isn't None or false."""
    async with asyncio.timeout(seconds):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.02)


def new_runtime(database_url: str, **settings: float) -> tuple[ResellingRuntime, MovableClock]:
    """A runtime whose clock the test can move on."""
    values: dict[str, Any] = {
        "call_timeout_seconds": 1.0,
        "stream_silence_seconds": 1.0,
        "longest_back_off_seconds": 0.5,
    }
    clock = MovableClock()
    found = ResellingSettings(
        database_url=SecretStr(database_url),
        secret_keys=[SecretStr(SECRET_KEY)],
        **(values | settings),
    )
    return Runtime(found, tenant_setting=TENANT_SETTING, clock=clock), clock


@asynccontextmanager
async def open_rig(database_url: str, fake: FakeSeller, **settings: float) -> AsyncIterator[Rig]:
    """A rig on this database with this seller connected."""
    runtime, clock = new_runtime(database_url, **settings)
    client_id = new_id()
    async with runtime.running(), open_line(runtime):
        about = About.model_validate(fake._about())
        async with runtime.staff.write() as session:
            seller = await connect_seller(
                session, Unattended.CLI, name="Hosting A", url=fake.url, key=fake.key, about=about
            )
            await BOOKS.open_balance(session, owner=client_id, currency="EUR")
            await BOOKS.top_up(
                session, owner=client_id, amount=10_000, posting=Posting(kind="cash", text="cash")
            )
        yield Rig(runtime=runtime, clock=clock, fake=fake, seller_id=seller.id, client_id=client_id)


MINUTE = timedelta(minutes=1)
