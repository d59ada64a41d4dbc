"""A reseller's shop and desk beside a seller that it can be compared with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
from sqlalchemy import select, text

from reselling_service.commands.actions import settle
from reselling_service.commands.models import Command
from reselling_service.database import Job
from reselling_service.ledger.models import Entry
from reselling_service.reconciliation.actions.running import run_once
from reselling_service.reconciliation.tasks import tasks
from reselling_service.services.models import Service
from reselling_service.tariffs.models import Tariff
from shared.contract.operations import Operation
from shared.kit.clock import SystemClock
from shared.kit.jobs import Job as ClaimedJob
from shared.kit.vault import Vault
from tests.reselling.house import JSON, House, Person, open_house
from tests.reselling.reconciliation.counterpart import Counterpart, Line
from tests.reselling.services.shop import Shop, execute, open_shop
from tests.reselling.services.voice import MONTH, Voice
from tests.secret_key import SECRET_KEY

DIFFERENCES = "/staff/v1/reconciliation/differences"
REASON = "Agreed by telephone."


@dataclass
class Pair:
    """Both sides. Nothing is repaired without people, unless the house is opened otherwise."""

    shop: Shop
    house: House
    seller: Counterpart

    async def built(self, *, paid: bool = True, **changes: Any) -> tuple[Service, Voice]:
        """An active service that both sides know alike, with its order and the charge for it."""
        service = await self.shop.order()
        voice = self.shop.voice(service)
        (order,) = await self.shop.open_commands(service)
        self.seller.knows(order.id, kind="order", service_ref=service.service_ref)
        event = voice.says(
            "service.activated",
            command=order,
            state="active",
            power="running",
            paid_until=self.shop.clock.now() + MONTH,
        )
        operation = cast("Operation", event.operation)
        if paid:
            line = self.seller.charge(
                service.service_ref, command_id=order.id, kind="order", amount=801
            )
            told = {"id": UUID(line["operation_id"]), "result": {"charged": line["amount"]}}
            operation = operation.model_copy(update=told)
        await self.shop.hear(event.model_copy(update={"operation": operation}))
        service = await self.shop.service(service.id)
        self.show(service, **changes)
        return service, voice

    def show(self, service: Service, **changes: Any) -> Line:
        """Let the seller have a service as it was heard of, but for these changes."""
        assert service.heard is not None
        view = service.heard | {
            "hostname": "web-1.example.com",
            "data_center": "fra1",
            "installation_id": str(self.seller.installation_id),
            "created_at": service.heard["activated_at"],
            "renewal_price": {"amount": 700, "currency": "EUR"},
            "allowed": [],
        }
        shown = view | changes
        self.seller.services[str(service.service_ref)] = shown
        return shown

    def forgets(self, service: Service) -> None:
        """Let the seller forget a service, its commands and charges, as a restored backup does."""
        ref = str(service.service_ref)
        self.seller.services.pop(ref, None)
        self.seller.charges = [line for line in self.seller.charges if line["service_ref"] != ref]
        operations = self.seller.operations
        for key in [key for key, each in operations.items() if each["service_ref"] == ref]:
            del operations[key]

    async def stranger(self, **changes: Any) -> Line:
        """A service, charged for, of which only the seller knows."""
        _service, voice = await self.built()
        ref, client_ref = uuid4(), uuid4()
        view = self.seller.services[str(voice.service_ref)] | {
            "service_ref": str(ref),
            "client_ref": str(client_ref),
            "tariff_id": str(await self.upstream_tariff()),
        }
        self.seller.services[str(ref)] = view | changes
        self.seller.charge(ref, kind="order", amount=801)
        return self.seller.services[str(ref)]

    async def upstream_tariff(self) -> UUID:
        async with self.shop.runtime.staff.read() as session:
            return (await session.scalars(select(Tariff.upstream_id))).one()

    async def compare(self) -> None:
        await run_once(self.house.runtime, asked_by="schedule")

    async def found(self, *, state: str = "open") -> list[JSON]:
        items: list[JSON] = (await self.house.owner.get(DIFFERENCES, params={"state": state}))[
            "items"
        ]
        return items

    async def kinds(self, *, state: str = "open") -> list[str]:
        return sorted(row["kind"] for row in await self.found(state=state))

    async def differs(self, kind: str) -> JSON:
        """Compare; the only difference, which must be of this kind."""
        await self.compare()
        (row,) = await self.found()
        assert row["kind"] == kind, row
        return row

    async def row(self, difference: JSON) -> JSON:
        return await self.house.owner.get(f"{DIFFERENCES}/{difference['id']}")

    async def decide(
        self, difference: JSON, way: str, *, by: Person | None = None, **more: JSON
    ) -> httpx.Response:
        path = f"{DIFFERENCES}/{difference['id']}/{way}"
        return await (by or self.house.owner).ask("POST", path, json={"reason": REASON} | more)

    async def decided(self, difference: JSON, way: str, *, state: str, **more: Any) -> JSON:
        """Decide, and see that it is written down, audited, and not decided twice."""
        answer = await self.decide(difference, way, **more)
        assert answer.status_code == 200, answer.text
        row = await self.row(difference)
        assert row == answer.json()
        assert (row["state"], row["decision"], row["reason"]) == (state, way, REASON)
        assert row["decided_by"] == f"staff:{self.house.owner.id}"
        (entry,) = await self.audit(difference)
        assert (entry["action"], entry["after"]["reason"]) == (f"difference.{way}", REASON)
        assert entry["after"]["kind"] == row["kind"]
        assert entry["after"]["refs"] == row["refs"]
        again = await self.decide(difference, way, **more)
        assert (again.status_code, again.json()["code"]) == (409, "not_decidable")
        assert await self.row(difference) == row
        assert len(await self.audit(difference)) == 1
        return row

    async def refused(self, difference: JSON, way: str, code: str, **more: Any) -> str:
        """Decide in vain: nothing is moved, sent or written down. The detail of the problem."""
        before = await self.standing(difference)
        answer = await self.decide(difference, way, **more)
        body = answer.json()
        assert body["code"] == code, body
        assert await self.standing(difference) == before
        detail: str = body["detail"]
        return detail

    async def audit(self, difference: JSON) -> list[JSON]:
        items: list[JSON] = (
            await self.house.owner.get("/staff/v1/audit", params={"object_id": difference["id"]})
        )["items"]
        return items

    async def standing(self, difference: JSON) -> tuple[Any, ...]:
        """All that a decision could change."""
        async with self.shop.runtime.staff.read() as session:
            counts = [
                (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()  # noqa: S608
                for table in ("commands", "services", "seller_charges", "jobs", "client_refs")
            ]
            lives = await session.execute(
                text("SELECT id, wanted_life, heard_revision FROM services ORDER BY id")
            )
            found = [tuple(each) for each in lives]
        row, audit = await self.row(difference), await self.audit(difference)
        return (counts, found, await self.entries(), await self.shop.holds(), row, audit)

    async def entries(self) -> list[tuple[str, int]]:
        """Kind and amount of what moved the client's balance, in order."""
        async with self.shop.runtime.staff.read() as session:
            rows = await session.scalars(
                select(Entry).where(Entry.book == "balance").order_by(Entry.number)
            )
            return [(row.kind, row.amount) for row in rows]

    async def last_command(self, service: Service) -> tuple[str, dict[str, Any], JSON]:
        """Kind, summary and body of the last command of a service."""
        async with self.shop.runtime.staff.read() as session:
            statement = select(Command).where(Command.service_id == service.id)
            rows = await session.scalars(statement.order_by(Command.sequence.desc()).limit(1))
            row = rows.one()
            body = httpx.Response(200, content=Vault([SECRET_KEY]).decrypt(row.body)).json()
            return row.kind, row.summary, body

    async def end(self, service: Service, state: str) -> None:
        """End whatever is under way of a service."""
        async with self.shop.runtime.staff.write() as session:
            for command in await self.shop.open_commands(service):
                await settle(session, command, state=state)

    async def charges(self, service_ref: UUID) -> list[tuple[str, int]]:
        """Kind and amount of the seller's charges that we know of."""
        async with self.shop.runtime.staff.read() as session:
            found = await session.execute(
                text("SELECT kind, amount FROM seller_charges WHERE service_ref = :r ORDER BY at"),
                {"r": service_ref},
            )
            return [tuple(each) for each in found]

    async def work(self, kind: str) -> None:
        """Do the one job of this kind that is due."""
        (task,) = [each for each in tasks(self.house.runtime) if each.kind == kind]
        async with self.shop.runtime.staff.write() as session:
            row = (await session.scalars(select(Job).where(Job.kind == kind))).one()
            await session.delete(row)
            job = cast("ClaimedJob", row)
        await task.work(job)

    async def age(self, by: timedelta) -> None:
        """Let all differences have been seen, and decided, so much earlier."""
        await execute(
            self.shop,
            "UPDATE reconciliation_differences SET"
            " first_seen_at = first_seen_at - cast(:by AS interval),"
            " decided_at = decided_at - cast(:by AS interval)",
            by=by,
        )


@asynccontextmanager
async def open_pair(
    database_url: str, seller: Counterpart, *, most_alone: int = 0
) -> AsyncIterator[Pair]:
    """A pair on this database, with this seller connected."""
    async with (
        open_shop(database_url) as shop,
        open_house(
            database_url,
            reconciliation_recheck_seconds=0.0,
            reconciliation_most_alone=most_alone,
        ) as house,
    ):
        # Both clocks are the desk's.
        shop.clock.at = SystemClock().now()
        seller.installation_id = shop.installation_id
        await execute(
            shop,
            "UPDATE sellers SET url = :url, key = :key",
            url=seller.url,
            key=Vault([SECRET_KEY]).encrypt_text(seller.key),
        )
        yield Pair(shop=shop, house=house, seller=seller)
