"""A reseller's shop for tests: a seller, a tariff, a client with money, and the seller's voice."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import select, text

from reselling_service.clients.models import Client
from reselling_service.commands.actions import settle, tell
from reselling_service.commands.models import Command
from reselling_service.database import TENANT_SETTING, Job, ResellingRuntime
from reselling_service.ledger.actions import Payment, top_up
from reselling_service.ledger.models import BOOKS, Hold
from reselling_service.orders.actions import Click, place_order
from reselling_service.orders.schemas import NewOrder, Options
from reselling_service.sellers.models import Seller
from reselling_service.services import actions, queries
from reselling_service.services.models import Service, WantedSuspension
from reselling_service.services.rules import Asker, Side
from reselling_service.services.tasks import tasks
from reselling_service.settings import ResellingSettings
from reselling_service.tariffs.models import Tariff, TariffPrice
from shared.contract.basics import Period
from shared.contract.events import Event
from shared.kit.bookkeeping import Posting
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import Job as ClaimedJob
from shared.kit.people import Role, StaffPrincipal
from shared.kit.principals import ClientId
from shared.kit.runtime import Runtime
from tests.reselling.services.voice import MONTH, START, ManualClock, Voice
from tests.secret_key import SECRET_KEY

Found = TypeVar("Found")
BY_CLIENT = Asker(side=Side.CLIENT, name="client")
BY_STAFF = Asker(side=Side.STAFF, name="staff:1")
ALICE = StaffPrincipal(id=new_id(), email="alice@example.com", role=Role.OWNER)
PRICE, SETUP, MONEY = 1000, 200, 10_000


@dataclass
class Shop:
    """The shop, opened on a database of its own."""

    runtime: ResellingRuntime
    clock: ManualClock
    seller_id: UUID
    installation_id: UUID
    client_id: ClientId
    tariff_id: UUID

    def new_order(self, **options: object) -> NewOrder:
        """A valid order."""
        chosen = {"os": "debian-12", "hostname": "web-1.example.com"} | options
        return NewOrder(
            tariff_id=self.tariff_id, period=Period.MONTH, options=Options.model_validate(chosen)
        )

    async def as_client(self, act: Callable[[WriteSession], Awaitable[Found]]) -> Found:
        """Do something in a transaction of the client's."""
        async with self.runtime.app.write(tenant=self.client_id) as session:
            return await act(session)

    async def order(self, new: NewOrder | None = None, *, click: Click | None = None) -> Service:
        """Order as the client; the service that is wanted since."""

        async def act(session: WriteSession) -> UUID:
            order = await place_order(
                session, self.client_id, new or self.new_order(), asker=BY_CLIENT, click=click
            )
            return order.service_id

        return await self.service(await self.as_client(act))

    async def service(self, service_id: UUID) -> Service:
        """The service as it stands now."""
        async with self.runtime.staff.read() as session:
            return await queries.get_service(session, ALICE, service_id=service_id)

    def voice(self, service: Service) -> Voice:
        """The seller's side of a service."""
        return Voice(
            service_ref=service.service_ref,
            client_ref=service.client_ref,
            installation_id=self.installation_id,
            clock=self.clock,
        )

    async def built(self) -> tuple[Service, Voice]:
        """A service that was ordered and is active since."""
        service = await self.order()
        voice = self.voice(service)
        (command,) = await self.open_commands(service)
        await self.hear(
            voice.says(
                "service.activated",
                command=command,
                state="active",
                power="running",
                paid_until=self.clock.now() + MONTH,
            )
        )
        return await self.service(service.id), voice

    async def hear(self, event: Event) -> None:
        """Apply one event, as the sync does."""
        async with self.runtime.staff.write() as session:
            await actions.hear(session, self.seller_id, event)

    async def refuse(self, command: Command, code: str) -> None:
        """End a command by an answer, as the worker that forwards commands does."""
        async with self.runtime.staff.write() as session:
            problem = {"code": code, "detail": f"{code} at Hosting A: 701 EUR"}
            if await settle(session, command, state="refused", problem=problem):
                await tell(session, command)
        await self.work()

    async def wish(
        self,
        service: Service,
        act: Callable[..., Awaitable[None]],
        asker: Asker = BY_CLIENT,
        **arguments: object,
    ) -> Service:
        """Do what a route does: lock the service, wish, commit."""
        async with self.runtime.staff.write() as session:
            locked = await queries.lock_service(session, ALICE, service_id=service.id)
            await act(session, locked, asker, **arguments)
        return await self.service(service.id)

    async def open_commands(self, service: Service) -> list[Command]:
        """Commands that aren't settled, in order."""
        async with self.runtime.staff.read() as session:
            return (await queries.find_open_commands(session, [service]))[service.id]

    async def commands(self, service: Service) -> list[str]:
        """Every command that was ever made, by kind and actor, in order."""
        async with self.runtime.staff.read() as session:
            rows = await session.scalars(
                select(Command).where(Command.service_id == service.id).order_by(Command.sequence)
            )
            return [f"{row.kind} {row.summary.get('actor') or ''}".strip() for row in rows]

    async def holds(self) -> list[tuple[int, str]]:
        """Amount and state of each hold, in order."""
        async with self.runtime.staff.read() as session:
            rows = await session.scalars(select(Hold).order_by(Hold.id))
            return [(row.amount, row.state) for row in rows]

    async def available(self) -> int:
        """What the client can spend."""
        async with self.runtime.staff.read() as session:
            row = await BOOKS.balance(session, owner=self.client_id)
            return row.balance - row.held

    async def top_up(self, amount: int) -> None:
        """Staff enter a payment of the client's."""
        payment = Payment(reference=new_id(), amount=amount, currency="EUR", text="cash")
        async with self.runtime.staff.write() as session:
            await top_up(session, ALICE, self.client_id, payment)

    async def causes(self, service: Service) -> set[str]:
        """Our own suspensions."""
        async with self.runtime.staff.read() as session:
            rows = await session.scalars(
                select(WantedSuspension.cause).where(WantedSuspension.service_id == service.id)
            )
            return set(rows)

    async def agrees(self, service: Service) -> bool:
        """Whether wanted and heard come to the same."""
        async with self.runtime.staff.read() as session:
            found = await queries.get_service(session, ALICE, service_id=service.id)
            return await queries.agrees(session, found)

    async def due_at(self, service: Service) -> datetime | None:
        """When the service's renewal is looked at next."""
        async with self.runtime.staff.read() as session:
            statement = select(Job.run_at).where(Job.dedupe_key == f"renew:{service.id}")
            return (await session.scalars(statement)).one_or_none()

    async def work(self) -> None:
        """Do the jobs of the room of services that are due, until none is."""
        known = {task.kind: task for task in tasks(self.runtime)}
        while (job := await self._take(list(known))) is not None:
            completion = await known[job.kind].work(job)
            assert completion is not None
            async with self.runtime.staff.write(tenant=job.tenant_id) as session:
                await completion(session)

    async def _take(self, kinds: list[str]) -> ClaimedJob | None:
        async with self.runtime.staff.write() as session:
            row = (
                await session.scalars(
                    select(Job)
                    .where(Job.kind.in_(kinds), Job.run_at <= self.clock.now())
                    .order_by(Job.id)
                    .limit(1)
                )
            ).one_or_none()
            if row is None:
                return None
            await session.delete(row)
            return ClaimedJob(
                id=row.id,
                kind=row.kind,
                lane=row.lane,
                tenant_id=row.tenant_id,
                payload=row.payload,
                attempt=1,
                claim=1,
                max_attempts=12,
                worker=1,
                traceparent=None,
            )


def new_tariff(seller_id: UUID, **changes: object) -> Tariff:
    """A tariff that is sold."""
    values: dict[str, Any] = {
        "id": new_id(),
        "seller_id": seller_id,
        "upstream_id": uuid4(),
        "upstream_version": 3,
        "name": "Small",
        "enabled": True,
        "withdrawn": False,
        "markup_percent": Decimal(40),
        "currency": "EUR",
        "os_templates": ["debian-12"],
        "upstream": {},
        "imported_at": START,
    }
    return Tariff(**(values | changes))


async def add_client(session: WriteSession, *, money: int, name: str = "Ann") -> ClientId:
    """An active client with a balance."""
    client_id = ClientId(new_id())
    session.add(
        Client(
            id=client_id,
            email=f"{client_id.hex}@example.com",
            name=name,
            state="active",
            created_at=START,
        )
    )
    await session.flush()
    await BOOKS.open_balance(session, owner=client_id, currency="EUR")
    if money:
        posting = Posting(kind="top_up", text="cash", reference=new_id())
        await BOOKS.top_up(session, owner=client_id, amount=money, posting=posting)
    return client_id


async def furnish(session: WriteSession) -> tuple[UUID, UUID, UUID]:
    """A seller with one tariff on sale: ids of seller, installation, tariff."""
    seller = Seller(
        id=new_id(),
        name="Hosting A",
        url="https://a.example.com",
        key=session.vault.encrypt_text("secret"),
        key_hint="…cret",
        installation_id=uuid4(),
        currency="EUR",
        about={},
        clock_offset_ms=0,
        created_at=START,
    )
    session.add(seller)
    await session.flush()
    tariff = new_tariff(seller.id)
    session.add(tariff)
    await session.flush()
    session.add(
        TariffPrice(
            tariff_id=tariff.id,
            period="month",
            price=PRICE,
            setup_fee=SETUP,
            upstream_price=Decimal("700.5"),
            upstream_setup_fee=Decimal(100),
        )
    )
    return seller.id, seller.installation_id, tariff.id


@asynccontextmanager
async def open_shop(database_url: str, *, money: int = MONEY) -> AsyncIterator[Shop]:
    """A shop on this database."""
    clock = ManualClock()
    settings = ResellingSettings(
        database_url=SecretStr(database_url), secret_keys=[SecretStr(SECRET_KEY)]
    )
    runtime: ResellingRuntime = Runtime(settings, tenant_setting=TENANT_SETTING, clock=clock)
    async with runtime.running():
        async with runtime.staff.write() as session:
            client_id = await add_client(session, money=money)
            seller_id, installation_id, tariff_id = await furnish(session)
        yield Shop(
            runtime=runtime,
            clock=clock,
            seller_id=seller_id,
            installation_id=installation_id,
            client_id=client_id,
            tariff_id=tariff_id,
        )


async def execute(shop: Shop, statement: str, **values: object) -> None:
    """Change a row behind everybody's back."""
    async with shop.runtime.staff.write() as session:
        await session.execute(text(statement), values)
