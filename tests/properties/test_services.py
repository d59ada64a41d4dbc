"""Random lives of services: wishes, clocks, faults, and workers that freeze, die or come back late.

`SERVICES_SECONDS` (25) says for how long, `SERVICES_SEED` where to begin; a failure names its seed
and tells the steps that led to it.
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from selling_service.ledger.models import BOOKS
from selling_service.provisioning import actions
from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from selling_service.services import queries
from selling_service.services.actions.operations import Wish
from selling_service.services.actions.suspend import resume, suspend
from selling_service.services.actions.terminate import restore, terminate
from selling_service.services.rules import Side
from shared.contract.basics import Actor, SuspensionReason, TerminateWhen
from shared.contract.services import RestoreRequest
from shared.kit.bookkeeping import Posting
from shared.kit.ids import new_id
from shared.kit.jobs import enqueue, revive_jobs
from shared.kit.problems import ProblemError
from tests.properties.crew import Crew
from tests.properties.invariants import breaches
from tests.selling.services.house import Caller, House, open_house

SECONDS = float(os.environ.get("SERVICES_SECONDS", "25"))
SEED = int(os.environ.get("SERVICES_SEED", "1"))
STEPS = 45
STOCK = 5
ANSWERS = {200, 202, 204, 402, 404, 409}
VERBS = ("suspend", "resume", "start", "stop", "restart", "rename", "renew", "terminate", "restore")


@dataclass
class Sent:
    """A command as it was sent, and what was answered first."""

    partner: Caller
    path: str
    body: dict[str, Any]
    key: UUID
    status: int
    answer: dict[str, Any]


@dataclass
class Life:
    """One round: two partners, their services, and what has happened so far."""

    house: House
    crew: Crew
    chance: random.Random
    partners: list[Caller]
    stock: int
    services: list[tuple[Caller, str]] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    async def step(self) -> None:
        """One thing happens."""
        self.house.clock.advance(milliseconds=1)
        steps: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (12, self.wish),
            (3, self.burst),
            (10, self.work),
            (5, self.freeze),
            (3, self.wake),
            (3, self.sweep),
            (6, self.fault),
            (3, self.time),
            (4, self.provider),
            (2, self.cancel),
            (2, self.repeat),
            (2, self.money),
            (1, self.give_up),
            (1, self.retry),
        ]
        weights = [weight for weight, _ in steps]
        await self.chance.choices([step for _, step in steps], weights)[0]()

    def tell(self, *what: object) -> None:
        self.story.append(" ".join(str(part) for part in what))

    async def wish(self) -> None:
        if len(self.services) < 2 or self.chance.random() < 0.2:
            await self.order()
        else:
            await self.command()

    async def order(self) -> None:
        partner = self.chance.choice(self.partners)
        body = self.house.order(period=self.chance.choice(["hour", "month", "month"]))
        if await self.send(partner, "/services", body) == 202:
            self.services.append((partner, body["service_ref"]))

    async def command(self) -> None:
        partner, ref = self.chance.choice(self.services)
        verb = self.chance.choice(VERBS)
        body: dict[str, Any] = {}
        if verb in {"suspend", "resume"}:
            body["actor"] = self.chance.choice(["client", "partner"])
        elif verb == "rename":
            body["hostname"] = f"vm-{self.chance.randrange(99)}.example.com"
        elif verb == "renew":
            paid_until = (await partner.service(ref))["paid_until"]
            body["from"] = paid_until or "2026-01-01T00:00:00Z"
        elif verb == "terminate":
            body["when"] = self.chance.choice(["now", "now", "period_end"])
        elif verb == "restore":
            body["renew"] = self.chance.random() < 0.7
        await self.send(partner, f"/services/{ref}/{verb}", body)

    async def send(self, partner: Caller, path: str, body: dict[str, Any]) -> int:
        key = uuid4()
        answer = await partner.send(path, body, key=key)
        code = answer.json().get("code", answer.json().get("state"))
        self.tell("POST", path, body, "->", answer.status_code, code)
        assert answer.status_code in ANSWERS, answer.text
        if answer.status_code in {202, 402, 404, 409} and code != "in_progress":
            self.sent.append(Sent(partner, path, body, key, answer.status_code, answer.json()))
        return answer.status_code

    async def burst(self) -> None:
        """Wishes and workers at once."""
        self.tell("at once:")
        await asyncio.gather(*(self.wish() for _ in range(3)), self.crew.work(2))

    async def work(self) -> None:
        self.tell("worked", await self.crew.work(self.chance.randint(1, 2)))

    async def freeze(self) -> None:
        calls, before = self.chance.randint(1, 3), self.chance.random() < 0.6
        done = await self.crew.freeze(calls=calls, before=before)
        self.tell("froze in call", calls, "before" if before else "after", done)

    async def wake(self) -> None:
        if self.crew.frozen:
            which = self.chance.randrange(len(self.crew.frozen))
            killed = self.chance.random() < 0.3
            self.tell("killed" if killed else "woke", which)
            await (self.crew.kill(which) if killed else self.crew.thaw(which))

    async def sweep(self) -> None:
        self.tell("swept")
        await self.crew.sweep()

    async def fault(self) -> None:
        kind = self.chance.choice([*FaultKind, None])
        call = self.chance.choice(["create_vm", "lock_vm", "unlock_vm", "start_vm", "stop_vm"])
        times = self.chance.randint(1, 2)
        self.tell("fault", call, kind, times)
        faults = {call: Fault(kind=kind, times=times)} if kind else {}
        await self.house.platform.set_behaviour(Behaviour(faults=faults))

    async def time(self) -> None:
        spans = [{"seconds": 2}, {"minutes": 1}, {"minutes": 20}, {"hours": 2}, {"days": 10}]
        by = self.chance.choices(spans, [6, 4, 2, 1, 1])[0]
        self.tell("time", by)
        self.house.clock.advance(**by)

    async def provider(self) -> None:
        """Staff suspend, resume, terminate and restore."""
        if not self.services:
            return
        _, ref = self.chance.choice(self.services)
        verb = self.chance.choice(["suspend", "resume", "terminate", "restore", "schedule"])
        actor = self.chance.choice([Actor.PROVIDER, Actor.ABUSE])
        self.tell("provider", verb, actor, ref)
        try:
            async with self.house.runtime.staff.write() as session:
                service = await queries.find_service(
                    session, None, service_ref=UUID(ref), lock=True
                )
                assert service is not None
                wish, side = Wish(actor=actor), Side.PROVIDER
                if verb == "suspend":
                    reason = SuspensionReason.ABUSE
                    await suspend(session, service, actor=actor, reason=reason, wish=wish)
                elif verb == "resume":
                    await resume(session, service, actor=actor, wish=wish)
                elif verb == "restore":
                    wanted = RestoreRequest()
                    await restore(session, service, wanted, side=side, wish=wish, currency="EUR")
                else:
                    when = TerminateWhen.NOW if verb == "terminate" else TerminateWhen.PERIOD_END
                    await terminate(session, service, when=when, side=side, wish=wish)
        except ProblemError as problem:
            self.tell("  refused", problem)

    async def cancel(self) -> None:
        if self.sent:
            sent = self.chance.choice(self.sent)
            answer = await sent.partner.http.post(f"/commands/{sent.key}/cancel")
            self.tell("cancel", sent.path, "->", answer.status_code, answer.json().get("code"))
            assert answer.status_code in ANSWERS, answer.text

    async def repeat(self) -> None:
        if self.sent:
            sent = self.chance.choice(self.sent)
            again = await sent.partner.send(sent.path, sent.body, key=sent.key)
            assert (again.status_code, again.json()) == (sent.status, sent.answer)

    async def money(self) -> None:
        """A fee that drives into debt, a payment, or a balance of nothing with a little credit."""
        partner = self.chance.choice(self.partners)
        balance = (await self.house.balance(partner.id)).balance
        amount = self.chance.choice([-1_000_000, 20_000, 1_200_000, -balance])
        credit = self.chance.choice([0, 0, 3000])
        self.tell("money", amount, "credit", credit)
        async with self.house.runtime.staff.write() as session:
            posting = Posting(kind="correction", text="Money", reference=new_id())
            await BOOKS.set_credit_limit(session, owner=partner.id, credit_limit=10**9)
            await BOOKS.top_up(session, owner=partner.id, amount=amount, posting=posting)
            await BOOKS.set_credit_limit(session, owner=partner.id, credit_limit=credit)
            await enqueue(
                session,
                "partner_debt",
                payload={"partner_id": partner.id},
                tenant_id=partner.id,
                dedupe_key=f"partner_debt:{partner.id}",
            )

    async def give_up(self) -> None:
        """What has failed so far has used up its attempts: it waits for staff."""
        async with self.house.runtime.staff.write() as session:
            statement = "UPDATE jobs SET state = 'dead' WHERE state = 'ready' AND attempts > 0"
            await session.execute(text(f"{statement} AND kind = 'operation'"))
            self.tell("gave up")

    async def retry(self) -> None:
        async with self.house.runtime.staff.write() as session:
            ids = (await session.scalars(text("SELECT id FROM jobs WHERE lane IS NOT NULL"))).all()
            self.tell("retried", len(await revive_jobs(session, ids=list(ids))))

    async def check(self, *, at_rest: bool) -> None:
        found = await breaches(self.house, stock=self.stock, at_rest=at_rest)
        assert not found, found


async def new_life(house: House, seed: int) -> Life:
    """Two partners with some money, and a few VMs more than there are."""
    existing = await house.count("services", "state NOT IN ('failed', 'deleted')")
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE tariffs SET stock = :stock"), {"stock": STOCK})
    partners = [await house.new_partner(money=50_000) for _ in range(2)]
    chance = random.Random(seed)
    return Life(house, Crew(house), chance, partners, stock=existing + STOCK)


async def live(house: House, seed: int) -> None:
    """One round."""
    life = await new_life(house, seed)
    try:
        for _ in range(STEPS):
            async with asyncio.timeout(30):
                await life.step()
            await life.check(at_rest=False)
        life.tell("rest")
        await house.platform.set_behaviour(Behaviour())
        await life.crew.rest()
        await life.check(at_rest=True)
    except BaseException as error:
        error.add_note("\n".join([f"SERVICES_SEED={seed}", *life.story]))
        raise
    finally:
        for partner in life.partners:
            await partner.http.aclose()


@pytest.mark.timeout(SECONDS + 60)
async def test_whatever_happens_services_money_and_vms_agree(
    selling_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A frozen worker may keep others from an account's user: here they don't wait for long.
    monkeypatch.setattr(actions, "USERS_LOCK_MS", 100)
    async with open_house(selling_database_url) as house:
        until, seed = time.monotonic() + SECONDS, SEED
        while time.monotonic() < until:
            await live(house, seed)
            seed += 1
        assert seed > SEED
