"""The log of hints goes when its time is over; a hint that is still tried never does."""

from datetime import timedelta

from sqlalchemy import text

from selling_service.database import SellingRuntime
from selling_service.events.models import WebhookDelivery, WebhookEndpoint
from selling_service.events.tasks import PRUNE_JOB, tasks
from shared.kit.ids import new_id
from tests.job import job_of
from tests.kit.stage import ManualClock
from tests.selling.events.stage import seat

KEPT = timedelta(days=30)
HOUR = timedelta(hours=1)


async def prune(runtime: SellingRuntime) -> None:
    (task,) = (task for task in tasks(runtime) if task.kind == PRUNE_JOB)
    assert task.every == HOUR
    await task.work(job_of(PRUNE_JOB))


async def log_hints(runtime: SellingRuntime, *states: str) -> None:
    """One delivery in each state, to an endpoint of its own, made now."""
    partner = await seat(runtime, name=f"Reseller {new_id()}")
    async with runtime.staff.write() as session:
        for state in states:
            endpoint_id, now = new_id(), session.clock.now()
            session.add(
                WebhookEndpoint(
                    id=endpoint_id,
                    partner_id=partner.partner_id,
                    installation_id=partner.installation_id,
                    url=f"https://reseller.example.com/{state}",
                    secret=session.vault.encrypt_text("whsec_x"),
                    state="active",
                    created_at=now,
                )
            )
            await session.flush()
            session.add(
                WebhookDelivery(
                    id=new_id(),
                    partner_id=partner.partner_id,
                    endpoint_id=endpoint_id,
                    head=1,
                    state=state,
                    attempts=1,
                    created_at=now,
                )
            )


async def states(runtime: SellingRuntime) -> list[str]:
    async with runtime.staff.read() as session:
        statement = text("SELECT state FROM webhook_deliveries ORDER BY created_at, state")
        return [state for (state,) in await session.execute(statement)]


async def test_hints_are_kept_for_thirty_days_and_as_long_as_they_are_tried(
    runtime: SellingRuntime, clock: ManualClock
) -> None:
    await log_hints(runtime, "delivered", "failed", "pending")
    clock.advance(HOUR * 2)
    await log_hints(runtime, "delivered")
    clock.advance(KEPT - 3 * HOUR)
    await prune(runtime)
    assert await states(runtime) == ["delivered", "failed", "pending", "delivered"]
    clock.advance(2 * HOUR)
    await prune(runtime)
    assert await states(runtime) == ["pending", "delivered"]
